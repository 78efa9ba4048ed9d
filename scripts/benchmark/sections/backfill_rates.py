"""What a shard costs over a plain sync and an export of the same objects."""

from __future__ import annotations

import statistics
import tempfile
from typing import NamedTuple

from scripts.benchmark.input_data import Bucket
from scripts.benchmark.page.benchmark_page import table
from scripts.benchmark.page.goals import Goal
from scripts.benchmark.peer_tools import ours
from scripts.benchmark.scenarios import Bench, Series, print_progress, spread

_ALLOWED = 1.10


class ShardRates(NamedTuple):
    """The measurements of one shard."""

    section: str
    """The table."""
    goal: Goal
    """The goal they are held against."""


def shards(bench: Bench, bucket: Bucket, rounds: int) -> ShardRates:
    """Measure a sync with an export, and one shard of the same objects, in turn."""
    print_progress("backfill")
    location, count = f"s3://{bucket.name}/", len(bucket.entries)
    sync, export, shard = Series("sync"), Series("export to Parquet"), Series("one shard, committed")
    for number in range(rounds):
        with tempfile.TemporaryDirectory(dir=bench.work) as work:
            near = bench.served.near
            bench.timed(sync, [ours(), "sync", location, f"{work}/results"], near)
            bench.timed(export, [ours(), "export", f"{work}/results", "--to", f"{work}/tables-{number}"], near)
            out = f"{work}/backfill"
            bench.timed(
                Series("plan"), [ours(), "backfill", "plan", location, "--to", out, "--shards", "1", "--yes"], near
            )
            bench.timed(shard, [ours(), "backfill", "run", out, "--shard", "0", "--scratch", f"{work}/scratch"], near)
    plain = [sum(pair) for pair in zip(sync.cpus, export.cpus, strict=True)]
    ratios = [ours / theirs for ours, theirs in zip(shard.cpus, plain, strict=True)]
    lines = [
        (what, f"{statistics.median(seconds):.2f} s", f"{count / statistics.median(seconds):,.0f}")
        for what, seconds in (
            (sync.tool, sync.cpus),
            (export.tool, export.cpus),
            ("sync and export", plain),
            (shard.tool, shard.cpus),
        )
    ]
    title = f"### A shard of {count:,} objects, beside a sync and an export of them"
    section = f"{title}\n\n" + table(["", "CPU, median", "objects per core and second"], lines)
    goal = Goal(
        f"CPU of a shard of {count:,} objects, of a sync and an export",
        _ALLOWED,
        statistics.median(ratios),
        spread(ratios),
        at_most=True,
    )
    return ShardRates(section, goal)
