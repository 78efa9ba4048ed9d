"""JSON Lines, CSV and Parquet: counted right wherever blocks end, broken rows by number."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.results.gzip_reader import CHUNK_BYTES
from harvester.results.record import ResultRecord, Shape
from harvester.results.result_options import ResultOptions
from harvester.results.result_reader import ResultReader
from scripts.inputs.deliveries import Author, jobs_csv, jobs_json_lines, jobs_parquet, jobs_rows

READER = ResultReader(ResultOptions())
ROWS = jobs_rows(Author(3), 30)


def read(body: bytes, key: str) -> ResultRecord:
    record = READER.read(body, key).record
    assert READER.read_file(io.BytesIO(body), io.BytesIO(), key) == record
    return record


def detail(record: ResultRecord) -> str:
    assert record.problem is not None
    assert not record.problem.quarantine
    return record.problem.detail


# Keys that no error document has: one alone in a file would not count as a row.
good_lines = st.dictionaries(
    st.text(max_size=5).map("k".__add__), st.integers() | st.text(max_size=9) | st.none(), max_size=3
).map(lambda row: json.dumps(row, ensure_ascii=False).encode("utf-8", "replace"))
bad_lines = st.sampled_from([b"7", b"[1]", b"null", b'{"a"', b"{}{}", b"{} {}", b'{"a":\xff}', b"x", b'{"a":NaN}'])


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.booleans(), good_lines, bad_lines), max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n"]),
    st.booleans(),
)
def test_json_lines_are_counted_line_by_line(
    lines: list[tuple[bool, bytes, bytes]], end: bytes, last_end: bool
) -> None:
    body = end.join(good if is_good else bad for is_good, good, bad in lines) + (end if last_end else b"")
    if not body:
        return
    record = read(body, "a.jsonl")
    assert record.shape is Shape.JSONL
    assert record.rows == len(lines)
    assert record.broken_rows == sum(not is_good for is_good, _, _ in lines)
    broken = [number for number, (is_good, _, _) in enumerate(lines, 1) if not is_good]
    if broken:
        assert f"row {broken[0]}: " in detail(record)


@pytest.mark.parametrize("offset", [-2, -1, 0, 1])
def test_rows_across_the_end_of_a_block_are_whole(offset: int) -> None:
    filler = b'{"x":"' + b"y" * (CHUNK_BYTES - 8 + offset) + b'"}\n'
    record = read(filler + b'{"a":1}\n{"b":"\xc3\xa9"}\n7\n' + filler, "a.jsonl")
    assert (record.rows, record.broken_rows) == (5, 1)
    assert "row 4: a number" in detail(record)


@pytest.mark.parametrize(("end", "broken"), [(b'"}', 0), (b"", 1), (b'"} {}', 1)])
def test_a_row_longer_than_memory_is_scanned_in_parts(end: bytes, broken: int) -> None:
    long = b'{"x":"' + b"y" * (9 * CHUNK_BYTES) + end
    record = read_file_only(b'{"a":1}\n' + long + b'\n{"b":2}\n')
    assert (record.rows, record.broken_rows) == (3, broken)


def read_file_only(body: bytes) -> ResultRecord:
    return READER.read_file(io.BytesIO(body), io.BytesIO(), "a.jsonl")


def test_the_first_few_broken_rows_are_named_and_the_rest_counted() -> None:
    record = read(b"1\n" * 25, "a.jsonl")
    assert detail(record).startswith("25 of 25 rows broken: row 1: a number, expected an object; row 2: ")
    assert "row 10" in detail(record)
    assert "row 11" not in detail(record)
    assert detail(record).endswith("and 15 more")


@pytest.mark.parametrize(
    ("body", "key", "shape"),
    [
        (jobs_json_lines(ROWS), "output/part-0000", Shape.JSONL),
        (jobs_json_lines(ROWS), "output/part-0000.json", Shape.JSONL),
        (jobs_json_lines(ROWS), "output/part-0000.ndjson", Shape.JSONL),
        (jobs_json_lines(ROWS[:1]), "output/part-0000.jsonl", Shape.JSONL),
        (jobs_csv(ROWS), "output/part-0000", Shape.CSV),
        (jobs_csv(ROWS), "output/part-0000.csv", Shape.CSV),
        (jobs_parquet(ROWS), "output/part-0000", Shape.PARQUET),
        (jobs_parquet(ROWS), "output/part-0000.snappy.parquet", Shape.PARQUET),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value),
)
def test_jobs_files_are_known_by_content(body: bytes, key: str, shape: Shape) -> None:
    record = read(body, key)
    assert record.shape is shape
    assert record.problem is None
    assert record.rows == body.count(b"\n") if shape is Shape.JSONL else len(ROWS)


def test_a_sentence_with_commas_is_no_csv() -> None:
    record = read(b"Sorry, too many requests\nplease, wait", "task.json")
    assert record.problem is not None
    assert record.problem.quarantine


fields = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=150)
@given(st.lists(st.lists(fields, min_size=1, max_size=4), max_size=8), st.sampled_from(["\n", "\r\n"]))
def test_csv_rows_of_another_width_are_broken(records: list[list[str]], end: str) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b"])
    writer.writerows(records)
    record = read(text.getvalue().encode(), "a.csv")
    assert record.rows == len(records)
    assert record.broken_rows == sum(len(fields) != 2 for fields in records)


def test_a_csv_may_start_with_a_byte_order_mark_and_hold_whole_pages() -> None:
    body = '\ufeffa,b\r\n1,"'.encode() + b"<p>\n" * 100_000 + b'"\r\n'
    record = read(body, "a.csv")
    assert (record.rows, record.broken_rows) == (1, 0)


def test_a_csv_goes_on_after_a_broken_row() -> None:
    record = read(b'a,b\n1,2\n"x"y,3\n4,5\n6\n', "a.csv")
    assert (record.rows, record.broken_rows) == (4, 2)
    assert "row 2: " in detail(record)
    assert "row 4: 1 fields" in detail(record)


def test_a_gzipped_parquet_is_read_too() -> None:
    import gzip

    body = gzip.compress(jobs_parquet(ROWS))
    record = read(body, "a.parquet.gz")
    assert (record.shape, record.rows, record.inflated) == (Shape.PARQUET, len(ROWS), True)
    kept = ResultReader(ResultOptions(keep_compressed=True)).read_file(io.BytesIO(body), io.BytesIO(), "a.parquet.gz")
    assert (kept.shape, kept.rows, kept.inflated, kept.size) == (Shape.PARQUET, len(ROWS), False, len(body))


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_parquet_never_raises(data: st.DataObject) -> None:
    body = bytearray(PARQUET)
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(4, len(body) - 1))] = data.draw(st.integers(0, 255))
    record = READER.read(bytes(body[: data.draw(st.integers(4, len(body)))]), "a.parquet").record
    assert record.shape is Shape.PARQUET or record.problem is not None


PARQUET = jobs_parquet(ROWS)


def test_large_documents_are_counted_in_blocks() -> None:
    row: dict[str, Any] = {"row": 1, "nested": {"a": [1, {"b": [2]}]}, "text": "é" * 300}
    rows = b",\n".join([json.dumps(row, ensure_ascii=False).encode()] * 14_000)
    assert len(rows) > 8 * CHUNK_BYTES
    for body, shape in (
        (b"[" + rows + b", 7]", Shape.ROWS),
        (b'{"files":[' + rows + b', 7],"n":1}', Shape.JOBS_DOCUMENT),
    ):
        record = READER.read_file(io.BytesIO(body), io.BytesIO(), "a.json")
        assert (record.shape, record.rows, record.broken_rows) == (shape, 14_001, 1)
        assert "row 14001: a number" in detail(record)
        assert READER.read(body, "a.json").record == record
