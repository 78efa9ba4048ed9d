"""The manifest keeps what is recorded, and refuses newer versions."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.destination.manifest.database.migrations import MIGRATIONS
from harvester.destination.manifest.lock import DestinationLock, read_lock_holder
from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import ProblemRow
from harvester.destination.manifest.source_binding import SourceBinding
from harvester.destination.positions import draw_epoch
from harvester.errors import ConfigurationError, DestinationLocked, IntegrityError, UsageError
from tests.unit.destination.landed_rows import row


def problem(key: str, reason: str = "empty") -> ProblemRow:
    return ProblemRow(key, "etag", 10, "quarantined", reason, "detail", 1, 1, None, None, "print")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "manifest.sqlite"


def test_only_statements_of_one_row_are_undone_in_memory(path: Path) -> None:
    executed: list[str] = []
    with Manifest(path) as manifest:
        manifest._database.set_trace_callback(executed.append)
        manifest.record([row("a")], [])
        assert [each for each in executed if each.startswith(("PRAGMA", "BEGIN", "COMMIT"))] == [
            "PRAGMA temp_store = MEMORY",
            "BEGIN IMMEDIATE",
            "COMMIT",
            "PRAGMA temp_store = DEFAULT",
        ]
        with pytest.raises(ConfigurationError):
            manifest.record([row("b"), row("c", digest=None)], [])
        assert manifest._database.execute("PRAGMA temp_store").fetchone() == (0,)
        assert [each.key for each in manifest.landed()] == ["a"]


def test_rows_come_back_as_they_went_in(path: Path) -> None:
    rows = [
        row("b", 2, non_finite=3),
        row("a", 1, task_id="t", status="success", rows=3, shape="jsonl", non_finite=2),
        row("\U0001f600\n", 3),
    ]
    with Manifest(path) as manifest:
        assert manifest.is_empty()
        manifest.record(rows, [problem("c")])
    with Manifest(path, readonly=True) as manifest:
        assert list(manifest.landed()) == sorted(rows)
        assert list(manifest.landed_by_seq()) == sorted(rows, key=lambda each: each.seq)
        assert list(manifest.landed_by_seq(1)) == [rows[0], rows[2]]
        assert manifest.landed_row("a") == rows[1]
        assert manifest.landed_row("z") is None
        assert manifest.problem("c") == problem("c")
        assert manifest.owner_of("path-of-a") == "a"
        assert manifest.last_seq() == 3
        assert manifest.totals() == {"landed": 3, "evicted": 0, "source_gone": 0, "bytes": 90, "non_finite": 5}


def test_a_batch_is_recorded_whole_or_not_at_all(path: Path) -> None:
    with Manifest(path) as manifest:
        manifest.record([row("a")], [])
        with pytest.raises(ConfigurationError):
            manifest.record([row("b", 2), row("c", 3, digest=None)], [])
        assert [each.key for each in manifest.landed()] == ["a"]


def test_what_is_solved_gone_and_returned(path: Path) -> None:
    with Manifest(path) as manifest:
        manifest.record([row("a"), row("b", 2)], [problem("a"), problem("b")])
        manifest.record([], [], solved=["a"], gone=["a", "b"])
        assert [each.key for each in manifest.problems()] == ["b"]
        assert manifest.totals()["source_gone"] == 2
        manifest.record([], [], returned=["b"])
        assert manifest.totals()["source_gone"] == 1
        manifest.evict([row("a")])
        assert manifest.totals() == {"landed": 2, "evicted": 1, "source_gone": 1, "bytes": 30, "non_finite": 0}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=4), max_size=20))
def test_the_order_is_that_of_bytes(path: Path, keys: set[str]) -> None:
    path.unlink(missing_ok=True)
    with Manifest(path) as manifest:
        # Any key, each with another path.
        manifest.record([row(key, number, path=f"{number}.json") for number, key in enumerate(keys, 1)], [])
        in_order = sorted(keys, key=str.encode)
        assert [each.key for each in manifest.landed()] == in_order
        for start in in_order:
            assert [each.key for each in manifest.landed(start)] == [key for key in in_order if key >= start]


def test_sequence_numbers_only_grow_even_after_a_kill(path: Path) -> None:
    with Manifest(path) as manifest:
        assert manifest.begin_run() == 1
        taken = [manifest.take_seq() for _ in range(3)]
        assert taken == [1, 2, 3]
    # Killed: the run has no end, and its rows were never recorded.
    with Manifest(path) as manifest:
        assert manifest.begin_run() == 2
        assert manifest.take_seq() > 3


def test_unused_numbers_are_given_back(path: Path) -> None:
    with Manifest(path) as manifest:
        manifest.begin_run()
        manifest.record([row("a", manifest.take_seq())], [])
        manifest.end_run(1, 0, "{}")
        manifest.begin_run()
        assert manifest.take_seq() == 2
        assert [(run.run, run.exit_code) for run in manifest.runs()] == [(2, None), (1, 0)]


def test_a_destination_is_bound_once_something_landed(path: Path, tmp_path: Path) -> None:
    first = SourceBinding("s3://a/", "", keep_compressed=False)
    other = SourceBinding("s3://b/", "", keep_compressed=False)
    with Manifest(path) as manifest:
        manifest.bind(other, tmp_path)
        manifest.bind(first, tmp_path)
        manifest.record([row("a")], [])
        with pytest.raises(UsageError, match="already is the copy of s3://a/"):
            manifest.bind(other, tmp_path)
        with pytest.raises(UsageError, match="holds files"):
            manifest.bind(SourceBinding("s3://a/", "", keep_compressed=True), tmp_path)
        assert manifest.binding() == first


def test_an_older_state_is_migrated_in_one_transaction(path: Path) -> None:
    for older in range(len(MIGRATIONS)):
        path.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.create_function("draw_epoch", 0, draw_epoch)
            database.create_function("now", 0, time.time)
            for script in MIGRATIONS[:older]:
                for statement in script:
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {older}")
        with Manifest(path) as manifest:
            manifest.record([row("a")], [problem("b")])
            assert manifest.landed_row("a") == row("a")
        with contextlib.closing(sqlite3.connect(path)) as database:
            assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def test_a_failed_migration_leaves_the_older_state(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE versions(foreign_table TEXT)")
    with pytest.raises((ConfigurationError, IntegrityError)):
        Manifest(path)
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (0,)
        assert database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("versions",)]


@pytest.mark.parametrize("readonly", [False, True])
def test_a_newer_state_is_refused(path: Path, *, readonly: bool) -> None:
    Manifest(path).close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(ConfigurationError, match="newer nimble-harvester"):
        Manifest(path, readonly=readonly)


def test_a_file_that_is_no_manifest(path: Path) -> None:
    path.write_bytes(b"something else " * 100)
    with pytest.raises(IntegrityError, match="not a readable manifest"):
        Manifest(path)


def test_paths_with_marks_of_urls(tmp_path: Path) -> None:
    folder = tmp_path / "100%?#"
    folder.mkdir()
    Manifest(folder / "m.sqlite").close()
    assert (folder / "m.sqlite").is_file()


def test_the_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lock"
    path.parent.mkdir()
    assert read_lock_holder(path) is None
    with DestinationLock(path):
        holder = read_lock_holder(path)
        assert holder is not None
        with pytest.raises(DestinationLocked, match="is in use") as refused:
            DestinationLock(path)
        assert f"process {holder.process} on {holder.host}" in refused.value.cause
    assert read_lock_holder(path) is None
    with DestinationLock(path):
        pass


def test_half_a_line_names_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with DestinationLock(path):
        path.write_text('{"process": 1')
        found = read_lock_holder(path)
        assert found is not None
        assert found.host == "unknown"
        with pytest.raises(DestinationLocked, match="is in use"):
            DestinationLock(path)


def test_a_second_opening_in_one_process_leaves_the_log_to_the_first(path: Path) -> None:
    with Manifest(path) as manifest:
        manifest.record([row("a")], [])
        # As a heartbeat does beside a session.
        Manifest(path).close()
        # As another process does; were no lock held any more, it would delete the log at its end.
        program = "import pathlib, sys, harvester.destination as d; d.Manifest(pathlib.Path(sys.argv[1])).close()"
        subprocess.run([sys.executable, "-c", program, str(path)], check=True)
        manifest.record([row("b", 2)], [])
        with Manifest(path, readonly=True) as reader:
            assert [each.key for each in reader.landed()] == ["a", "b"]
