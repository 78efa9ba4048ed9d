"""What an export to Parquet takes beside reading and compressing its rows, and its memory for any number of rows."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from scripts.benchmark.input_data import Bucket
from scripts.benchmark.measurement import peak_memory
from scripts.benchmark.page.benchmark_page import table
from scripts.benchmark.page.goals import Goal
from scripts.benchmark.peer_tools import ours
from scripts.benchmark.scenarios import Bench, Series, print_progress, spread

_TIMES = 2.0
"""How much processor time an export may take, as a multiple of reading and compressing."""
_GROWTH = 1.1
"""By how much its memory may grow with four times the rows."""


def exports(bench: Bench, buckets: dict[str, Bucket], rounds: int, most_rows: int) -> tuple[str, list[Goal]]:
    """Measure exports of A and D beside their floor, and of up to ``most_rows`` rows; return tables and goals."""
    print_progress("exports")
    times, time_goals = _processor_times(bench, buckets, rounds)
    memory, memory_goal = _memory(bench, most_rows)
    return f"### Export to Parquet\n\n{times}\n\n{memory}", [*time_goals, memory_goal]


def _processor_times(bench: Bench, buckets: dict[str, Bucket], rounds: int) -> tuple[str, list[Goal]]:
    lines, goals = [], []
    for name in ("A", "D"):
        with bench.fresh(bench.work) as destination, tempfile.TemporaryDirectory(dir=bench.work) as outputs:
            near = bench.served.near
            bench.timed(Series("sync"), [ours(), "sync", f"s3://{buckets[name].name}/", str(destination)], near)
            floor, ours_series = Series(f"read and compress, {name}"), Series(f"export, {name}")
            for number in range(rounds):
                bench.timed(
                    floor, [sys.executable, "-m", "scripts.benchmark.floors.read_and_compress", str(destination)], near
                )
                command = [ours(), "export", str(destination), "--to", f"{outputs}/{number}"]
                bench.timed(ours_series, command, near)
        ratios = [mine / least for mine, least in zip(ours_series.cpus, floor.cpus, strict=True)]
        lines.append((name, f"{floor.cpu:.2f} s", f"{ours_series.cpu:.2f} s", f"{ours_series.cpu_times(floor):.2f}"))
        what = f"export of {name} to Parquet: processor time of reading and compressing"
        goals.append(Goal(what, _TIMES, ours_series.cpu_times(floor), spread(ratios), at_most=True))
    return table(["rows of", "read and compress, CPU", "export, CPU", "times"], lines), goals


def _memory(bench: Bench, most_rows: int) -> tuple[str, Goal]:
    lines, peaks = [], []
    for rows in (most_rows // 4, most_rows):
        with tempfile.TemporaryDirectory(dir=bench.work) as folder:
            source, destination = Path(folder, "source"), Path(folder, "destination")
            source.mkdir()
            with (source / "rows.jsonl").open("w", encoding="utf-8") as file:
                for number in range(rows):
                    file.write(json.dumps({"url": f"https://x.example/{number}", "price": number / 7}) + "\n")
            environment = bench.environment(bench.served.near)
            peak_memory([ours(), "sync", f"file://{source}/", str(destination)], environment)
            code, peak = peak_memory([ours(), "export", str(destination), "--to", f"{folder}/out"], environment)
            peaks.append(peak / 1e6)
            lines.append((f"{rows:,}", f"failed: exit {code}" if code else f"{peak / 1e6:.0f} MB"))
    goal = Goal(
        f"memory of an export of {most_rows:,} rows beside a quarter of them", _GROWTH, peaks[1] / peaks[0], None,
        at_most=True, is_noisy=False,
    )  # fmt: skip
    return table(["rows of a jobs file", "peak memory"], lines), goal
