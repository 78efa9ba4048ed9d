"""Plans of a few shards, and reports that fit them."""

from __future__ import annotations

from dataclasses import replace

from harvester.backfill.backfill_plan import Backfill, BackfillPlan, KeySpan, Shard
from harvester.backfill.shards.shard_report import ShardReport, ShardTotals
from harvester.location import parse_location
from harvester.transfer import SyncCounts

ID = "0123456789abcdef" * 2


def small_plan(shards: int = 3) -> BackfillPlan:
    backfill = Backfill(ID, parse_location("s3://bucket/results/"), 1_700_000_000.5, 1_700_000_000.0, shards)
    spans = [KeySpan(f"results/{number}", f"results/{number + 1}", 10, 1000) for number in range(shards)]
    spans[0], spans[-1] = spans[0]._replace(after=""), spans[-1]._replace(through=None)
    return BackfillPlan(backfill, tuple(spans), parallelism=shards)


def report_of(shard: Shard, totals: ShardTotals | None = None) -> ShardReport:
    found = totals or ShardTotals(SyncCounts(landed=1))
    return ShardReport(shard.backfill.id, shard.index, shard.backfill.shard_count, 0.0, 2.5, found)


def with_counts(**counts: int) -> ShardTotals:
    return replace(ShardTotals(), counts=SyncCounts(**counts))
