"""Read landed results back, in the order they landed, with a cursor."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from harvester.destination.manifest import LandedRow, Manifest, ProblemRow, SourceBinding, shown_key
from harvester.destination.opened import read_destination
from harvester.destination.tree import NoFollowTree
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, IntegrityError, UsageError
from harvester.extras import PARQUET, is_installed, require_extra
from harvester.results import Shape, rows, select
from harvester.text import rfc3339


class ResultRow(NamedTuple):
    """One result: an envelope, or a row of a jobs file."""

    text: bytes
    """Its JSON text on one line, numbers unchanged to the digit."""
    seq: int
    """Sequence number of the object it came with: the cursor to go on after."""
    run: int
    """The run that landed it."""
    key: str
    """The whole key; ``nimble-task:ID`` for what was rescued through the API."""
    etag: str
    """Identity of the version at the source."""
    task_id: str | None
    """The task it belongs to, when its content names one."""
    landed_at: float
    """Seconds since the epoch."""

    def with_meta(self) -> bytes:
        """Return one line of JSON that holds where the result came from, and the result."""
        meta = {
            "seq": self.seq,
            "run": self.run,
            "key": self.key,
            "etag": self.etag,
            "task_id": self.task_id,
            "landed_at": rfc3339(self.landed_at),
        }
        return json.dumps(meta).encode()[:-1] + b', "result": ' + self.text + b"}"


@dataclass(slots=True)
class ReadAccount:
    """What a reading passed over; filled while it is iterated."""

    evicted: int = 0
    """Objects freed here on purpose."""
    without_rows: int = 0
    """Objects that are no JSON: media, or landed without validation."""
    without_value: int = 0
    """Results that lack the value selected."""
    unreadable: list[str] = field(default_factory=list)
    """Paths that are not what was landed."""


def read(
    destination: Path | str,
    *,
    after: int = 0,
    run: int | Literal["last"] | None = None,
    selected: str | None = None,
    state_dir: Path | None = None,
    account: ReadAccount | None = None,
) -> Iterator[ResultRow]:
    """Yield the validated results of a destination in the order they landed.

    ``after`` is a cursor: the ``seq`` of the last row already taken. ``run`` keeps to one run, ``selected`` (a path
    like ``data.markdown``) to one value of each result; results that lack it are left out. Raises ConfigurationError
    when the destination was never synced, or holds Parquet and the extra [parquet] is missing, UsageError for a run
    that never was or a path with an empty step, and, when it has yielded all it could, IntegrityError for landed files
    that are missing or altered, unless an ``account`` takes note of them.
    """
    if selected is not None and not all(selected.split(".")):
        raise UsageError(
            f"not a path: {selected!r}",
            cause="between its dots it has keys, or positions in an array from 0",
            code=ErrorCode.FIELD_PATH_INVALID,
            subject=selected,
        )
    noted = account or ReadAccount()
    with read_destination(Path(destination), state_dir) as opened:
        inside = NoFollowTree(opened.root)
        number = _run_number(opened.manifest, run)
        if not is_installed(PARQUET) and any(
            row.shape == Shape.PARQUET and not row.evicted for row in opened.manifest.landed_by_seq(after, run=number)
        ):
            require_extra(PARQUET)
        for row in opened.manifest.landed_by_seq(after, run=number):
            yield from _results(inside, row, selected, noted)
    if noted.unreadable and account is None:
        raise unreadable_error(destination, noted)


def unreadable_error(destination: Path | str, account: ReadAccount) -> IntegrityError:
    """Return the error for landed files that could not be read back."""
    return IntegrityError(
        f"{len(account.unreadable):,} landed files are missing or not what was landed, e.g. {account.unreadable[0]}",
        code=ErrorCode.FILES_DAMAGED,
        subject=str(destination),
        parameters={"dest": str(destination)},
    )


def _run_number(manifest: Manifest, run: int | Literal["last"] | None) -> int | None:
    if run is None:
        return None
    newest = manifest.runs(1)
    last = newest[0].run if newest else 0
    if run == "last":
        return last
    if not 1 <= run <= last:
        raise UsageError(
            f"there is no run {run}", cause=f"runs 1 to {last} are known", code=ErrorCode.NO_SUCH_RUN, subject=str(run)
        )
    return run


def _results(inside: NoFollowTree, row: LandedRow, selected: str | None, account: ReadAccount) -> Iterator[ResultRow]:
    if row.evicted:
        account.evicted += 1
        return
    if row.shape is None or row.shape == Shape.MEDIA:
        account.without_rows += 1
        return
    try:
        path = Path(inside.whole_path(row.path))
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != row.content_size:
            account.unreadable.append(row.path)
            return
        for text in rows(path, Shape(row.shape)):
            wanted = text if selected is None else select(text, selected)
            if wanted is None:
                account.without_value += 1
            else:
                yield ResultRow(wanted, row.seq, row.run, shown_key(row.key), row.etag, row.task_id, row.landed_at)
    except (OSError, ValueError, HarvesterError):
        account.unreadable.append(row.path)


def source_of(destination: Path, *, state_dir: Path | None = None) -> SourceBinding | None:
    """Return what a destination is a copy of. Raises ConfigurationError when it was never synced."""
    with read_destination(destination, state_dir) as opened:
        return opened.manifest.binding()


def landed_rows(destination: Path, *, state_dir: Path | None = None) -> Iterator[LandedRow]:
    """Yield the row of every landed object, in byte order of the key. Raises ConfigurationError (never synced)."""
    with read_destination(destination, state_dir) as opened:
        yield from opened.manifest.landed()


def problem_rows(destination: Path, *, state_dir: Path | None = None) -> Iterator[ProblemRow]:
    """Yield every known problem, in byte order of the key. Raises ConfigurationError (never synced)."""
    with read_destination(destination, state_dir) as opened:
        yield from opened.manifest.problems()
