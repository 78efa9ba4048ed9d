"""A manifest of the first version, with an open write-ahead log, becomes one of this version in one transaction."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from harvester.destination.manifest.database.migrations import MIGRATIONS
from harvester.destination.manifest.manifest import Manifest
from harvester.destination.positions import end_of
from harvester.errors import HarvesterError

FIXTURE = Path(__file__).parent / "manifest_v1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for file in FIXTURE.iterdir():
        shutil.copy(file, tmp_path / file.name)
    return tmp_path / "manifest.sqlite"


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database, database:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        return int(found)


@pytest.mark.parametrize("readonly", [False, True])
def test_what_had_landed_is_one_epoch(path: Path, readonly: bool) -> None:
    with Manifest(path, readonly=readonly) as manifest:
        (epoch,) = manifest.epochs()
        assert (epoch.first_seq, epoch.last_seq, manifest.last_seq()) == (1, 5, 5)
        # The second run stands in the log alone.
        rows = {row.key: row for row in manifest.landed()}
        assert rows["results/part-0.jsonl"].rows == 500
        assert rows["results/1.json"].version == "etag-new"
        assert rows["results/2.json"].evicted == 1
        assert rows["results/0.json"].gone_at is not None
        assert rows["results/1.json"].gone_at is None
        assert {row.non_finite for row in rows.values()} == {None}
        assert manifest.totals()["non_finite"] == 0
        assert [problem.key for problem in manifest.problems()] == ["results/bad.json"]
        assert [kept.seq for kept in manifest.versions()] == [2]
        manifest.check_position(end_of(epoch.epoch, 5), path)
    assert version(path) == len(MIGRATIONS)
    with Manifest(path, readonly=True) as manifest:
        assert manifest.epochs() == [epoch]


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        # In the way of a late step.
        database.execute("CREATE TABLE compacted(day TEXT)")
    with pytest.raises(HarvesterError):
        Manifest(path)
    assert version(path) == 1
    with closing(sqlite3.connect(path)) as database, database:
        assert not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'epochs'").fetchall()
        database.execute("DROP TABLE compacted")
    with Manifest(path) as manifest:
        assert len(manifest.epochs()) == 1


def test_a_new_session_draws_a_later_epoch(path: Path) -> None:
    with Manifest(path) as manifest:
        row = manifest.landed_row("results/1.json")
        assert row is not None
        manifest.begin_run()
        manifest.record([row._replace(seq=manifest.take_seq(), etag="etag-newer")], [])
        first, second = manifest.epochs()
        assert first.epoch < second.epoch
        # Numbers reserved by the killed run are skipped.
        assert second.first_seq == second.last_seq == manifest.last_seq() > first.last_seq
        assert manifest.superseded_between(0, first.last_seq) == 1
