"""How fast rows are handed on after a sync, and how fast policies are checked and proved."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from pathlib import Path

import policies
from scripts.benchmark.input_data import Bucket
from scripts.benchmark.page.benchmark_page import table
from scripts.benchmark.peer_tools import ours
from scripts.benchmark.scenarios import Bench, Series, print_progress

_POLICY_SECONDS = 2.0


def rows(bench: Bench, buckets: dict[str, Bucket], rounds: int) -> str:
    """Measure reading, exporting and profiling the rows of A and of D; return the table."""
    print_progress("rows")
    lines = []
    for name in ("A", "D"):
        bucket = buckets[name]
        with bench.fresh(bench.work) as destination, tempfile.TemporaryDirectory(dir=bench.work) as exports:
            bench.timed(Series("sync"), [ours(), "sync", f"s3://{bucket.name}/", str(destination)], bench.served.near)
            count = _rows_of(destination)
            for what, verb, *options in (
                ("read: cat", "cat"),
                ("export to Parquet", "export", "--to"),
                ("profile", "profile", "--window", "3650d"),
            ):
                series = Series(f"{what}, {name}")
                for number in range(rounds if name == "A" else 1):
                    # An export writes what its target does not hold yet: each round has a new target.
                    target = [f"{exports}/{number}"] if verb == "export" else []
                    bench.timed(series, [ours(), verb, str(destination), *options, *target], bench.served.near)
                shown = f"failed: {series.failure}" if series.failure else f"{count / series.wall:,.0f}"
                lines.append((series.tool, f"{count:,}", f"{series.wall:.2f} s", shown))
    return "### Rows handed on\n\n" + table(["", "rows", "wall, median", "rows per second"], lines)


def verdicts() -> str:
    """Measure checks and proofs of the generated policies in this process; return the table."""
    print_progress("verdicts")
    lines = []
    for mode in ("async", "jobs"):
        contract = policies.contract(mode)
        prefixes = {"prefix": "nimble/"} if mode == "async" else {}
        target = policies.target(contract, "acme-results", prefixes=prefixes or None)
        document = policies.generate(contract, target)
        for what, measured in (
            ("check with every finding", lambda c=contract, t=target, d=document: policies.check(c, t, d)),
            ("proof for every key", lambda c=contract, t=target, d=document: policies.prove(c, t, d)),
        ):
            done, started = 0, time.process_time()
            while time.process_time() - started < _POLICY_SECONDS:
                measured()
                done += 1
            lines.append((f"{mode}: {what}", f"{done / (time.process_time() - started):,.0f} per second"))
    return "### Verdicts, on one core\n\n" + table(["the generated policy", "measured"], lines)


def _rows_of(destination: Path) -> int:
    """Return how many rows a destination holds: of a jobs file its rows, of another result one."""
    manifest = destination / ".nimble-harvester" / "manifest.sqlite"
    database = sqlite3.connect(f"file:{manifest}?mode=ro", uri=True)
    try:
        (count,) = database.execute("SELECT sum(coalesce(rows, 1)) FROM objects").fetchone()
    finally:
        database.close()
    return int(count or 0)
