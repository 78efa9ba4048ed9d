"""What landed is what is read: the same rows, the same broken ones, by the same numbers."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.errors import IntegrityError
from harvester.results.record import Shape
from harvester.results.result_options import ResultOptions, Validation
from harvester.results.result_reader import ResultReader
from harvester.results.row_batches import BrokenRows, RowCount
from harvester.results.row_files.row_reader import NumberedRow, numbered_rows

READERS = [ResultReader(ResultOptions(validation=validation)) for validation in (Validation.SCHEMA, Validation.SHAPE)]
TABLES = (Shape.ROWS, Shape.JOBS_DOCUMENT, Shape.JSONL, Shape.CSV, Shape.PARQUET)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
nested = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
)
objects = st.dictionaries(st.text(max_size=4), nested, max_size=3)


def text(value: object) -> bytes:
    return json.dumps(value).encode()


def in_csv(records: list[list[str]]) -> bytes:
    sink = io.StringIO(newline="")
    csv.writer(sink).writerows([["a", "b"], *records])
    return sink.getvalue().encode("utf-8", "replace")


def in_parquet(columns: dict[str, list[Any]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), sink, row_group_size=2)
    return sink.getvalue()


columns = st.integers(0, 4).flatmap(
    lambda rows: st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=3),
        st.lists(st.none() | st.floats(), min_size=rows, max_size=rows)
        | st.lists(st.none() | st.datetimes(), min_size=rows, max_size=rows)
        | st.lists(st.none() | st.binary(max_size=3), min_size=rows, max_size=rows)
        | st.lists(st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-9, max_value=9),
                   min_size=rows, max_size=rows),
        min_size=1,
        max_size=3,
    )
)  # fmt: skip

documents = st.one_of(
    st.lists(objects | scalars, max_size=4).map(text).map(lambda body: ("a.json", body)),
    st.lists(objects | scalars, max_size=4).map(lambda rows: ("a.json", text({"run": "r", "files": rows}))),
    objects.map(lambda parsing: ("a.json", text({"status": "success", "data": {"parsing": parsing}}))),
    st.lists(objects | scalars, max_size=5).map(lambda rows: ("a.jsonl", b"\n".join(map(text, rows)))),
    st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=3), max_size=5).map(
        lambda rows: ("a.csv", in_csv(rows))
    ),
    columns.map(lambda columns: ("a.parquet", in_parquet(columns))),
)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[str, bytes]:
    """A delivered object: whole, after a mark, with bytes changed, or cut short."""
    key, body = draw(documents)
    if draw(st.booleans()) and not key.endswith("parquet"):
        body = b"\xef\xbb\xbf" + body
    if draw(st.booleans()):
        damaged = bytearray(body)
        for _ in range(draw(st.integers(0, 3))):
            place = draw(st.integers(0, max(0, len(body) - 1)))
            damaged[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
        body = bytes(damaged)
    return key, body


@settings(max_examples=600)
@given(deliveries(), st.booleans(), st.sampled_from(READERS))
def test_what_landed_is_what_is_read(delivery: tuple[str, bytes], compressed: bool, reader: ResultReader) -> None:
    key, body = delivery
    decoded = reader.read(gzip.compress(body) if compressed else body, key)
    record = decoded.record
    if record.problem is not None and record.problem.quarantine:
        return
    assert record.shape is not None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "landed")
        path.write_bytes(decoded.content)
        count = RowCount()
        rows = list(numbered_rows(path, record.shape, count))
    check_numbers(rows)
    for _, row in rows:
        if isinstance(row, bytes):
            assert b"\n" not in row
            assert isinstance(json.loads(row), dict)
    if record.shape in TABLES and record.rows is not None:
        counted = RowCount(non_finite=count.non_finite)
        for _, row in rows:
            counted.add(row if isinstance(row, BrokenRows) else [row])
        assert (counted.rows, counted.broken) == (record.rows, record.broken_rows)
        assert counted.non_finite == record.non_finite
        assert counted.problem() == record.problem
    else:
        assert len(rows) == 1


def check_numbers(rows: list[NumberedRow]) -> None:
    expected = 0
    for number, row in rows:
        assert number == expected
        expected += row.rows if isinstance(row, BrokenRows) else 1


def test_broken_rows_keep_their_numbers_and_blank_lines_have_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a":0}\n\n{"a":\r\n \n{"a":2}\r\n[3]\n{"a":4}')
    found = list(numbered_rows(path, Shape.JSONL))
    assert [number for number, _ in found] == [0, 1, 2, 3, 4]
    assert [row for _, row in found if isinstance(row, bytes)] == [b'{"a":0}', b'{"a":2}', b'{"a":4}']
    faults = {number: row.fault for number, row in found if isinstance(row, BrokenRows)}
    assert sorted(faults) == [1, 3]
    assert faults[3] == "an array, expected an object"


@pytest.mark.parametrize("padding", [0, 5 * 1024**2], ids=["parsed at once", "scanned"])
def test_rows_of_an_array_keep_their_numbers(padding: int, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"files":[{"a":0},7,{"a":2}, null ,[],{"a":5}],"more":"' + b"x" * padding + b'"}')
    assert list(numbered_rows(path, Shape.JOBS_DOCUMENT)) == [
        (0, b'{"a":0}'),
        (1, BrokenRows(1, "a number, expected an object")),
        (2, b'{"a":2}'),
        (3, BrokenRows(1, "null, expected an object")),
        (4, BrokenRows(1, "an array, expected an object")),
        (5, b'{"a":5}'),
    ]


def test_rows_of_an_unreadable_row_group_are_one_range(tmp_path: Path) -> None:
    sink = io.BytesIO()
    table = pa.table({"text": [f"{number:040d}" for number in range(100)]})
    pq.write_table(table, sink, row_group_size=40, compression="none", use_dictionary=False, write_page_checksum=True)
    body = bytearray(sink.getvalue())
    body[body.index(b"%040d" % 3)] ^= 1
    path = tmp_path / "a.parquet"
    path.write_bytes(body)
    first, *rest = numbered_rows(path, Shape.PARQUET)
    assert first.number == 0
    assert isinstance(first.row, BrokenRows)
    assert first.row.rows == 40
    assert [number for number, _ in rest] == list(range(40, 100))


def test_an_error_of_the_disk_is_no_damage_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        list(numbered_rows(tmp_path, Shape.PARQUET))
    with pytest.raises(IntegrityError):
        list(numbered_rows(_written(tmp_path / "a", b"PAR1"), Shape.PARQUET))


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
