"""The columns of a row give back the row."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.tables.table_columns import RowFields, TableName, split_row
from harvester.tables.typed_columns import ColumnError, TypedColumn, TypedValues, parse_columns, read_columns

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
anything = st.recursive(
    scalars | st.just("\ud83d"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
data = st.dictionaries(st.sampled_from(["html", "markdown", "parsing", "links", "\ud800", 'a"b']), anything, max_size=5)
metadata = st.dictionaries(st.sampled_from(["agent", "tag", "driver"]), anything, max_size=3)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "url": anything,
        "task_id": anything,
        "status": anything,
        "data": data | st.none(),
        "metadata": metadata | st.none(),
        "debug": anything,
    },
)


def join_row(fields: RowFields, table: TableName) -> Any:
    """Return the document of a row that was split, as parsed JSON."""
    if table is TableName.JOB_ROWS:
        return json.loads(fields.parsing or b"null")
    document = json.loads(fields.rest or b"null")
    if table is TableName.RUN_DOCUMENTS:
        if fields.parsing is not None:
            document["output"] = json.loads(fields.parsing)
        return document
    for name, value in (
        ("parsing", None if fields.parsing is None else json.loads(fields.parsing)),
        ("html", fields.html),
        ("markdown", fields.markdown),
    ):
        if value is not None:
            document["data"][name] = value
    return document


@given(envelopes, st.booleans())
def test_the_columns_give_back_the_envelope(envelope: dict[str, Any], ascii_only: bool) -> None:
    try:
        text = json.dumps(envelope, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        text = json.dumps(envelope).encode()
    fields = split_row(text, TableName.ENVELOPES)
    assert join_row(fields, TableName.ENVELOPES) == envelope
    for value in fields:
        if isinstance(value, str):
            value.encode()


@given(st.dictionaries(st.sampled_from(["run", "output", "error"]), anything, max_size=3))
def test_the_columns_give_back_a_run_document(document: dict[str, Any]) -> None:
    fields = split_row(json.dumps(document).encode(), TableName.RUN_DOCUMENTS)
    assert join_row(fields, TableName.RUN_DOCUMENTS) == document


def test_an_envelope_is_split_into_its_columns() -> None:
    text = (
        b'{"url":"https://e.com","status":"success","status_code":200.0,"data":{"html":"<p>","markdown":null,'
        b'"parsing":{"price": 1.10}},"metadata":{"agent":"amazon","tag":"t"}}'
    )
    assert split_row(text, TableName.ENVELOPES) == RowFields(
        agent="amazon",
        tag="t",
        status="success",
        url="https://e.com",
        parsing=b'{"price": 1.10}',
        html="<p>",
        markdown=None,
        rest=b'{"url":"https://e.com","status":"success","status_code":200.0,"data":{"markdown":null},'
        b'"metadata":{"agent":"amazon","tag":"t"}}',
    )


def test_a_row_of_a_jobs_file_is_its_parsing() -> None:
    assert split_row(b'{"url":"u","price":"5"}', TableName.JOB_ROWS) == RowFields(
        url="u", parsing=b'{"url":"u","price":"5"}'
    )


TEXT = b"""{"i": 12, "big": 9223372036854775808, "f": 1.10, "s": "12.50", "t": "2026-11-30T14:00:00+02:00",
 "d": "2026-11-30", "b": true, "n": null, "list": [{"x": 1}], "a/b": {"~": "tilde"}, "sur": "\\ud800",
 "naive": "2026-11-30T14:00:00"}"""


@pytest.mark.parametrize(
    ("pointer", "kind", "expected"),
    [
        ("/i", "int64", 12),
        ("/i", "float64", 12.0),
        ("/i", "string", None),
        ("/i", "bool", None),
        ("/big", "int64", None),
        ("/big", "decimal(38,0)", Decimal(2**63)),
        ("/f", "float64", 1.1),
        ("/f", "int64", None),
        ("/f", "decimal(10,2)", Decimal("1.10")),
        ("/f", "decimal(10,0)", None),
        ("/f", "decimal(2,2)", None),
        ("/s", "float64", 12.5),
        ("/s", "decimal(5,2)", Decimal("12.50")),
        ("/s", "string", "12.50"),
        ("/t", "timestamp", dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)),
        ("/naive", "timestamp", None),
        ("/d", "date", dt.date(2026, 11, 30)),
        ("/s", "date", None),
        ("/b", "bool", True),
        ("/b", "int64", None),
        ("/list/0/x", "int64", 1),
        ("/list/1/x", "int64", None),
        ("/list/-1", "json", None),
        ("/list", "json", '[{"x":1}]'),
        ("/f", "json", "1.10"),
        ("/a~1b/~0", "string", "tilde"),
        ("/sur", "string", None),
        ("/n", "string", None),
        ("/absent", "string", None),
        ("/i/x", "string", None),
    ],
)
def test_a_typed_column_is_the_value_or_null(pointer: str, kind: str, expected: object) -> None:
    values = TypedValues([TypedColumn("c", pointer, kind)])
    assert list(values.of(TEXT)) == [expected]
    absent = expected is None and pointer in ("/n", "/absent", "/i/x", "/list/1/x", "/list/-1")
    assert values.misfits == ({} if absent or expected is not None else {"c": 1})


@pytest.mark.parametrize(
    "columns",
    [
        {},
        [5],
        [{"name": "a", "pointer": "/a"}],
        [{"name": "a", "pointer": "/a", "type": 5}],
        [{"name": "a b", "pointer": "/a", "type": "string"}],
        [{"name": "Position", "pointer": "/a", "type": "string"}],
        [{"name": "a", "pointer": "a", "type": "string"}],
        [{"name": "a", "pointer": "/a", "type": "int32"}],
        [{"name": "a", "pointer": "/a", "type": "decimal(39,2)"}],
        [{"name": "a", "pointer": "/a", "type": "decimal(2,3)"}],
        [{"name": "a", "pointer": "/a", "type": "string"}, {"name": "A", "pointer": "/b", "type": "string"}],
    ],
)
def test_columns_that_are_none_are_refused(columns: object, tmp_path: Path) -> None:
    with pytest.raises(ColumnError):
        parse_columns(columns)
    path = tmp_path / "columns.json"
    path.write_text(json.dumps(columns))
    with pytest.raises(ColumnError):
        read_columns(path)


@pytest.mark.parametrize("content", ["", "[" * 100_000, "9" * 5_000])
def test_a_columns_file_that_is_no_json_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "columns.json"
    path.write_text(content)
    with pytest.raises(ColumnError, match="not JSON"):
        read_columns(path)


def test_a_columns_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "columns.json"
    path.write_text('[{"name": "price", "pointer": "/data/parsing/price", "type": "decimal(12, 2)"}]')
    assert read_columns(path) == (TypedColumn("price", "/data/parsing/price", "decimal(12, 2)"),)
