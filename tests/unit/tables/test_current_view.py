"""The view of current rows, run by DuckDB over exported parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from harvester.results.record import Shape
from harvester.tables.exports.current_view import current_view
from harvester.tables.exports.export_types import ExportOptions
from harvester.tables.exports.exporting import export_rows
from harvester.tables.outputs.output_store import DirectoryOutput
from harvester.tables.table_columns import TableName
from harvester.tables.typed_columns import TypedColumn
from tests.unit.tables.memory_rows import START, MemorySource

COLUMNS = (TypedColumn("n", "/n", "int64"), TypedColumn("cost", "/cost", "decimal(10,2)"))
OPTIONS = [
    ExportOptions(columns=COLUMNS, part_bytes=1),
    ExportOptions(columns=COLUMNS, format="jsonl"),
    ExportOptions(columns=COLUMNS, format="jsonl", compression="gzip", drop=("html", "markdown")),
]
each_format = pytest.mark.parametrize("options", OPTIONS, ids=["parquet", "zstd", "gzip"])


def current(table: TableName, options: ExportOptions, *outputs: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as database:
        database.execute(current_view(table, [str(output) for output in outputs], options.layout("")))
        found = database.execute(f"SELECT * FROM {table}_current ORDER BY key, position")
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def exported(source: MemorySource, out: Path, options: ExportOptions) -> Path:
    export_rows(source, DirectoryOutput(out), options)
    return out


@each_format
def test_a_replaced_object_has_its_newest_rows_alone(tmp_path: Path, options: ExportOptions) -> None:
    source, out = MemorySource(), tmp_path / "out"
    source.add({"n": 1}, {"n": 2}, {"n": 3}, key="res/a.jsonl")
    source.add({"n": 10, "cost": 1.5}, key="res/b.jsonl")
    exported(source, out, options)
    source.add({"n": 7}, key="res/a.jsonl", landed_at=START + 60)
    exported(source, out, options)
    rows = current(TableName.JOB_ROWS, options, out)
    assert [(row["key"], row["n"]) for row in rows] == [("res/a.jsonl", 7), ("res/b.jsonl", 10)]
    assert str(rows[1]["cost"]) == "1.50"
    assert json.loads(rows[1]["parsing"]) == {"n": 10, "cost": 1.5}
    source.add(key="res/a.jsonl", landed_at=START + 90)
    exported(source, out, options)
    assert [row["key"] for row in current(TableName.JOB_ROWS, options, out)] == ["res/b.jsonl"]


@each_format
def test_rescued_then_delivered_is_one_row(tmp_path: Path, options: ExportOptions) -> None:
    source, out = MemorySource(), tmp_path / "out"
    envelope = {"status": "success", "data": {"html": "<p>"}}
    source.add(
        envelope, shape=Shape.EXTRACT, key="nimble-task:t1", source="rescued", task_id="t1", landed_at=START + 50
    )
    exported(source, out, options)
    assert [row["source"] for row in current(TableName.ENVELOPES, options, out)] == ["rescued"]
    # Delivered earlier than it was rescued, and landed later: it wins by its source.
    source.add(envelope, shape=Shape.EXTRACT, key="res/t1.json", task_id="t1", landed_at=START)
    source.add(envelope, shape=Shape.EXTRACT, key="res/none.json")
    exported(source, out, options)
    rows = current(TableName.ENVELOPES, options, out)
    assert [(row["source"], row["key"]) for row in rows] == [
        ("delivered", "res/none.json"),
        ("delivered", "res/t1.json"),
    ]


@each_format
def test_purged_rows_are_not_current(tmp_path: Path, options: ExportOptions) -> None:
    source, out = MemorySource(), tmp_path / "out"
    for key, task in (("res/t1.json", "t1"), ("nimble-task:t1", "t1"), ("res/t2.json", "t2")):
        source.add({"status": "x"}, shape=Shape.EXTRACT, key=key, task_id=task)
    source.add(source="purged", key="res/t1.json", task_id="t1", landed_at=START + 10)
    exported(source, out, options)
    assert [row["task_id"] for row in current(TableName.ENVELOPES, options, out)] == ["t2"]


@each_format
def test_the_view_holds_over_several_destinations(tmp_path: Path, options: ExportOptions) -> None:
    first, second = MemorySource(), MemorySource(dest_id="e" * 32)
    for source, moment in ((first, START), (second, START + 10)):
        source.add({"n": int(moment)}, {"n": int(moment) + 1}, key="res/a.jsonl", landed_at=moment)
    first.add({"n": 1}, key="res/first.jsonl")
    outputs = [exported(first, tmp_path / "a", options), exported(second, tmp_path / "b", options)]
    rows = current(TableName.JOB_ROWS, options, *outputs)
    assert [(row["key"], row["n"]) for row in rows] == [
        ("res/a.jsonl", START + 10),
        ("res/a.jsonl", START + 11),
        ("res/first.jsonl", 1),
    ]


@each_format
def test_rows_that_are_repeated_are_current_once(tmp_path: Path, options: ExportOptions) -> None:
    source = MemorySource()
    source.add({"n": 1}, {"n": 2}, key="res/a.jsonl")
    outputs = [exported(source, tmp_path / name, options) for name in ("a", "b")]
    assert [row["n"] for row in current(TableName.JOB_ROWS, options, *outputs)] == [1, 2]
