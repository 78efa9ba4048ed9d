"""The benchmark's tables, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scripts.benchmark.scenarios import Series

BEGIN = "<!-- scripts/bench writes from here -->"
END = "<!-- to here -->"


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
                "" if series is ours else f"{series.times_slower_than(ours):.2f} ×",
                per_object(series.cpu, objects),
                per_object(series.all_cpu, objects),
                *([] if memory is None else ["" if peak is None else f"{peak / 1e6:.0f} MB"]),
                str(len(series.walls)) + (f", failed: {series.failure}" if series.failure else ""),
            )
        )
    header = ["", "wall, median", "times ours", "CPU per object", "with the server's"]
    header += [] if memory is None else ["peak memory"]
    return f"### {title}\n\n" + table([*header, "rounds"], rows)


def plain(title: str, all_series: Sequence[Series]) -> str:
    """Return wall and CPU time, the first of ``all_series`` being this program."""
    ours = all_series[0]
    rows = [
        (
            series.tool,
            f"{series.wall:.2f} s",
            "" if series is ours else f"{series.times_slower_than(ours):.2f} ×",
            f"{series.cpu:.2f} s",
            str(len(series.walls)) + (f", failed: {series.failure}" if series.failure else ""),
        )
        for series in all_series
    ]
    return f"### {title}\n\n" + table(["", "wall, median", "times the first", "CPU", "rounds"], rows)


def per_object(seconds: float, objects: int) -> str:
    """Return CPU seconds as a share of each object."""
    each = seconds / objects
    return f"{each * 1e6:,.0f} µs" if each < 0.01 else f"{each * 1e3:,.0f} ms"


def replace_between_markers(document: Path, text: str) -> None:
    """Put ``text`` between the document's markers."""
    old = document.read_text(encoding="utf-8")
    before, rest = old.split(BEGIN)
    after = rest.split(END)[1]
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
