"""Large objects are read in memory that does not grow with them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvester.results.record import Shape
from harvester.results.result_options import ResultOptions
from harvester.results.result_reader import ResultReader
from scripts.inputs.deliveries import large_json_lines
from tests.unit.results.rows_of_files import rows

SIZE = 48 * 1024**2
BOUND = 40 * 1024**2
ROW = b'{"asin":"B012345678","price":12.5,"images":["a","b"],"text":"' + b"word " * 200 + b'"}'


def compressed_lines() -> Iterator[bytes]:
    yield from large_json_lines(SIZE // 10**6)


def document() -> Iterator[bytes]:
    yield b'{"run_id":"r","files":[' + ROW
    for _ in range(SIZE // len(ROW)):
        yield b"," + ROW
    yield b"]}"


def one_long_line() -> Iterator[bytes]:
    yield ROW + b'\n{"text":"'
    for _ in range(SIZE // 1024):
        yield b"x" * 1024
    yield b'"}\n' + ROW


def one_large_page() -> Iterator[bytes]:
    yield b'{"status":"success","data":{"html":"'
    for _ in range(SIZE // 1024):
        yield b"x" * 1024
    yield b'"}}'


@pytest.mark.parametrize(
    ("make", "name", "shape"),
    [
        (compressed_lines, "run.jsonl.gz", Shape.JSONL),
        (document, "run.json", Shape.JOBS_DOCUMENT),
        (one_long_line, "run.jsonl", Shape.JSONL),
        (one_large_page, "page.json", Shape.EXTRACT),
    ],
)
def test_a_large_object_needs_little_memory(
    make: Callable[[], Iterator[bytes]], name: str, shape: Shape, tmp_path: Path
) -> None:
    delivered, landed = tmp_path / name, tmp_path / "landed"
    with delivered.open("wb") as target:
        target.writelines(make())
    reader = ResultReader(ResultOptions())

    tracemalloc.start()
    try:
        with delivered.open("rb") as source, landed.open("w+b") as sink:
            record = reader.read_file(source, sink, name)
        read_peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        if make in (compressed_lines, document):
            assert sum(1 for _ in rows(landed if record.inflated else delivered, shape)) == record.rows
        rows_peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert record.shape is shape
    assert record.problem is None
    assert record.size > SIZE * 0.9
    assert read_peak < BOUND
    assert rows_peak < BOUND
