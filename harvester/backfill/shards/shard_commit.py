"""Commit a shard: of any number of attempts, the rows of exactly one become visible.

Each attempt syncs into a separate scratch destination and stages its parts in a separate folder, which no reader of
``data/`` sees. Names and contents of two attempts need not agree: an object may be replaced between them, and then even
belong to another table. So an attempt is accepted or not as a whole:

1. Everything of the attempt is stored under its own, random name: parts in ``staging/``, media in ``files/``, invalid
   bytes in ``quarantine/``.
2. The shard is claimed: ``claims/shards/NNNNN.json`` is created if it is absent, and holds the report with the names of
   what was stored. All stores decide between two creators, so one attempt wins, and its content never changes.
3. Every process that finds the claim publishes the parts that it names: each is copied whole under its name in
   ``data/``. Nothing that no claim names is ever published, and a copy of the same bytes under the same name is the
   same file: any number of processes may do it at once, and after a kill the next attempt goes on.
4. When all parts are visible, ``shards/NNNNN.json`` is created if it is absent, with the content of the claim: the
   shard is committed. Only then the staged copies are removed.

At any instant ``data/`` holds parts of at most one attempt of a shard, each whole; a shard with a commit is complete.
An attempt that is killed before step 2 leaves names that no claim has, which `clean` removes once the shard is
committed: until then an attempt that stages may still win. One that is killed later has won, and the next attempt of
the shard ends at once after steps 3 and 4, without fetching anything.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from harvester.backfill.backfill_plan import Shard, shard_name
from harvester.backfill.shards.shard_report import ShardReport
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, IntegrityError, UsageError
from harvester.tables import OutputStore, StagedRows, publish_staged, remove_staged

COMMIT_FOLDER: Final = "shards/"
CLAIM_FOLDER: Final = "claims/shards/"
FILES_FOLDER: Final = "files/"
QUARANTINE_FOLDER: Final = "quarantine/"


class Commit(NamedTuple):
    """The content of a claim and of the commit that follows it."""

    document: dict[str, Any]
    """The report of the shard, as published."""
    staged: StagedRows
    """The attempt that was accepted, with its parts."""


def shard_series(index: int) -> str:
    """Return the series of a shard's parts."""
    return f"shard-{shard_name(index)}"


class ShardCommits:
    """The claim and the commit of one shard in an output."""

    def __init__(self, store: OutputStore, shard: Shard) -> None:
        """Take the output."""
        self._store = store
        self._shard = shard

    def committed(self) -> Commit | None:
        """Return the commit, None where there is none. Raises IntegrityError, UsageError for another backfill's."""
        return self._read(COMMIT_FOLDER)

    def claimed(self) -> Commit | None:
        """Return the claim, None where there is none. Raises as `committed`."""
        return self._read(CLAIM_FOLDER)

    def settle(self, attempt: Callable[[], tuple[ShardReport, StagedRows] | None]) -> Commit | None:
        """Return the commit of the shard: the one that stands, else that of an attempt which is made now.

        ``attempt`` stores everything of an attempt, or returns None where it cannot be committed; so does this then.
        Killed at any point, it is called again.
        """
        found = self.committed()
        if found is not None:
            return found
        claim = self.claimed()
        if claim is None:
            made = attempt()
            if made is None:
                return None
            claim = self._claim(*made)
        self._complete(claim)
        return claim

    def _claim(self, report: ShardReport, staged: StagedRows) -> Commit:
        """Claim the shard for an attempt; return the claim that stands, which may be another's."""
        commit = Commit(report.as_document(), staged)
        if self._store.create(f"{CLAIM_FOLDER}{self._shard.name}.json", _content(commit)):
            return commit
        found = self.claimed()
        if found is None:
            raise _damaged(self._store, f"{CLAIM_FOLDER}{self._shard.name}.json")
        # What cannot be removed now is removed by `clean`: the shard has its claim all the same.
        with contextlib.suppress(HarvesterError):
            remove_staged(self._store, staged)
            for folder in (FILES_FOLDER, QUARANTINE_FOLDER):
                for name in list(self._store.names(f"{folder}{self._shard.name}/{staged.attempt}/")):
                    self._store.remove(name)
        return found

    def _complete(self, claim: Commit) -> None:
        """Publish what was claimed, and commit it."""
        try:
            publish_staged(self._store, claim.staged)
        except HarvesterError:
            # Another process has committed and removed the staged copies, and a reader may have taken the parts away.
            if self.committed() is None:
                self._check_staged(claim)
                raise
        self._store.create(f"{COMMIT_FOLDER}{self._shard.name}.json", _content(claim))
        with contextlib.suppress(HarvesterError):
            remove_staged(self._store, claim.staged)

    def _check_staged(self, claim: Commit) -> None:
        """Raise IntegrityError where rows of a claim without a commit are gone: no attempt can bring them back."""
        for part in claim.staged.parts:
            if not self._store.exists(part) and not self._store.exists(claim.staged.folder + part):
                path = f"{self._store.url}/{claim.staged.folder}{part}"
                raise IntegrityError(
                    f"{path} is gone",
                    cause=f"shard {self._shard.index} is claimed for it and not committed; staged rows were removed by"
                    " another program or rule",
                    code=ErrorCode.BACKFILL_DAMAGED,
                    subject=path,
                )

    def _read(self, folder: str) -> Commit | None:
        name = f"{folder}{self._shard.name}.json"
        content = self._store.read(name)
        if content is None:
            return None
        found = parse_commit(self._store, name, content)
        if found.document["backfill"] != self._shard.backfill.id:
            raise UsageError(
                f"{self._store.url} holds another backfill",
                cause=f"{name} belongs to {found.document['backfill']}",
                code=ErrorCode.BACKFILL_PLANNED,
                subject=self._store.url,
            )
        return found


def parse_commit(store: OutputStore, name: str, content: bytes | None) -> Commit:
    """Return a stored claim or commit. Raises IntegrityError for anything else."""
    try:
        document = json.loads(content or b"")
        staged = StagedRows.from_document(document.pop("staged"))
        if not isinstance(document["shard"], int) or not isinstance(document["backfill"], str):
            raise TypeError
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, IntegrityError) as error:
        raise _damaged(store, name) from error
    return Commit(document, staged)


def _content(commit: Commit) -> bytes:
    return json.dumps({**commit.document, "staged": commit.staged.as_document()}, indent=1).encode() + b"\n"


def _damaged(store: OutputStore, name: str) -> IntegrityError:
    path = f"{store.url}/{name}"
    return IntegrityError(f"{path} is no commit of a shard", code=ErrorCode.BACKFILL_DAMAGED, subject=path)
