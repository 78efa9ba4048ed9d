"""Shards: of many attempts, each with other positions, exactly one becomes visible, as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harvester.errors import IntegrityError, UsageError
from harvester.tables.exports.export_types import ExportOptions
from harvester.tables.exports.exporting import export_rows
from harvester.tables.exports.part_names import parse_part
from harvester.tables.exports.staging import (
    StagedRows,
    publish_staged,
    remove_staged,
    stage_source,
    staged_attempts,
)
from harvester.tables.outputs.output_store import DirectoryOutput
from tests.unit.tables.exported_parts import SMALL, Killed, expected, identities, kill_at_each_write, some_rows

SHARD = ExportOptions(part_bytes=1, series="shard-000012")


def test_of_two_attempts_the_committed_one_becomes_visible(tmp_path: Path) -> None:
    out = DirectoryOutput(tmp_path / "out")
    source = some_rows()
    first, report = stage_source(source, out, SHARD)
    second, _ = stage_source(source, out, ExportOptions(series="shard-000012"))
    assert identities(out.root) == {}
    assert sum(table.rows for table in report.tables.values()) == expected(source).total()
    assert out.create("commits/12.json", json.dumps(second.as_document()).encode())
    committed = StagedRows.from_document(json.loads((out.root / "commits/12.json").read_bytes()))
    assert committed == second
    publish_staged(out, committed)
    publish_staged(out, committed)
    assert identities(out.root) == expected(source)
    assert {each.attempt for each in staged_attempts(out)} == {first.attempt, second.attempt}
    for attempt in staged_attempts(out):
        remove_staged(out, attempt)
    assert not (out.root / "staging").exists()
    publish_staged(out, committed)
    assert identities(out.root) == expected(source)


def test_a_kill_at_any_point_of_publishing_is_made_up_for(tmp_path: Path) -> None:
    source = some_rows(6)

    class KilledCopies(DirectoryOutput):
        copies = 0

        def copy(self, name: str, target: str) -> None:
            if self.copies == 0:
                raise Killed
            super().copy(name, target)
            self.copies -= 1

    out = KilledCopies(tmp_path / "out")
    staged, _ = stage_source(source, out, SHARD)
    for number in range(1, len(staged.parts)):
        out.copies = 1
        with pytest.raises(Killed):
            publish_staged(out, staged)
        assert len(list((out.root / "data").rglob("*.parquet"))) == number
        assert max(identities(out.root).values()) == 1
    publish_staged(DirectoryOutput(out.root), staged)
    assert identities(out.root) == expected(source)


def test_series_of_several_destinations_lie_side_by_side(tmp_path: Path) -> None:
    out = DirectoryOutput(tmp_path / "out")
    first, second = some_rows(5), some_rows(7)
    second.dest_id = "e" * 32
    for series, source in (("a", first), ("b-1", second), ("a", first)):
        export_rows(source, out, ExportOptions(part_bytes=1, series=series))
    assert identities(out.root) == expected(first) + expected(second)
    names = [str(path.relative_to(out.root)) for path in (out.root / "data").rglob("*.parquet")]
    assert {part.series for part in map(parse_part, names) if part} == {"a", "b-1"}
    assert all(str(parse_part(name)) == name for name in names)
    first.add({"later": 1})
    assert export_rows(first, out, ExportOptions(series="a")).tables["job_rows"].rows == 1
    with pytest.raises(UsageError, match="another destination"):
        export_rows(first, out, SMALL)


def test_a_kill_of_a_series_at_any_point_loses_and_repeats_nothing(tmp_path: Path) -> None:
    options = ExportOptions(part_bytes=1, series="a")
    assert kill_at_each_write(tmp_path, some_rows(4), options) > 12


@pytest.mark.parametrize("series", ["A", "a/b", "a_b", "-a", "a" * 64])
def test_a_series_has_a_name_that_a_part_can_carry(tmp_path: Path, series: str) -> None:
    with pytest.raises(UsageError, match="no name for a series"):
        export_rows(some_rows(1), DirectoryOutput(tmp_path), ExportOptions(series=series))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {"series": "a", "attempt": "0" * 16},
        {"series": "../a", "attempt": "0" * 16, "parts": []},
        {"series": "a", "attempt": "../../../x", "parts": []},
        {"series": "a", "attempt": "0" * 16, "parts": ["../x"]},
        {
            "series": "a",
            "attempt": "0" * 16,
            "parts": ["data/t/landed_day=2026-11-30/b_0-0000000000001-000000000001-end.parquet"],
        },
    ],
)
def test_a_commit_that_names_other_files_is_refused(document: object) -> None:
    with pytest.raises(IntegrityError):
        StagedRows.from_document(document)
