"""Rows of JSON Lines and CSV against the standard library, on bounded numbers of damaged files."""

from __future__ import annotations

import csv
import io
import json
from typing import NoReturn

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.results.json_text import fast_path
from harvester.results.record import ContentRefused
from harvester.results.row_batches import BrokenRows, RowBatch
from harvester.results.row_files.csv_rows import csv_batches
from harvester.results.row_files.json_lines import json_line_batches, line_batch

WHOLE = (b'{"a":1}', b"{}", b'{"b":"\xc3\xa9"}', b'{"c":[{},null]}', b'{"d":"\\ud800"}', b'{"e":1e999}', b'{"f":007}')
BYTES = (b"[1]", b"7", b"NaN", b"{", b"}", b'"', b",", b" ", b"\t", b"\x00", b"\xff", b"\xc3", b"\\", b"\r", b"\x0b")
pieces = st.sampled_from(WHOLE + BYTES)
lines = st.lists(pieces | st.just(b"\n") | st.just(b"\r\n"), max_size=14).map(b"".join)
cells = st.sampled_from([b"a", b"b", b",", b'"', b'""', b"\n", b"\r\n", b"\r", b" ", b"\xc3\xa9", b"\xff", b"\x00"])
tables = st.lists(cells, max_size=16).map(b"".join)


class Trickle(io.BytesIO):
    """A file that returns a few bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(3, size) if size is not None and size > 0 else size)


def found(batches: list[RowBatch]) -> list[bytes | None]:
    """Return the texts of rows, None for a broken one."""
    rows: list[bytes | None] = []
    for batch in batches:
        rows += [None] * batch.rows if isinstance(batch, BrokenRows) else batch
    return rows


def refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def good_line(line: bytes) -> bytes | None:
    try:
        value = json.loads(line.decode(), parse_constant=refuse)
    except ValueError:
        return None
    return line if isinstance(value, dict) else None


UNUSUAL = (
    *(b"%b[1]%b" % (b'{"a":' * depth, b"}" * depth) for depth in (999, 1000)),
    *(b'{"n":%b}' % (b"7" * digits) for digits in (4300, 4301)),
    *(b'{"s":"%b"}' % (b"x" * length) for length in (2100, 5000)),
    b'\xef\xbb\xbf{"marked":1}',
    b'{"a":1} ',
    b' {"a":1}',
    b'{"a":1}{"b":2}',
    b'{"a":[{"b":1}',
    b',{"c":2}]}',
)
blocks = st.lists(st.tuples(st.sampled_from(WHOLE + UNUSUAL), st.sampled_from([b"\n", b"\r\n", b"\n\n"])), max_size=6)


@settings(max_examples=300)
@given(blocks, st.booleans())
def test_a_block_is_proved_only_where_each_of_its_lines_is(parts: list[tuple[bytes, bytes]], ends: bool) -> None:
    block = b"".join(line + end for line, end in parts).removesuffix(b"" if ends else b"\n")
    lines = list(filter(None, (line.strip(b" \t\r\n") for line in block.split(b"\n"))))

    proved = fast_path.good_lines(block)

    if proved is not None:
        assert [line.rstrip(b"\n") for line in proved] == lines
        assert not any(isinstance(line_batch(line), BrokenRows) for line in lines)
    usual = all(line in WHOLE[:4] and end != b"\n\n" for line, end in parts) and not block.endswith(b"\r")
    assert proved is not None or not usual or not lines


@settings(max_examples=400)
@given(lines, st.sampled_from([io.BytesIO, Trickle]))
def test_json_lines_are_the_lines_that_json_takes(body: bytes, source: type[io.BytesIO]) -> None:
    expected = [good_line(line) for line in (line.strip(b" \t\r\n") for line in body.split(b"\n")) if line]
    assert found(list(json_line_batches(source(body), keep_text=True))) == expected
    counted = found(list(json_line_batches(source(body), keep_text=False)))
    assert [row is None for row in counted] == [row is None for row in expected]


def good_record(header: list[str], record: list[str]) -> bytes | None:
    if len(record) != len(header):
        return None
    try:
        "".join(record).encode()
    except UnicodeEncodeError:
        return None
    return json.dumps(dict(zip(header, record, strict=True)), ensure_ascii=False).encode()


def by_library(body: bytes) -> list[bytes | None] | None:
    """Return the records as the standard library reads them; None for a header that cannot be used."""
    reader = csv.reader(io.StringIO(body.decode("utf-8", "surrogateescape"), newline=""), strict=True)
    records: list[list[str] | None] = []
    while True:
        try:
            records.append(next(reader))
        except StopIteration:
            break
        except csv.Error:
            records.append(None)
    records = [record for record in records if record != []]
    if not records or records[0] is None or len(set(records[0])) != len(records[0]):
        return None
    header = records[0]
    if good_record(header, header) is None:
        return None
    return [None if record is None else good_record(header, record) for record in records[1:]]


@settings(max_examples=600)
@given(tables, st.sampled_from([io.BytesIO, Trickle]))
def test_csv_records_are_those_of_the_standard_library(body: bytes, source: type[io.BytesIO]) -> None:
    try:
        rows: list[bytes | None] | None = found(list(csv_batches(source(body), keep_text=True)))
    except ContentRefused:
        rows = None
    assert rows == by_library(body)
