"""Delta tables: each row once, whatever ends an export and however many run."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import DestinationUnusable
from harvester.tables.exports.delta_chain import epoch_text
from harvester.tables.exports.export_types import ExportBehind, ExportOptions
from harvester.tables.exports.exporting import export_rows
from harvester.tables.outputs.output_store import DirectoryOutput, open_output
from harvester.tables.table_columns import TableName
from harvester.tables.typed_columns import TypedColumn
from tests.unit.tables.exported_parts import HookedOutput, expected, kill_at_each_write, some_rows
from tests.unit.tables.memory_rows import EPOCH, MemorySource

DELTA = ExportOptions(format="delta", part_bytes=1)


def table(out: Path | str, name: str, **options: str) -> Any:
    return DeltaTable(f"{out}/data/{name}", storage_options=options).to_pyarrow_table()


def identities(out: Path) -> Counter[tuple[str, str, int | None]]:
    names = [name for name in ("envelopes", "job_rows") if DeltaTable.is_deltatable(f"{out}/data/{name}")]
    rows = [row for name in names for row in table(out, name).to_pylist()]
    return Counter((row["key"], row["version"], row["row_index"]) for row in rows)


class HookedSource(MemorySource):
    """Calls a hook before each object is read, which an export does between two commits."""

    hook: Any = None

    def objects(self, after: str, table: TableName) -> Any:
        for found in super().objects(after, table):
            if self.hook:
                self.hook()
            yield found


def hooked(source: MemorySource, hook: Any) -> HookedSource:
    copy = HookedSource(source.kept, source.dest_id)
    copy.hook = hook
    return copy


def test_every_row_is_exported_once_and_then_none(tmp_path: Path) -> None:
    source, out = some_rows(), DirectoryOutput(tmp_path / "out")
    report = export_rows(source, out, DELTA)
    assert identities(out.root) == expected(source)
    assert report.format == "delta"
    assert report.tables["job_rows"].position.startswith(EPOCH)
    assert export_rows(source, out, DELTA).tables["job_rows"].parts == 0
    source.add({"later": 1})
    assert export_rows(source, out, DELTA).tables["job_rows"].rows == 1
    days = table(out.root, "job_rows").column("landed_day").to_pylist()
    assert len(set(days)) == 3


def test_a_kill_at_any_point_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """Before a part is uploaded, between its upload and its commit, and behind the commit."""
    assert kill_at_each_write(tmp_path, some_rows(6), DELTA, identities) > 12


def test_a_commit_between_upload_and_commit_is_noticed(tmp_path: Path) -> None:
    source, out, begun = some_rows(6), tmp_path / "out", 0

    def hook(moment: str) -> None:
        nonlocal begun
        if moment.startswith("after publishing") and begun < 4:
            begun += 1
            export_rows(source, DirectoryOutput(out), ExportOptions(format="delta"))
            source.add({"n": begun})

    export_rows(source, HookedOutput(out, hook), DELTA)
    export_rows(source, DirectoryOutput(out), DELTA)
    assert begun == 4
    assert identities(out) == expected(source)
    named = {
        Path(uri).name for name in ("envelopes", "job_rows") for uri in DeltaTable(f"{out}/data/{name}").file_uris()
    }
    assert named == {path.name for path in (out / "data").rglob("*.parquet")}


def test_exports_of_several_threads_commit_each_row_once(tmp_path: Path) -> None:
    source = some_rows(8)
    sizes = [1, 3000, 10**9, 1]

    def run(size: int) -> None:
        export_rows(source, DirectoryOutput(tmp_path), ExportOptions(format="delta", part_bytes=size))

    with ThreadPoolExecutor(len(sizes)) as threads:
        list(threads.map(run, sizes))
    assert identities(tmp_path) == expected(source)


@pytest.mark.parametrize("seed", range(4))
def test_exports_at_once_commit_each_row_once(tmp_path: Path, seed: int) -> None:
    source, out = some_rows(8), DirectoryOutput(tmp_path / "out")
    draw, running = random.Random(seed), 0

    def run() -> None:
        nonlocal running
        running += 1
        options = ExportOptions(format="delta", part_bytes=draw.choice([1, 4000, 10**9]))
        export_rows(hooked(source, hook), out, options)
        running -= 1

    def hook() -> None:
        if running < 3 and draw.random() < 0.1:
            run()

    run()
    assert identities(out.root) == expected(source)


def test_columns_may_be_added(tmp_path: Path) -> None:
    source, out = MemorySource(), DirectoryOutput(tmp_path / "out")
    source.add({"n": 1})
    export_rows(source, out, DELTA)
    source.add({"n": 2})
    export_rows(source, out, ExportOptions(format="delta", columns=(TypedColumn("n", "/n", "int64"),)))
    assert sorted(table(out.root, "job_rows").column("n").to_pylist(), key=str) == [2, None]


def test_a_table_behind_what_was_evicted_receives_nothing(tmp_path: Path) -> None:
    source, out = some_rows(3), DirectoryOutput(tmp_path / "out")
    export_rows(source, out, DELTA)
    source.add({"n": 1})
    source.change(4, evicted=True)
    with pytest.raises(ExportBehind):
        export_rows(source, out, DELTA)


def test_delta_tables_in_s3(s3_bucket: str, moto: Any) -> None:
    source = some_rows(4)
    url = f"s3://{s3_bucket}/tables"
    with open_output(url) as out:
        export_rows(source, out, DELTA)
        source.add({"n": 9})
        assert export_rows(source, out, DELTA).tables["job_rows"].rows == 1
        options = out.delta_options()
    assert len(table(url, "job_rows", **options)) + len(table(url, "envelopes", **options)) == expected(source).total()


@given(st.integers(0, 2**63 - 1))
def test_an_epoch_is_the_text_of_its_number(number: int) -> None:
    assert int(epoch_text(number), 32) == number
    assert len(epoch_text(number)) == 13


def test_a_damaged_log_is_an_error_with_its_cause(tmp_path: Path) -> None:
    source, out = some_rows(4), DirectoryOutput(tmp_path / "out")
    export_rows(source, out, DELTA)
    for log in (tmp_path / "out" / "data" / "job_rows" / "_delta_log").iterdir():
        log.write_text("{broken")
    source.add({"n": 1})
    with pytest.raises(DestinationUnusable, match="as a Delta table") as caught:
        export_rows(source, out, DELTA)
    assert caught.value.cause
