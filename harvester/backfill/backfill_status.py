"""What is committed of a backfill, added up; and what can be removed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from harvester.backfill.backfill_plan import MAX_SHARDS, PLAN_NAME, BackfillPlan, open_planned, plan_time, read_plan
from harvester.backfill.shards import (
    CLAIM_FOLDER,
    COMMIT_FOLDER,
    FILES_FOLDER,
    QUARANTINE_FOLDER,
    Commit,
    ShardTotals,
    add_totals,
    parse_commit,
    shard_series,
)
from harvester.error_codes import ErrorCode
from harvester.errors import ExitCode, IntegrityError, UsageError
from harvester.sessions import StoreSettings
from harvester.tables import OutputStore, remove_staged, staged_attempts

STATUS_SCHEMA: Final = "urn:nimble-harvester:backfill-status:v1"
_MOST_PROBLEMS: Final = 1000


@dataclass(frozen=True, slots=True)
class BackfillStatus:
    """The committed reports of a backfill, added up."""

    output: str
    """Where it is written."""
    backfill: str
    """Its id."""
    location: str
    """Where its objects are; empty where the plan is not stored."""
    cutoff: float | None
    """Objects modified later are not part of it; None where the plan is not stored."""
    shard_count: int
    """How many shards it has."""
    missing: tuple[int, ...]
    """Shards without a commit."""
    claimed: tuple[int, ...]
    """Shards of which an attempt was accepted and not yet committed: the next attempt completes it."""
    totals: ShardTotals
    """The counts of the committed shards, as one run would have counted them."""
    planned_objects: int | None = None
    """Objects when it was planned; None where the plan is not stored."""
    seconds: float = 0.0
    """Time of all committed attempts together."""
    problems: tuple[dict[str, Any], ...] = ()
    """The first 1,000 problems, each with its shard."""
    problem_count: int = 0
    """How many there are."""

    @property
    def exit_code(self) -> ExitCode:
        """3 while a shard is missing or a report holds problems, else 0."""
        return ExitCode.PARTIAL if self.missing or self.totals.has_problems or self.problem_count else ExitCode.OK

    def as_document(self) -> dict[str, Any]:
        """Return the status as published JSON has it."""
        return {
            "schema": STATUS_SCHEMA,
            "output": self.output,
            "backfill": self.backfill,
            "location": self.location,
            "cutoff": None if self.cutoff is None else plan_time(self.cutoff),
            "shards": self.shard_count,
            "committed": self.shard_count - len(self.missing),
            "missing": list(self.missing),
            "claimed": list(self.claimed),
            "planned_objects": self.planned_objects,
            "seconds": round(self.seconds, 3),
            **self.totals.as_document(),
            "problem_count": self.problem_count,
            "problems": list(self.problems),
            "exit_code": int(self.exit_code),
        }


@dataclass(slots=True)
class _Sum:
    """Committed reports, added up one by one."""

    totals: ShardTotals = field(default_factory=ShardTotals)
    seconds: float = 0.0
    problems: list[dict[str, Any]] = field(default_factory=list)
    problem_count: int = 0

    def add(self, document: dict[str, Any]) -> None:
        self.totals = add_totals((self.totals, ShardTotals.from_document(document)))
        self.seconds += float(document["seconds"])
        problems = document["problems"]
        self.problem_count += len(problems)
        listed = _MOST_PROBLEMS - len(self.problems)
        self.problems += [{"shard": document["shard"], **problem} for problem in problems[:listed]]


def merge_reports(out: str, *, settings: StoreSettings | None = None) -> BackfillStatus:
    """Return the sum of the committed reports in an output, and which shards are missing.

    Raises UsageError for an output without a backfill, IntegrityError for a damaged report or plan.
    """
    with open_planned(out, settings) as store:
        return read_status(store)


def read_status(store: OutputStore) -> BackfillStatus:
    """Return the status of the backfill in an open output. Raises as `merge_reports`."""
    plan = read_plan(store) if store.exists(PLAN_NAME) else None
    total, shards, ids, counts = _Sum(), set(), set(), set()
    for name in sorted(store.names(COMMIT_FOLDER)):
        document = _commit(store, name).document
        try:
            total.add(document)
            shards.add(document["shard"])
            ids.add(document["backfill"])
            counts.add(document["shard_count"])
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _damaged(f"{store.url}/{name}") from error
    if plan is not None:
        ids.add(plan.backfill.id)
        counts.add(plan.backfill.shard_count)
    if not ids:
        raise UsageError(f"{store.url} holds no backfill", code=ErrorCode.NO_BACKFILL, subject=store.url)
    count = max(counts)
    if len(ids) > 1 or len(counts) > 1 or not shards <= set(range(min(count, MAX_SHARDS))):
        raise _damaged(store.url)
    missing = tuple(index for index in range(count) if index not in shards)
    claims = {_number(name) for name in store.names(CLAIM_FOLDER)}
    return BackfillStatus(
        store.url,
        ids.pop(),
        "" if plan is None else plan.backfill.location.url,
        None if plan is None else plan.backfill.cutoff,
        count,
        missing,
        tuple(index for index in missing if index in claims),
        total.totals,
        None if plan is None else plan.objects,
        total.seconds,
        tuple(total.problems),
        total.problem_count,
    )


def missing_shards(store: OutputStore, plan: BackfillPlan) -> list[int]:
    """Return the shards of a plan without a commit, by the names in the output alone."""
    committed = {_number(name) for name in store.names(COMMIT_FOLDER)}
    return [index for index in range(len(plan.spans)) if index not in committed]


def clean(store: OutputStore) -> int:
    """Remove what attempts stored that no commit names; return how many files were removed.

    Only of committed shards: an attempt that is at work on another may still be accepted.
    """
    accepted = {
        commit.document["shard"]: commit.staged.attempt
        for commit in (_commit(store, name) for name in store.names(COMMIT_FOLDER))
    }
    removed = 0
    series = {shard_series(index): index for index in accepted}
    for staged in staged_attempts(store):
        if staged.series in series:
            removed += len(list(store.names(staged.folder)))
            remove_staged(store, staged)
    for folder in (FILES_FOLDER, QUARANTINE_FOLDER):
        for name in list(store.names(folder)):
            shard, _, rest = name.removeprefix(folder).partition("/")
            attempt = accepted.get(int(shard)) if shard.isdecimal() else None
            if attempt is not None and rest.partition("/")[0] != attempt:
                store.remove(name)
                removed += 1
    return removed


def _commit(store: OutputStore, name: str) -> Commit:
    return parse_commit(store, name, store.read(name))


def _number(name: str) -> int:
    digits = name.rpartition("/")[2].removesuffix(".json")
    return int(digits) if digits.isdecimal() else -1


def _damaged(path: str) -> IntegrityError:
    return IntegrityError(f"{path} is no commit of this backfill", code=ErrorCode.BACKFILL_DAMAGED, subject=path)
