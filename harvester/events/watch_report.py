"""Reports of ``watch`` and ``listen``: sync runs added up, and message counts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from harvester.errors import ExitCode, HarvesterError
from harvester.metrics import Metric
from harvester.text import rfc3339
from harvester.transfer import ObjectProblem, SyncCounts, SyncReport, ends_better_later

WATCH_REPORT_SCHEMA = "urn:nimble-harvester:watch-report:v1"
LISTEN_REPORT_SCHEMA = "urn:nimble-harvester:listen-report:v1"
_MOST_PROBLEMS = 10_000


@dataclass(frozen=True, slots=True)
class LandingReport:
    """Totals of several sync runs."""

    location: str
    """The source's URL."""
    destination: str
    """The destination's path."""
    started_at: float
    """Seconds since the epoch."""
    finished_at: float
    """Seconds since the epoch."""
    runs: int
    """Runs that were started."""
    failed_runs: int
    """Runs that ended early and were started again."""
    counts: SyncCounts
    """Objects listed or announced, by outcome, over all runs."""
    bytes_fetched: int
    """Bytes of bodies transferred."""
    bytes_written: int
    """Bytes landed."""
    first_seq: int | None
    """Sequence number of the first object landed."""
    last_seq: int | None
    """Sequence number of the last object landed."""
    problems: tuple[ObjectProblem, ...]
    """Problems, one per object, as last reported; the first 10,000."""
    error: HarvesterError | None
    """What ended it; None after a regular end."""
    exit_code: ExitCode
    """Exit code for a process that did only this."""
    retryable: bool
    """Whether the same command may end better later with nothing changed by a person."""

    def as_document(self) -> dict[str, Any]:
        """Return the fields that the published reports have in common."""
        counts = self.counts
        return {
            "location": self.location,
            "destination": self.destination,
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at),
            "exit_code": int(self.exit_code),
            "retryable": self.retryable,
            "runs": self.runs,
            "failed_runs": self.failed_runs,
            "counts": {"listed": counts.listed, **{each.name: getattr(counts, each.name) for each in fields(counts)}},
            "bytes_fetched": self.bytes_fetched,
            "bytes_written": self.bytes_written,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "problems": [problem._asdict() for problem in self.problems],
            "error": None if self.error is None else self.error.as_document(),
        }


class LandingCounters:
    """Adds up sync runs."""

    def __init__(self) -> None:
        """Start at zero."""
        self._started_at = time.time()
        self._counts: Counter[str] = Counter()
        self._bytes_fetched = 0
        self._bytes_written = 0
        self._first_seq: int | None = None
        self._last_seq: int | None = None
        self._problems: dict[str, ObjectProblem] = {}
        self.runs = 0
        """Runs added so far."""
        self.failed_runs = 0
        """Runs of these that ended early."""

    def keep_problems(self, holds: Callable[[str], bool]) -> None:
        """Keep only the problems whose key satisfies ``holds``; a later run has solved the others."""
        self._problems = {key: problem for key, problem in self._problems.items() if holds(key)}

    def add(self, report: SyncReport) -> None:
        """Add a run."""
        self.runs += 1
        self.failed_runs += report.error is not None
        for each in fields(report.counts):
            self._counts[each.name] += getattr(report.counts, each.name)
        self._bytes_fetched += report.bytes_fetched
        self._bytes_written += report.bytes_written
        self._first_seq = self._first_seq or report.first_seq
        self._last_seq = report.last_seq or self._last_seq
        for problem in report.problems:
            if problem.key in self._problems or len(self._problems) < _MOST_PROBLEMS:
                self._problems[problem.key] = problem

    def moved(self) -> dict[str, int]:
        """Return the bytes that were fetched and written, by these words."""
        return {"fetched": self._bytes_fetched, "written": self._bytes_written}

    def report(
        self, location: str, destination: str, error: HarvesterError | None, *, other_problems: bool
    ) -> LandingReport:
        """Return the totals up to now; ``other_problems``: something besides an object failed."""
        if error is not None:
            exit_code = ExitCode(error.exit_code)
        else:
            exit_code = ExitCode.PARTIAL if self._problems or other_problems else ExitCode.OK
        problems = tuple(self._problems.values())
        return LandingReport(
            location=location,
            destination=destination,
            started_at=self._started_at,
            finished_at=time.time(),
            runs=self.runs,
            failed_runs=self.failed_runs,
            counts=SyncCounts(**self._counts),
            bytes_fetched=self._bytes_fetched,
            bytes_written=self._bytes_written,
            first_seq=self._first_seq,
            last_seq=self._last_seq,
            problems=problems,
            error=error,
            exit_code=exit_code,
            retryable=ends_better_later(exit_code, error, problems, unattempted=other_problems),
        )


@dataclass(frozen=True, slots=True)
class MessageCounts:
    """Messages of a queue by outcome: ``received = deleted + left + released + lost``."""

    received: int = 0
    """Deliveries received."""
    deleted: int = 0
    """Deleted: what they announce is settled and on disk, or they announce nothing."""
    left: int = 0
    """Left for another delivery, and in the end to the dead-letter queue."""
    released: int = 0
    """Returned to the queue when the program ended."""
    lost: int = 0
    """Not settled because of an error; they are delivered again."""
    redelivered: int = 0
    """Deliveries that were not the first of their message."""
    left_by_reason: tuple[tuple[str, int], ...] = ()
    """``left``, split."""
    other_events: tuple[tuple[str, int], ...] = ()
    """Events that announce no object, by name."""
    gone: int = 0
    """Announced objects that no longer existed."""
    beside: int = 0
    """Announced objects that another worker has landed."""

    def as_document(self) -> dict[str, Any]:
        """Return the counts as they are published."""
        return {
            "received": self.received,
            "deleted": self.deleted,
            "left": self.left,
            "released": self.released,
            "lost": self.lost,
            "redelivered": self.redelivered,
            "left_by_reason": dict(self.left_by_reason),
            "other_events": dict(self.other_events),
            "gone": self.gone,
            "beside": self.beside,
        }


def message_metric(counts: MessageCounts) -> Metric:
    """Return the deliveries of messages by outcome."""
    values = {name: getattr(counts, name) for name in ("deleted", "left", "released", "lost")}
    return Metric("messages", "counter", "Deliveries of messages by outcome.", values, "outcome")


@dataclass(frozen=True, slots=True)
class WatchReport:
    """Report of a watch."""

    landing: LandingReport
    """The objects."""
    queue: str | None
    """The queue's address; None if the location was listed."""
    messages: MessageCounts
    """The messages; all zero if the location was listed."""

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        return {
            "schema": WATCH_REPORT_SCHEMA,
            **self.landing.as_document(),
            "queue": self.queue,
            "messages": self.messages.as_document(),
        }
