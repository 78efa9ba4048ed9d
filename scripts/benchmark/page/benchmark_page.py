"""The benchmark's tables, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scripts.benchmark.scenarios import Series, spread

TEMPLATE = Path(__file__).with_name("page.md")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, numbers to the right."""
    lines = [f"| {' | '.join(header)} |", f"| --- |{' ---: |' * (len(header) - 1)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def copies(
    title: str, all_series: Sequence[Series], objects: int, memory: Mapping[tuple[str, int], int] | None = None
) -> str:
    """Return how long each tool took to copy, the first of ``all_series`` being this program."""
    ours = all_series[0]
    rows = []
    for series in all_series:
        peak = (memory or {}).get((series.tool, objects))
        rows.append(
            (
                series.tool,
                f"{series.wall:.2f} s",
                *_ratios(series, ours),
                per_object(series.cpu, objects),
                per_object(series.all_cpu, objects),
                *([] if memory is None else ["" if peak is None else f"{peak / 1e6:.0f} MB"]),
                str(len(series.walls)) + (f", failed: {series.failure}" if series.failure else ""),
            )
        )
    header = ["", "wall, median", "times ours", "spread", "CPU, times ours", "CPU per object", "with the server's"]
    header += [] if memory is None else ["peak memory"]
    return f"### {title}\n\n" + table([*header, "rounds"], rows)


def plain(title: str, all_series: Sequence[Series]) -> str:
    """Return wall and CPU time, the first of ``all_series`` being this program."""
    ours = all_series[0]
    rows = [
        (
            series.tool,
            f"{series.wall:.2f} s",
            *_ratios(series, ours),
            f"{series.cpu:.2f} s",
            str(len(series.walls)) + (f", failed: {series.failure}" if series.failure else ""),
        )
        for series in all_series
    ]
    return f"### {title}\n\n" + table(
        ["", "wall, median", "times the first", "spread", "CPU, times the first", "CPU", "rounds"], rows
    )


def _ratios(series: Series, ours: Series) -> tuple[str, str, str]:
    """Return the ratio of wall times, its spread over the rounds, and the ratio of CPU times."""
    if series is ours:
        own = spread(series.walls)
        return "", "" if own is None else f"{100 * own:.0f} %", ""
    ratio_spread = series.spread(ours)
    shown = "" if ratio_spread is None else f"{100 * ratio_spread:.0f} %"
    return f"{series.times_slower_than(ours):.2f} ×", shown, f"{series.cpu_times(ours):.2f} ×"


def per_object(seconds: float, objects: int) -> str:
    """Return CPU seconds as a share of each object."""
    each = seconds / objects
    return f"{each * 1e6:,.0f} µs" if each < 0.01 else f"{each * 1e3:,.0f} ms"


def document(command: str, results: str) -> str:
    """Return the whole page: scripts/benchmark/page/page.md with the command of the run and its results."""
    return TEMPLATE.read_text(encoding="utf-8").replace("{command}", command).replace("{results}", results)
