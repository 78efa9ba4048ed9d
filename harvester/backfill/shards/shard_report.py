"""What became of the objects of a shard, as its commit records it; reports of shards add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from harvester.backfill.backfill_plan import Shard
from harvester.tables import ExportReport
from harvester.text import rfc3339
from harvester.transfer import ObjectProblem, SyncCounts, SyncReport

REPORT_SCHEMA: Final = "urn:nimble-harvester:shard-report:v1"
_COUNTS: Final = ("landed", "unchanged", "ignored", "refused", "quarantined", "failed", "not_attempted")
_SUMS: Final = ("bytes_fetched", "bytes_written", "parts", "files", "oversized")


@dataclass(frozen=True, slots=True)
class ShardTotals:
    """Counts of one shard, or of many added up."""

    counts: SyncCounts = field(default_factory=SyncCounts)
    """Every listed object once, as one run over all of them would count it."""
    ignored_by_reason: dict[str, int] = field(default_factory=dict)
    """``ignored``, split."""
    upstream: dict[str, int] = field(default_factory=dict)
    """Envelopes landed, by their own status."""
    bytes_fetched: int = 0
    """Bytes of bodies that crossed the network."""
    bytes_written: int = 0
    """Bytes landed in the scratch folder."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows in ``data/``, by table."""
    parts: int = 0
    """Files in ``data/``."""
    files: int = 0
    """Objects without rows, in ``files/``."""
    oversized: int = 0
    """Rows longer than the limit, which are not written."""
    misfits: dict[str, int] = field(default_factory=dict)
    """By typed column, values that did not fit and are NULL."""

    def as_document(self) -> dict[str, Any]:
        """Return the totals as published JSON has them."""
        counts = {"listed": self.counts.listed, **{name: getattr(self.counts, name) for name in _COUNTS}}
        return {**asdict(self), "counts": counts}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> ShardTotals:
        """Return what was recorded. Raises LookupError, TypeError or ValueError for anything else."""
        counts = SyncCounts(**{name: int(document["counts"][name]) for name in _COUNTS})
        return cls(counts, **{name: document[name] for name in cls.__dataclass_fields__ if name != "counts"})

    @property
    def has_problems(self) -> bool:
        """Whether an object or a row is not in the output that belongs there."""
        counts = self.counts
        lost = counts.refused + counts.quarantined + counts.failed + counts.not_attempted
        return lost + self.oversized > 0


@dataclass(frozen=True, slots=True)
class ShardReport:
    """The outcome of one shard."""

    backfill: str
    """Id of the backfill."""
    shard: int
    """Number of the shard."""
    shard_count: int
    """How many shards the backfill has."""
    started_at: float
    """Seconds since the epoch."""
    finished_at: float
    """Seconds since the epoch."""
    totals: ShardTotals
    """Its counts."""
    problems: tuple[ObjectProblem, ...] = ()
    """What is wrong with which object."""
    oversized_rows: tuple[str, ...] = ()
    """The first rows that are too long: key and row number."""

    def as_document(self) -> dict[str, Any]:
        """Return the report as published JSON has it."""
        return {
            "schema": REPORT_SCHEMA,
            "backfill": self.backfill,
            "shard": self.shard,
            "shard_count": self.shard_count,
            "started_at": rfc3339(self.started_at),
            "finished_at": rfc3339(self.finished_at),
            "seconds": round(self.finished_at - self.started_at, 3),
            **self.totals.as_document(),
            "problems": [
                {"key": each.key, "outcome": each.outcome, "reason": each.reason, "detail": each.detail}
                for each in self.problems
            ],
            "oversized_rows": list(self.oversized_rows),
        }


def report_shard(
    shard: Shard, runs: Iterable[SyncReport], exported: ExportReport, files: int, finished_at: float
) -> ShardReport:
    """Return the report of a shard that was synced, in one or more runs into one empty destination, and exported.

    What landed in an earlier run of the attempt is unchanged in the last one; for the shard it has landed.
    """
    reports = list(runs)
    last = reports[-1]
    counts = last.counts
    upstream: Counter[str] = Counter()
    for report in reports:
        upstream.update(report.upstream)
    totals = ShardTotals(
        SyncCounts(
            landed=counts.landed + counts.unchanged,
            ignored=counts.ignored,
            refused=counts.refused,
            quarantined=counts.quarantined,
            failed=counts.failed,
            not_attempted=counts.not_attempted,
        ),
        ignored_by_reason=last.ignored_by_reason,
        upstream=dict(sorted(upstream.items())),
        bytes_fetched=sum(report.bytes_fetched for report in reports),
        bytes_written=sum(report.bytes_written for report in reports),
        rows={name: table.rows for name, table in exported.tables.items() if table.parts},
        parts=sum(table.parts for table in exported.tables.values()),
        files=files,
        oversized=exported.oversized,
        misfits=dict(exported.misfits),
    )
    return ShardReport(
        shard.backfill.id,
        shard.index,
        shard.backfill.shard_count,
        reports[0].started_at,
        finished_at,
        totals,
        last.problems,
        tuple(exported.oversized_rows),
    )


def add_totals(totals: Iterable[ShardTotals]) -> ShardTotals:
    """Return the sums over shards."""
    counts: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    ignored, upstream, rows, misfits = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for each in totals:
        counts.update({name: getattr(each.counts, name) for name in _COUNTS})
        sums.update({name: getattr(each, name) for name in _SUMS})
        ignored.update(each.ignored_by_reason)
        upstream.update(each.upstream)
        rows.update(each.rows)
        misfits.update(each.misfits)
    return ShardTotals(
        SyncCounts(**{name: counts[name] for name in _COUNTS}),
        ignored_by_reason=dict(sorted(ignored.items())),
        upstream=dict(sorted(upstream.items())),
        rows=dict(sorted(rows.items())),
        misfits=dict(sorted(misfits.items())),
        bytes_fetched=sums["bytes_fetched"],
        bytes_written=sums["bytes_written"],
        parts=sums["parts"],
        files=sums["files"],
        oversized=sums["oversized"],
    )
