"""Exports into outputs whose writes can be interrupted, and the rows that they hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from harvester.results.record import Shape
from harvester.tables.exports.export_types import ExportOptions
from harvester.tables.exports.exporting import export_rows
from harvester.tables.exports.part_names import parse_part
from harvester.tables.outputs.output_store import DirectoryOutput
from tests.unit.tables.memory_rows import DAY, START, MemorySource

ENVELOPE = {"url": "https://e.com", "status": "success", "data": {"html": "<p>é</p>", "parsing": {"price": 1.5}}}


class Killed(BaseException):
    """Ends an export where a kill would."""


class HookedOutput(DirectoryOutput):
    """Calls a hook before and after each write."""

    def __init__(self, root: Path, hook: Callable[[str], None]) -> None:
        super().__init__(root)
        self._hook = hook

    def create(self, name: str, content: bytes) -> bool:
        self._hook(f"before creating {name}")
        created = super().create(name, content)
        self._hook(f"after creating {name}")
        return created

    def publish(self, file: Path, name: str) -> bool:
        self._hook(f"before publishing {name}")
        published = super().publish(file, name)
        self._hook(f"after publishing {name}")
        return published


def read_parts(out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every row under data/, with its table."""
    for path in sorted((out / "data").rglob("*")) if (out / "data").exists() else ():
        if path.is_file():
            part = parse_part(str(path.relative_to(out)))
            assert part is not None
            if part.suffix == "parquet":
                rows = pq.ParquetFile(path).read().to_pylist()
            else:
                import pyarrow as pa

                codec = "zstd" if part.suffix.endswith("zst") else "gzip"
                with pa.CompressedInputStream(str(path), codec) as stream:
                    rows = [json.loads(line) for line in stream.read().splitlines()]
            for row in rows:
                yield part.table, row


def identities(out: Path) -> Counter[tuple[str, str, int | None]]:
    return Counter((row["key"], row["version"], row["row_index"]) for _, row in read_parts(out))


def expected(source: MemorySource) -> Counter[tuple[str, str, int | None]]:
    return Counter(
        (found.key, f"v{found.seq}", number)
        for found in source.kept.values()
        if found.shape is not Shape.MEDIA
        for number, text in enumerate(found.rows)
        if text is not None
    )


def some_rows(objects: int = 12) -> MemorySource:
    source = MemorySource()
    for number in range(objects):
        if number % 4 == 3:
            source.add(ENVELOPE, shape=Shape.AGENT)
        else:
            rows = [{"n": number, "row": row, "text": "x" * 50} for row in range(5)]
            source.add(*rows[:2], None, *rows[2:], landed_at=START + DAY * (number // 5))
    return source


SMALL = ExportOptions(part_bytes=1)


def kill_at_each_write(
    folder: Path,
    source: MemorySource,
    options: ExportOptions,
    exported: Callable[[Path], Counter[tuple[str, str, int | None]]] = identities,
) -> int:
    """Export once for each write, killed there and then repeated; return how many writes there are.

    ``exported`` reads what an output holds.
    """
    kill_at = 0
    while True:
        out, calls = folder / str(kill_at), 0

        def hook(_: str, kill_at: int = kill_at) -> None:
            nonlocal calls
            calls += 1
            if calls > kill_at:
                raise Killed

        try:
            export_rows(source, HookedOutput(out, hook), options)
        except Killed:
            assert max(exported(out).values(), default=1) == 1
            export_rows(source, DirectoryOutput(out), options)
            assert exported(out) == expected(source)
            kill_at += 1
        else:
            return kill_at
