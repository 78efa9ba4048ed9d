"""Exports: each row once under data/, whatever ends an export and however many run."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from harvester.errors import DestinationUnusable, ExitCode, ForeignPosition, IntegrityError, UsageError
from harvester.results.record import Shape
from harvester.tables.exports.export_types import ExportBehind, ExportOptions
from harvester.tables.exports.exporting import export_rows
from harvester.tables.exports.layout import read_layout
from harvester.tables.exports.part_names import parse_part
from harvester.tables.outputs.output_store import DirectoryOutput
from harvester.tables.typed_columns import TypedColumn
from tests.unit.tables.exported_parts import (
    ENVELOPE,
    SMALL,
    HookedOutput,
    Killed,
    expected,
    identities,
    kill_at_each_write,
    read_parts,
    some_rows,
)
from tests.unit.tables.memory_rows import EPOCH, MemoryObject, MemorySource

FORMATS = [
    ExportOptions(),
    SMALL,
    ExportOptions(format="jsonl", part_bytes=1),
    ExportOptions(format="jsonl", compression="gzip"),
]


@pytest.mark.parametrize("options", FORMATS, ids=["parquet", "small parts", "jsonl.zst", "jsonl.gz"])
def test_every_row_is_exported_once_and_then_none(tmp_path: Path, options: ExportOptions) -> None:
    source, out = some_rows(), DirectoryOutput(tmp_path / "out")
    report = export_rows(source, out, options)
    assert identities(out.root) == expected(source)
    assert sum(table.rows for table in report.tables.values()) == expected(source).total()
    assert report.position == source.newest()
    assert source.consumers == {f"export:{out.root}": source.newest()}
    again = export_rows(source, out, options)
    assert [table.parts for table in again.tables.values()] == [0, 0, 0]
    source.add({"later": 1})
    assert export_rows(source, out, options).tables["job_rows"].rows == 1
    assert identities(out.root) == expected(source)
    assert report.exit_code is ExitCode.OK


def test_a_part_holds_the_rows_of_one_day_and_of_whole_objects(tmp_path: Path) -> None:
    source, out = some_rows(), DirectoryOutput(tmp_path / "out")
    export_rows(source, out)
    for path in (tmp_path / "out" / "data").rglob("*.parquet"):
        part = parse_part(str(path.relative_to(tmp_path / "out")))
        assert part is not None
        rows = pq.ParquetFile(path).read().to_pylist()
        assert {row["landed_at"].date().isoformat() for row in rows} == {part.day}
        assert part.last == rows[-1]["position"][:-9] + "end"
        assert all(part.after < row["position"] < part.last for row in rows)


@pytest.mark.parametrize("options", [SMALL, ExportOptions(format="jsonl", part_bytes=1)], ids=["parquet", "jsonl"])
def test_a_kill_at_any_point_loses_and_repeats_nothing(tmp_path: Path, options: ExportOptions) -> None:
    assert kill_at_each_write(tmp_path, some_rows(6), options) > 20


@pytest.mark.parametrize("seed", range(12))
def test_exports_at_once_write_each_row_once(tmp_path: Path, seed: int) -> None:
    """Exports with other part sizes, each begun while another is between two writes, up to three deep."""
    source, out = some_rows(8), tmp_path / "out"
    draw = random.Random(seed)
    running = 0

    def hook(_: str) -> None:
        nonlocal running
        assert max(identities(out).values(), default=1) == 1
        if running < 3 and draw.random() < 0.3:
            run()

    def run() -> None:
        nonlocal running
        running += 1
        options = ExportOptions(part_bytes=draw.choice([1, 3000, 10**9]))
        export_rows(source, HookedOutput(out, hook), options)
        running -= 1

    run()
    assert identities(out) == expected(source)


def test_a_claimed_part_without_rows_is_written_empty(tmp_path: Path) -> None:
    source, out = MemorySource(), tmp_path / "out"
    source.add({"n": 1})

    def hook(moment: str) -> None:
        if moment.startswith("before publishing"):
            raise Killed

    with pytest.raises(Killed):
        export_rows(source, HookedOutput(out, hook))
    del source.kept[1]
    source.add({"n": 2})
    source.kept[2] = source.kept.pop(1).__class__(2, (b'{"n":2}',), key="res/1.jsonl")
    export_rows(source, DirectoryOutput(out))
    assert identities(out) == expected(source)


def test_an_output_behind_what_was_evicted_receives_nothing(tmp_path: Path) -> None:
    source, out = some_rows(4), DirectoryOutput(tmp_path / "out")
    export_rows(source, out)
    source.add({"n": 1})
    source.add({"n": 2})
    source.change(5, evicted=True)
    before = identities(out.root)
    with pytest.raises(ExportBehind) as caught:
        export_rows(source, out)
    assert caught.value.exit_code == 17
    assert identities(out.root) == before
    export_rows(source, out, ExportOptions(after_restore=True))
    assert ("res/6.jsonl", "v6", 0) in identities(out.root)


class RestoredSource(MemorySource):
    """A source that has lost what landed after its second object."""

    shared = f"{EPOCH}-{2:012d}-end"

    def check(self, position: str, passed: Iterable[str] = ()) -> None:
        if position > self.shared:
            raise ForeignPosition(position, max(each for each in passed if each <= self.shared), "dest")


def test_after_a_restore_the_ends_of_parts_show_what_is_shared(tmp_path: Path) -> None:
    source, out = some_rows(0), DirectoryOutput(tmp_path / "out")
    for number in range(1, 5):
        source.add({"n": number})
        export_rows(source, out)
    restored = RestoredSource({seq: source.kept[seq] for seq in (1, 2)})
    before = identities(out.root)
    with pytest.raises(ForeignPosition) as caught:
        export_rows(restored, out)
    assert caught.value.shared == restored.shared
    assert identities(out.root) == before
    # A session draws an epoch of its own: no position comes twice.
    restored.kept[5] = MemoryObject(5, (b"{}",), key="res/5.jsonl")
    restored.change(1, evicted=True)
    restored.change(2, evicted=True)
    assert export_rows(restored, out, ExportOptions(after_restore=True)).tables["job_rows"].rows == 1


def test_what_was_evicted_after_its_export_is_not_needed(tmp_path: Path) -> None:
    source, out = some_rows(4), DirectoryOutput(tmp_path / "out")
    export_rows(source, out)
    source.change(1, evicted=True)
    source.add({"n": 2})
    assert export_rows(source, out).tables["job_rows"].rows == 1


def test_a_start_is_for_an_empty_output_and_moves_no_consumer(tmp_path: Path) -> None:
    source, out = some_rows(6), DirectoryOutput(tmp_path / "out")
    report = export_rows(source, out, ExportOptions(start=f"{EPOCH}-{3:012d}-000000003"))
    rows = identities(out.root)
    assert ("res/3.jsonl", "v3", 4) in rows
    assert ("res/3.jsonl", "v3", 3) not in rows
    assert ("res/2.jsonl", "v2", 0) not in rows
    assert source.consumers == {}
    assert report.consumer is None
    with pytest.raises(UsageError, match="not empty"):
        export_rows(source, out, ExportOptions(start="0"))


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_written(tmp_path: Path) -> None:
    source, out = some_rows(6), DirectoryOutput(tmp_path / "out")
    source.change(2, unreadable=True)
    report = export_rows(source, out)
    assert report.unreadable == ["res/2.jsonl"]
    assert report.exit_code is ExitCode.INTEGRITY
    del source.kept[2]
    assert identities(out.root) == expected(source)
    assert list((tmp_path / "out" / "tmp").iterdir()) == []


def test_a_file_that_is_refused_for_now_ends_the_export_and_is_exported_later(tmp_path: Path) -> None:
    source, out = some_rows(6), DirectoryOutput(tmp_path / "out")
    source.change(2, refused=True)
    with pytest.raises(DestinationUnusable):
        export_rows(source, out, SMALL)
    source.change(2, refused=False)
    assert export_rows(source, out, SMALL).unreadable == []
    assert identities(out.root) == expected(source)


def test_rows_that_are_too_long_are_named_and_counted(tmp_path: Path) -> None:
    source, out = MemorySource(), DirectoryOutput(tmp_path / "out")
    source.add({"n": 1}, {"text": "x" * 200}, {"n": 3})
    report = export_rows(source, out, ExportOptions(value_bytes=100))
    assert (report.oversized, report.oversized_rows) == (1, ["res/1.jsonl row 1"])
    assert report.exit_code is ExitCode.PARTIAL
    assert [row for _, _, row in identities(out.root)] == [0, 2]


def test_a_large_object_is_a_part_of_its_own(tmp_path: Path) -> None:
    source, out = MemorySource(), DirectoryOutput(tmp_path / "out")
    for size in (10, 10, 10**6, 10):
        source.add({"text": "x" * 5}, size=size)
    export_rows(source, out, ExportOptions(part_bytes=10**5))
    parts = sorted((tmp_path / "out" / "data").rglob("*.parquet"))
    assert [pq.ParquetFile(path).metadata.num_rows for path in parts] == [2, 1, 1]


def test_tombstones_are_rows_of_every_table(tmp_path: Path) -> None:
    source, out = MemorySource(), DirectoryOutput(tmp_path / "out")
    source.add(ENVELOPE, shape=Shape.EXTRACT)
    source.add(source="purged", key="res/1.jsonl")
    export_rows(source, out, ExportOptions(columns=(TypedColumn("price", "/data/parsing/price", "float64"),)))
    found = [(table, row["source"], row["row_index"]) for table, row in read_parts(out.root)]
    assert sorted(found, key=str) == [
        ("envelopes", "delivered", 0),
        ("envelopes", "purged", None),
        ("job_rows", "purged", None),
        ("run_documents", "purged", None),
    ]


COLUMNS = (TypedColumn("price", "/data/parsing/price", "float64"), TypedColumn("name", "/data/parsing/name", "string"))


@pytest.mark.parametrize("format_", ["parquet", "jsonl"])
def test_typed_columns_hold_what_fits(tmp_path: Path, format_: Any) -> None:
    source, out = MemorySource(), DirectoryOutput(tmp_path / "out")
    for parsing in ({"price": 1.5, "name": "a"}, {"price": "none", "name": 5}, {"price": None}, [1]):
        source.add({"status": "success", "data": {"parsing": parsing}}, shape=Shape.AGENT)
    report = export_rows(source, out, ExportOptions(columns=COLUMNS, format=format_))
    rows = [row for _, row in read_parts(out.root)]
    assert [(row["price"], row["name"]) for row in rows] == [(1.5, "a"), (None, None), (None, None), (None, None)]
    assert report.misfits == {"price": 1, "name": 1}


def test_a_layout_takes_further_columns_and_no_other_change(tmp_path: Path) -> None:
    source, out = some_rows(4), DirectoryOutput(tmp_path / "out")
    export_rows(source, out, ExportOptions(columns=COLUMNS[:1]))
    source.add(ENVELOPE, shape=Shape.AGENT)
    # In any place; the columns of the output keep their order.
    export_rows(source, out, ExportOptions(columns=COLUMNS[::-1]))
    export_rows(source, out, ExportOptions(columns=COLUMNS))
    assert read_layout(out).typed == COLUMNS
    for changed in (
        ExportOptions(columns=COLUMNS[1:]),
        ExportOptions(columns=(COLUMNS[0]._replace(pointer="/price"), COLUMNS[1])),
        ExportOptions(),
        ExportOptions(columns=COLUMNS, drop=("html",)),
        ExportOptions(columns=COLUMNS, format="jsonl"),
    ):
        with pytest.raises(UsageError, match="another layout"):
            export_rows(source, out, changed)
    other = some_rows(4)
    other.dest_id = "e" * 32
    with pytest.raises(UsageError, match="another destination"):
        export_rows(other, out, ExportOptions(columns=COLUMNS))


def test_json_is_json_to_parquet_and_text_to_readers_of_arrow(tmp_path: Path) -> None:
    source, out = MemorySource(), DirectoryOutput(tmp_path / "out")
    source.add(ENVELOPE, shape=Shape.AGENT)
    export_rows(source, out)
    (path,) = (tmp_path / "out" / "data").rglob("*.parquet")
    schema = pq.ParquetFile(path).schema
    types = {schema.column(number).name: str(schema.column(number).logical_type) for number in range(len(schema))}
    assert {name for name, kind in types.items() if kind == "JSON"} == {"parsing", "rest"}
    seen = pyarrow.dataset.dataset(path, format="parquet").schema
    assert {str(seen.field(name).type) for name in ("parsing", "rest", "html")} == {"string"}


def test_dropped_columns_are_absent(tmp_path: Path) -> None:
    source, out = MemorySource(), DirectoryOutput(tmp_path / "out")
    source.add(ENVELOPE, shape=Shape.AGENT)
    export_rows(source, out, ExportOptions(drop=("html", "markdown")))
    ((_, row),) = read_parts(out.root)
    assert {"html", "markdown"}.isdisjoint(row)
    with pytest.raises(UsageError, match="cannot be left out"):
        export_rows(source, out, ExportOptions(drop=("key",)))


def test_parts_that_are_no_chain_are_an_error(tmp_path: Path) -> None:
    source, out = some_rows(), DirectoryOutput(tmp_path / "out")
    export_rows(source, out, SMALL)
    parts = sorted((tmp_path / "out" / "data" / "job_rows").rglob("*.parquet"))
    parts[2].unlink()
    with pytest.raises(IntegrityError, match="no chain"):
        export_rows(source, out, SMALL)
