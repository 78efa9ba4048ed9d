"""The results in landed files: one JSON text each, to the digit."""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError
from harvester.results.record import Shape
from harvester.results.row_files.value_path import select
from tests.unit.results.rows_of_files import rows

EXACT = b'{"a":1.10,"b":1E+2,"c":12345678901234567890123,"d":-0,"e":"\\u00e9","f":0.30000000000000004}'


def land(tmp_path: Path, content: bytes, name: str = "landed") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("shape", "content"),
    [
        (Shape.EXTRACT, b" " + EXACT.replace(b",", b",\r\n\t") + b"\n"),
        (Shape.RUN, EXACT),
        (Shape.ROWS, b"[" + EXACT + b"]"),
        (Shape.ROWS, b"[\n 7, " + EXACT.replace(b",", b",\n") + b' , "x"]'),
        (Shape.JOBS_DOCUMENT, b'{"n":[1],"files": [' + EXACT + b', null], "more": {"files": 1}}'),
        (Shape.JSONL, b"\n" + EXACT + b"\r\n{broken\n"),
    ],
)
def test_every_digit_is_kept(tmp_path: Path, shape: Shape, content: bytes, compressed: bool) -> None:
    name = "landed.jsonl" if shape is Shape.JSONL else "landed"
    path = land(tmp_path, gzip.compress(content) if compressed else content, name)
    for asked in (shape, None):
        result = [row.replace(b"\t", b"") for row in rows(path, asked)]
        assert result == [EXACT]


def test_csv_records_are_objects_by_header(tmp_path: Path) -> None:
    path = land(tmp_path, '\ufeffname,price\r\n"é ""x""",1.10\r\nbroken\r\n"two\nlines",\r\n'.encode(), "a.csv")
    expected = ['{"name": "é \\"x\\"", "price": "1.10"}', '{"name": "two\\nlines", "price": ""}']
    assert [row.decode() for row in rows(path, Shape.CSV)] == expected
    assert [row.decode() for row in rows(path, None)] == expected


@pytest.mark.parametrize("compressed", [False, True])
def test_parquet_rows_are_objects_by_column(tmp_path: Path, compressed: bool) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    moment = dt.datetime(2026, 2, 9, 23, 15, 43, tzinfo=dt.UTC)
    row = {
        "id": 2**63 - 1,
        "price": decimal.Decimal("1.10"),
        "at": moment,
        "tags": ["a"],
        "raw": b"\x00",
        "none": None,
        "nan": float("nan"),
    }
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row] * 3), sink)
    content = sink.getvalue()
    path = land(tmp_path, gzip.compress(content) if compressed else content)
    expected = (
        b'{"id":9223372036854775807,"price":1.10,"at":"2026-02-09T23:15:43Z",'
        b'"tags":["a"],"raw":"AA==","none":null,"nan":"NaN"}'
    )
    for shape in (Shape.PARQUET, None):
        assert list(rows(path, shape)) == [expected] * 3


def test_media_holds_no_results(tmp_path: Path) -> None:
    assert list(rows(land(tmp_path, b"\x89PNG\r\n\x1a\n"), Shape.MEDIA)) == []
    assert list(rows(land(tmp_path, b"\x89PNG\r\n\x1a\n"), None)) == []


@pytest.mark.parametrize(
    ("content", "shape"),
    [
        (b'[{"a":1},', Shape.ROWS),
        (b"PAR1", Shape.PARQUET),
        (b"", Shape.CSV),
        (gzip.compress(EXACT, mtime=0)[:-9], Shape.EXTRACT),
    ],
    ids=["array", "parquet", "csv", "gzip"],
)
def test_a_file_that_is_not_what_it_was_is_an_integrity_error(tmp_path: Path, content: bytes, shape: Shape) -> None:
    with pytest.raises(IntegrityError, match="landed: cannot be read as") as caught:
        list(rows(land(tmp_path, content), shape))
    assert caught.value.code is ErrorCode.FILES_DAMAGED


def test_rows_of_a_large_document_come_as_they_are_read(tmp_path: Path) -> None:
    row = b'{"n": [[{"deep": [1.10]}]], "t": "' + b"x" * 2000 + b'"}'
    path = land(tmp_path, b"[" + b",".join([row] * 3000) + b"]")
    assert list(rows(path, Shape.ROWS)) == [row] * 3000


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", b"1.10"),
        ("data", b'{"parsing": [ {"price": 1.0}, null ], "x.y": 2, "0": 3}'),
        ("data.parsing.0.price", b"1.0"),
        ("data.parsing.1", b"null"),
        ("data.0", b"3"),
        ("data.parsing.2", None),
        ("data.parsing.-1", None),
        ("data.parsing.price", None),
        ("a.b", None),
        ("missing", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("lone_surrogate", [False, True])
def test_select_returns_the_text_of_a_value(path: str, expected: bytes | None, lone_surrogate: bool) -> None:
    text = rb'"z": "\ud83d\u0041", ' if lone_surrogate else b""
    row = b"{" + text + b'"a":0, "a": 1.10 , "data": {"parsing": [ {"price": 1.0}, null ], "x.y": 2, "0": 3}}'
    assert select(row, path) == expected


def test_select_takes_what_is_nested_as_deep_as_a_row_may_be() -> None:
    inner = b"[" * 998 + b"1" + b"]" * 998
    row = b'{"a":' + inner + b',"b":{"c":[' + inner[1:-1] + b',"\\""]}}'
    assert select(row, "a") == inner
    assert select(row, "b.c.1") == rb'"\""'
    assert select(row, "a.0.0") == inner[2:-2]


@pytest.mark.parametrize("text", [b"{", b'{"a"', b'{"a":', b'{"a":}', b"[1", b"[,]", b"{x}", b"[" * 100_000])
def test_select_finds_nothing_in_what_is_no_json(text: bytes) -> None:
    assert select(text, "a.b") is None
    assert select(text, "1") is None


ABSENT = object()
names = st.sampled_from(["a", "b", "0", "é"])
nested = st.recursive(
    st.integers() | st.text(max_size=3) | st.sampled_from(["\ud800", None, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200)
@given(
    st.dictionaries(names, nested, max_size=3),
    st.lists(names | st.sampled_from(["1", "2"]), min_size=1, max_size=3),
)
def test_select_agrees_with_walking_the_value(row: dict[str, Any], steps: list[str]) -> None:
    expected: Any = row
    for step in steps:
        if isinstance(expected, dict):
            expected = expected.get(step, ABSENT)
        elif isinstance(expected, list) and step.isdecimal() and int(step) < len(expected):
            expected = expected[int(step)]
        else:
            expected = ABSENT
    found = select(json.dumps(row).encode(), ".".join(steps))
    assert (ABSENT if found is None else json.loads(found)) == expected
