"""Every value of a Parquet file has a text that loses nothing, at landing and at reading alike."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.results.record import ContentReason, ResultRecord, Shape
from harvester.results.result_options import ResultOptions
from harvester.results.result_reader import ResultReader
from harvester.results.row_batches import BrokenRows, RowCount
from harvester.results.row_files.arrow_values import ArrowConverter, date_text
from harvester.results.row_files.row_reader import numbered_rows
from tests.unit.results.rows_of_files import rows

READER = ResultReader(ResultOptions())
NESTED = pa.struct([("d", pa.date32()), ("n", pa.struct([("f", pa.float32())]))])
YEAR_10000 = 253_402_300_800


encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode


def parquet(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def land(body: bytes) -> ResultRecord:
    return READER.read(body, "a.parquet").record


def column(array: Any, tmp_path: Path) -> list[Any]:
    """Return the values of a column as they are read from a file that landed clean."""
    body = parquet(pa.table({"x": array}))
    record = land(body)
    assert record.problem is None
    path = tmp_path / "a.parquet"
    path.write_bytes(body)
    count = RowCount()
    rows = [row for _, row in numbered_rows(path, Shape.PARQUET, count)]
    assert count.non_finite == record.non_finite
    return [json.loads(row)["x"] for row in rows if isinstance(row, bytes)]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([2_932_896, 2_932_897, None], pa.date32()), ["9999-12-31", "+10000-01-01", None]),
        (pa.array([-719_529], pa.date32()), ["-0001-12-31"]),
        (pa.array([0, 86_400_000], pa.date64()), ["1970-01-01", "1970-01-02"]),
        (pa.array([YEAR_10000 * 1000], pa.date64()), ["+10000-01-01"]),
        (pa.array([0, 1], pa.timestamp("us")), ["1970-01-01T00:00:00", "1970-01-01T00:00:00.000001"]),
        (pa.array([YEAR_10000 * 10**6 + 5], pa.timestamp("us")), ["+10000-01-01T00:00:00.000005"]),
        (pa.array([1, -1], pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001", "1969-12-31T23:59:59.999999999"]),
        (pa.array([0], pa.timestamp("ns", "UTC")), ["1970-01-01T00:00:00.000000000Z"]),
        (pa.array([1500], pa.timestamp("ms", "UTC")), ["1970-01-01T00:00:01.500000Z"]),
        (pa.array([YEAR_10000 * 1000], pa.timestamp("ms", "utc")), ["+10000-01-01T00:00:00Z"]),
        (pa.array([1_700_000_000 * 10**6], pa.timestamp("us", "America/New_York")), ["2023-11-14T17:13:20-05:00"]),
        (
            pa.array([1_700_000_000 * 10**9 + 7], pa.timestamp("ns", "America/New_York")),
            ["2023-11-14T17:13:20.000000007-05:00"],
        ),
        (pa.array([1_700_000_000 * 10**6], pa.timestamp("us", "+05:30")), ["2023-11-15T03:43:20+05:30"]),
        (pa.array([0], pa.timestamp("us", "America/New_York")), ["1969-12-31T19:00:00-05:00"]),
        (
            pa.array([-3_786_825_600], pa.timestamp("s", "America/New_York")),
            ["1850-01-01T00:00:00Z[America/New_York]"],
        ),
        (
            pa.array([YEAR_10000], pa.timestamp("s", "America/New_York")),
            ["+10000-01-01T00:00:00Z[America/New_York]"],
        ),
        (pa.array([0], pa.timestamp("us", "Mars/Olympus")), ["1970-01-01T00:00:00Z[Mars/Olympus]"]),
        (pa.array([1], pa.time64("ns")), ["00:00:00.000000001"]),
        (pa.array([3_723_000_004], pa.time64("us")), ["01:02:03.000004"]),
        (pa.array([3_723_000], pa.time32("ms")), ["01:02:03"]),
        (pa.array([5, -5, 0, 86_400_500_000], pa.duration("us")), ["PT0.000005S", "-PT0.000005S", "P0D", "P1DT0.5S"]),
        (pa.array([5], pa.duration("ns")), ["PT0.000000005S"]),
        (pa.array([float("nan"), float("inf"), float("-inf"), 1.5, None]), ["NaN", "Infinity", "-Infinity", 1.5, None]),
        (pa.array([[float("nan")], [], None], pa.list_(pa.float64())), [["NaN"], [], None]),
        (pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int64())), [[["k", 1], ["k", 2]]]),
        (pa.array([[0, 2_932_897]], pa.list_(pa.date32(), 2)), [["1970-01-01", "+10000-01-01"]]),
        (
            pa.array([{"d": 2_932_897, "n": {"f": float("inf")}}, None], NESTED),
            [{"d": "+10000-01-01", "n": {"f": "Infinity"}}, None],
        ),
        (pa.array([b"\xff\x00"]), ["/wA="]),
        (pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)  # fmt: skip
def test_a_value_is_text_of_full_precision(array: Any, expected: list[Any], tmp_path: Path) -> None:
    assert column(array, tmp_path) == expected


def test_decimals_are_numbers_to_the_digit(tmp_path: Path) -> None:
    from decimal import Decimal

    body = parquet(pa.table({"x": pa.array([Decimal("12345678901234567890.12")], pa.decimal128(30, 2))}))
    path = tmp_path / "a"
    path.write_bytes(body)
    assert [row for _, row in numbered_rows(path, Shape.PARQUET)] == [b'{"x":12345678901234567890.12}']


def test_int96_has_years_that_nanoseconds_cannot_hold(tmp_path: Path) -> None:
    far = [dt.datetime(9999, 12, 31), None, dt.datetime(1, 1, 1)]  # noqa: DTZ001  # Parquet's are without a zone
    near = pa.array([1, 10**9, None], pa.timestamp("ns"))
    table = pa.table(
        {
            "far": pa.array(far, pa.timestamp("us")),
            "inner": pa.array([[{"t": each}] for each in far], pa.list_(pa.struct([("t", pa.timestamp("us"))]))),
            "map": pa.array([[("k", each)] for each in far], pa.map_(pa.string(), pa.timestamp("us"))),
        }
    )
    body = parquet(table, use_deprecated_int96_timestamps=True, row_group_size=2)
    path = tmp_path / "a"
    path.write_bytes(body)
    texts = ["9999-12-31T00:00:00", None, "0001-01-01T00:00:00"]
    assert [json.loads(row) for row in rows(path, Shape.PARQUET)] == [
        {"far": text, "inner": [{"t": text}], "map": [["k", text]]} for text in texts
    ]
    path.write_bytes(parquet(pa.table({"near": near}), use_deprecated_int96_timestamps=True))
    nanoseconds = ["1970-01-01T00:00:00.000000001", "1970-01-01T00:00:01.000000000", None]
    assert [json.loads(row)["near"] for row in rows(path, Shape.PARQUET)] == nanoseconds


def test_numbers_that_are_not_finite_are_counted() -> None:
    table = pa.table({"a": [1.0, float("nan"), None], "b": pa.array([[float("inf")], [], [float("nan"), 2]])})
    assert land(parquet(table)).non_finite == 3


@given(st.integers(-(10**9), 10**9))
def test_dates_agree_with_the_standard_library_where_it_has_them(days: int) -> None:
    text = date_text(days)
    try:
        expected = (dt.date(1970, 1, 1) + dt.timedelta(days=days)).isoformat()
    except OverflowError:
        assert text[0] in "+-0"
        # 400 years have 146,097 days, and end as they began.
        assert date_text(days + 146_097)[-6:] == text[-6:]
    else:
        assert text == expected


@given(st.integers(-(2**62), 2**62), st.sampled_from(["s", "ms", "us", "ns"]), st.sampled_from([None, "UTC", "+02:00"]))
def test_timestamps_lose_nothing(value: int, unit: str, zone: str | None) -> None:
    (text,) = ArrowConverter().convert(pa.array([value], pa.timestamp(unit, zone)))
    a_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    if isinstance(text, dt.datetime):
        since = text.replace(tzinfo=text.tzinfo or dt.UTC) - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        assert since // dt.timedelta(microseconds=1) * a_second == value * 10**6
    else:
        digits = text.partition(".")[2].rstrip("Z") if "." in text else ""
        fraction = digits.partition("+")[0].partition("Z")[0]
        assert int(fraction or 0) * a_second == value % a_second * 10 ** len(fraction)


PLAIN = (pa.int64(), pa.string(), pa.binary(), pa.bool_())
CONVERTED = (pa.float64(), pa.float16(), pa.date32(), pa.date64(), pa.time64("ns"), pa.duration("us"))
TIMESTAMPS = (pa.timestamp("us"), pa.timestamp("ns", "UTC"), pa.timestamp("ms", "X/Y"))
kinds = st.recursive(
    st.sampled_from([*PLAIN, *CONVERTED, *TIMESTAMPS]),
    lambda inner: (
        inner.map(pa.list_)
        | inner.map(lambda kind: pa.list_(kind, 2))
        | inner.map(lambda kind: pa.map_(pa.string(), kind))
        | st.lists(inner, min_size=1, max_size=2).map(
            lambda kinds: pa.struct([(f"f{number}", kind) for number, kind in enumerate(kinds)])
        )
    ),
    max_leaves=4,
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type as pyarrow takes them: integers for all that has to do with time."""
    return st.none() | _values(kind)


def _values(kind: Any) -> st.SearchStrategy[Any]:
    types = pa.types
    if types.is_fixed_size_list(kind):
        return st.lists(values(kind.value_type), min_size=kind.list_size, max_size=kind.list_size)
    if types.is_list(kind):
        return st.lists(values(kind.value_type), max_size=3)
    if types.is_map(kind):
        return st.lists(st.tuples(st.text(max_size=2), values(kind.item_type)), max_size=2)
    if types.is_struct(kind):
        return st.fixed_dictionaries({kind.field(n).name: values(kind.field(n).type) for n in range(kind.num_fields)})
    if types.is_floating(kind):
        return st.floats(width=16)
    if types.is_string(kind):
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
    if types.is_binary(kind):
        return st.binary(max_size=3)
    if types.is_boolean(kind):
        return st.booleans()
    if types.is_date64(kind):
        return st.integers(-(10**7), 10**7).map(lambda days: days * 86_400_000)
    return st.integers(-(2**31), 2**31 - 1)


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    kind = draw(kinds)
    return pa.array(draw(st.lists(values(kind), min_size=1, max_size=4)), kind)


@settings(max_examples=300)
@given(arrays())
def test_a_slice_is_converted_as_its_rows_are(array: Any) -> None:
    whole = ArrowConverter().convert(array)
    single = [ArrowConverter().convert(array.slice(number, 1))[0] for number in range(len(array))]
    # In one text, whichever conversion made it.
    assert encode(whole) == encode(single)
    assert [value is None for value in whole] == [not valid for valid in array.is_valid().to_pylist()]


def test_text_that_is_not_utf8_breaks_its_row_alone(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"caf\xe9", "é".encode(), b"d"]).view(pa.string())
    nested = pa.ListArray.from_arrays([0, 1, 2, 3, 4], pa.array([b"a", b"b", b"c", b"\xff"]).view(pa.string()))
    body = parquet(pa.table({"text": texts, "nested": nested, "n": [1.0, float("nan"), float("nan"), float("nan")]}))
    record = land(body)
    assert record.problem is not None
    assert (record.rows, record.broken_rows, record.problem.reason) == (4, 2, ContentReason.BROKEN_ROWS)
    assert "row 2: not UTF-8; row 4: not UTF-8" in record.problem.detail
    assert record.non_finite == 1
    path = tmp_path / "a"
    path.write_bytes(body)
    assert list(numbered_rows(path, Shape.PARQUET)) == [
        (0, b'{"text":"a","nested":["a"],"n":1.0}'),
        (1, BrokenRows(1, "not UTF-8")),
        (2, '{"text":"é","nested":["c"],"n":"NaN"}'.encode()),
        (3, BrokenRows(1, "not UTF-8")),
    ]


def test_a_struct_that_names_a_field_twice_is_refused() -> None:
    struct = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    for array in (struct, pa.ListArray.from_arrays([0, 1], struct)):
        problem = land(parquet(pa.table({"x": array}))).problem
        assert problem is not None
        assert problem.reason is ContentReason.UNREADABLE_PARQUET
        assert "names a field twice" in problem.detail


def test_sizes_in_the_footer_have_the_limits_of_gzip() -> None:
    table = pa.table({"x": pa.array(range(1_000_000), pa.int64())})
    body = parquet(table, use_dictionary=False, compression="none")
    assert len(body) > 8 * 1000**2
    assert land(body).problem is None
    small = ResultReader(ResultOptions(max_content_bytes=8 * 1000**2)).read_file(
        io.BytesIO(body), io.BytesIO(), "a.parquet"
    )
    assert small.problem is not None
    assert small.problem.reason is ContentReason.TOO_LARGE
    packed = parquet(table, use_dictionary=False, compression="zstd", column_encoding="PLAIN")
    assert land(packed).problem is None
    limited = ResultReader(ResultOptions(max_content_bytes=len(packed) + 1000)).read(packed, "a.parquet").record
    assert limited.problem is not None
    assert limited.problem.reason is ContentReason.TOO_LARGE


def test_columns_without_rows_and_rows_without_columns(tmp_path: Path) -> None:
    assert column(pa.array([], pa.int64()), tmp_path) == []
    body = parquet(pa.table({"a": [1, 2]}).select([]))
    record = land(body)
    assert record.problem is None


def test_progress_is_shown_while_what_was_read_is_decoded(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"number": range(60_000)}), file, row_group_size=60_000)
    shown_after: list[int] = []

    class Counting(io.FileIO):
        reads = 0

        def readinto(self, buffer: Any, /) -> int:
            self.reads += 1
            return super().readinto(buffer) or 0

    with Counting(file) as raw, io.BufferedReader(raw) as source:
        record = ResultReader(ResultOptions()).read_file(
            source, io.BytesIO(), file.name, lambda: shown_after.append(raw.reads)
        )

    assert record.rows == 60_000
    # One row group: nothing is read between its batches.
    assert shown_after.count(shown_after[-1]) > 50
