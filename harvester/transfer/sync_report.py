"""The report of a run: every listed object in exactly one count."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from harvester.errors import EXIT_MEANINGS, ExitCode, HarvesterError
from harvester.text import rfc3339

SYNC_REPORT_SCHEMA = "urn:nimble-harvester:sync-report:v1"


class ObjectProblem(NamedTuple):
    """What is wrong with one object."""

    key: str
    """The whole key."""
    outcome: str
    """``quarantined``, ``refused``, ``failed``, or ``landed`` for a landed file with a fault."""
    reason: str
    """A stable code."""
    detail: str
    """The exact reason, free of payload values."""
    known: bool
    """Whether an earlier run that has ended has reported the same."""
    accepted: bool = False
    """Whether a person has accepted it as it is."""


class ObjectEvent(NamedTuple):
    """The outcome of one object, reported as it happens."""

    key: str
    """The whole key."""
    outcome: str
    """One of the counts: ``landed``, ``unchanged``, ``ignored``, ``refused``, …"""
    reason: str
    """Why: a stable code."""
    path: str
    """Where it lies, relative to the destination; empty when it does not."""
    seq: int
    """Its sequence number; 0 when it did not land."""


def ends_better_later(
    exit_code: ExitCode, error: HarvesterError | None, problems: Iterable[ObjectProblem], *, unattempted: bool
) -> bool:
    """Return whether a run that ended so may end better later with nothing changed by a person.

    By the causes of the objects that failed, where some did; what was refused or quarantined stays so.
    """
    if error is not None:
        return error.retryable
    decided = EXIT_MEANINGS[exit_code].retryable
    if decided is not None:
        return decided
    failed = {problem.reason for problem in problems if problem.outcome == "failed"}
    if not failed:
        return unattempted
    # Loaded by the runs in which objects failed.
    from harvester.causes import may_pass

    return unattempted or any(map(may_pass, failed))


@dataclass(frozen=True, slots=True)
class SyncCounts:
    """Every listed object once."""

    landed: int = 0
    """Landed in this run."""
    unchanged: int = 0
    """Landed before, and current."""
    ignored: int = 0
    """Not results, or filtered out by the caller."""
    refused: int = 0
    """Not to be landed, e.g. too large."""
    quarantined: int = 0
    """Fetched and found invalid, in this run or before."""
    failed: int = 0
    """Could not be fetched."""
    not_attempted: int = 0
    """Listed, and not reached before the run ended."""

    @property
    def listed(self) -> int:
        """The number of objects listed: the sum of the others."""
        return (
            self.landed
            + self.unchanged
            + self.ignored
            + self.refused
            + self.quarantined
            + self.failed
            + self.not_attempted
        )


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a run did."""

    location: str
    """The source's URL."""
    destination: str
    """The destination's path."""
    run: int
    """The run's number in this destination; 0 for a dry run."""
    dry_run: bool
    """Whether nothing was written; then ``not_attempted`` counts what would be fetched."""
    started_at: float
    """Seconds since the epoch."""
    finished_at: float
    """Seconds since the epoch."""
    exit_code: ExitCode
    """What a process that did only this should exit with."""
    counts: SyncCounts
    """Every listed object once."""
    ignored_by_reason: dict[str, int]
    """``ignored``, split."""
    renamed: int
    """Objects that landed in this run under a safe name instead of their own path."""
    replaced: int
    """Objects that landed in this run in the place of an older version."""
    source_gone: int
    """Objects that landed once and are no longer in the source; they are kept here."""
    bytes_fetched: int
    """Bytes of bodies that crossed the network."""
    bytes_written: int
    """Bytes landed."""
    non_finite: int
    """Numbers in Parquet files landed in this run that are NaN or infinite, and so read as text."""
    upstream: dict[str, int]
    """Envelopes landed in this run, by their own status."""
    first_seq: int | None
    """Sequence number of the first object landed in this run."""
    last_seq: int | None
    """Sequence number of the last object landed in this run."""
    problems: tuple[ObjectProblem, ...]
    """What is wrong with which object."""
    error: HarvesterError | None = None
    """What ended the run early."""

    def raise_for_error(self) -> None:
        """Raise what ended the run early, if anything did."""
        if self.error is not None:
            raise self.error

    @property
    def is_success(self) -> bool:
        """Whether the run was a complete listing whose problems are all accepted."""
        complete = self.error is None and not self.dry_run and not self.counts.not_attempted
        return complete and all(problem.accepted for problem in self.problems)

    @property
    def retryable(self) -> bool:
        """Whether the same run may end better later with nothing changed by a person."""
        return ends_better_later(
            self.exit_code, self.error, self.problems, unattempted=bool(self.counts.not_attempted and not self.dry_run)
        )

    @property
    def idle(self) -> bool:
        """Whether the run changed nothing and met nothing new."""
        quiet = self.error is None and not self.counts.landed and not self.counts.not_attempted
        return quiet and all(problem.known for problem in self.problems)

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        counts = self.counts
        return {
            "schema": SYNC_REPORT_SCHEMA,
            "location": self.location,
            "destination": self.destination,
            "run": self.run,
            "dry_run": self.dry_run,
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at),
            "exit_code": int(self.exit_code),
            "retryable": self.retryable,
            "counts": {
                "listed": counts.listed,
                "landed": counts.landed,
                "unchanged": counts.unchanged,
                "ignored": counts.ignored,
                "refused": counts.refused,
                "quarantined": counts.quarantined,
                "failed": counts.failed,
                "not_attempted": counts.not_attempted,
            },
            "ignored_by_reason": self.ignored_by_reason,
            "renamed": self.renamed,
            "replaced": self.replaced,
            "source_gone": self.source_gone,
            "bytes_fetched": self.bytes_fetched,
            "bytes_written": self.bytes_written,
            "non_finite": self.non_finite,
            "upstream": self.upstream,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "problems": [problem._asdict() for problem in self.problems],
            "error": None if self.error is None else self.error.as_document(),
        }


class SyncProgress(NamedTuple):
    """How far a run is."""

    listed: int
    """Objects listed so far."""
    listing_done: bool
    """Whether that is all of them."""
    settled: int
    """Objects accounted for."""
    problems: int
    """Objects failed, refused or quarantined so far."""
    bytes_fetched: int
    """Bytes of bodies that crossed the network."""
    at: float
    """Seconds on a monotonic clock."""


class RunCounters:
    """The counts of a run while it works."""

    listed: int = 0
    landed: int = 0
    unchanged: int = 0
    refused: int = 0
    quarantined: int = 0
    failed: int = 0
    renamed: int = 0
    replaced: int = 0
    source_gone: int = 0
    bytes_fetched: int = 0
    bytes_written: int = 0
    non_finite: int = 0
    first_seq: int | None = None
    last_seq: int | None = None
    new_problems: int = 0
    known_problems: int = 0
    accepted_problems: int = 0
    upstream_failures: int = 0
    unidentified: int = 0
    """Landed objects of which the store stated neither version nor checksum."""
    content: int = 0
    """Objects that are results, whether wanted or not: neither residue nor directory markers."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self.ignored: Counter[str] = Counter()
        """By reason."""
        self.upstream: Counter[str] = Counter()
        """Landed envelopes by their own status."""
        self.unread_headers: Counter[str] = Counter()
        """Headers that could not be read, with the number of landed objects in whose answers they were."""

    def restart(self) -> None:
        """Count again from the first object, but for what has landed: that is not landed again."""
        self.listed = self.unchanged = self.refused = self.quarantined = self.failed = 0
        self.source_gone = self.new_problems = self.known_problems = self.accepted_problems = self.content = 0
        self.ignored.clear()

    @property
    def settled(self) -> int:
        """Objects accounted for so far."""
        return self.landed + self.unchanged + self.refused + self.quarantined + self.failed + self.ignored.total()

    def report(
        self,
        *,
        location: str,
        destination: str,
        run: int,
        started_at: float,
        exit_code: ExitCode,
        problems: tuple[ObjectProblem, ...],
        error: HarvesterError | None,
        dry_run: bool = False,
    ) -> SyncReport:
        """Return the report of a run that ends now."""
        return SyncReport(
            location=location,
            destination=destination,
            run=run,
            dry_run=dry_run,
            started_at=started_at,
            finished_at=time.time(),
            exit_code=exit_code,
            counts=self.counts(),
            ignored_by_reason=dict(sorted(self.ignored.items())),
            renamed=self.renamed,
            replaced=self.replaced,
            source_gone=self.source_gone,
            bytes_fetched=self.bytes_fetched,
            bytes_written=self.bytes_written,
            non_finite=self.non_finite,
            upstream=dict(sorted(self.upstream.items())),
            first_seq=self.first_seq,
            last_seq=self.last_seq,
            problems=problems,
            error=error,
        )

    def counts(self) -> SyncCounts:
        """Return the counts; what is listed and not settled was not attempted."""
        return SyncCounts(
            landed=self.landed,
            unchanged=self.unchanged,
            ignored=self.ignored.total(),
            refused=self.refused,
            quarantined=self.quarantined,
            failed=self.failed,
            not_attempted=self.listed - self.settled,
        )
