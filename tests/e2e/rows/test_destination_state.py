"""The state of a destination: emptied, shared, moved or replaced, and opened in plain files only."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scripts.commands.installed_command import run, sync_report
from scripts.commands.output_schemas import validate
from tests.e2e.sources import Directory, result


def test_an_emptied_manifest_is_damage_and_one_never_made_is_not(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    state = dest / ".nimble-harvester"
    (state / "manifest.sqlite").write_bytes(b"")
    for verb in (("status", dest), ("cat", dest), ("verify", dest), ("sync", source.location, dest)):
        ended = run(*verb)
        assert ended.code == 7
        assert "is empty" in ended.err
    (state / "destination.json").unlink()
    for command in ("status", "cat", "verify"):
        ended = run(command, dest)
        assert ended.code == 8
        assert "never been synced" in ended.err


def test_one_state_for_two_destinations_is_refused(source: Directory, tmp_path: Path) -> None:
    state, first, second = tmp_path / "state", tmp_path / "first", tmp_path / "second"
    source.put("1.json", result(1))
    sync_report(source.location, first, "--state-dir", state)
    for _ in range(2):
        refused = run("sync", source.location, second, "--state-dir", state)
        assert refused.code == 2
        assert str(first) in refused.err
    sync_report(source.location, second)
    refused = run("sync", source.location, second, "--state-dir", state)
    assert refused.code == 2
    assert run("verify", second, "--state-dir", state).code == 2


def test_an_empty_destination_at_its_place_is_fetched_again(source: Directory, tmp_path: Path) -> None:
    state, dest = tmp_path / "state", tmp_path / "dest"
    source.put("1.json", result(1))
    source.put("2.json", result(2))
    sync_report(source.location, dest, "--state-dir", state)
    shutil.rmtree(dest)
    dest.mkdir()
    ended = run("sync", source.location, dest, "--state-dir", state)
    assert ended.code == 0
    assert "fetched again" in ended.err
    assert sorted(path.name for path in dest.glob("*.json")) == ["1.json", "2.json"]


def test_two_leading_slashes_are_one(source: Directory, tmp_path: Path) -> None:
    source.put("1.json", result(1))
    twice = f"/{tmp_path}/twice"
    assert run("sync", source.location, twice, "--state-dir", f"/{tmp_path}/state").code == 0
    for command in ("status", "cat", "verify"):
        assert run(command, twice, "--state-dir", f"/{tmp_path}/state").code == 0


@pytest.mark.parametrize("kind", ["fifo", "second name", "link"])
def test_state_is_opened_in_plain_files_only(source: Directory, dest: Path, tmp_path: Path, kind: str) -> None:
    source.put("1.json", result(1))
    sync_report(source.location, dest)
    victim = tmp_path / "victim"
    victim.write_text("content")
    path = dest / ".nimble-harvester" / "writers"
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "second name":
        path.hardlink_to(victim)
    else:
        path.symlink_to(victim)
    for verb in (("sync", source.location, dest), ("status", dest), ("cat", dest)):
        ended = run(*verb)
        assert ended.code == 12
        assert "writers" in ended.err
    assert victim.read_text() == "content"


def test_a_recorded_path_outside_is_an_integrity_error(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("1.json", result(1))
    sync_report(source.location, dest)
    outside = tmp_path / "outside.json"
    shutil.copy(dest / "1.json", outside)
    with closing(sqlite3.connect(dest / ".nimble-harvester" / "manifest.sqlite")) as database, database:
        database.execute("UPDATE objects SET path = '../outside.json'")
    for verb in (
        ("cat", dest),
        ("verify", dest),
        ("evict", dest, "--older-than", "0s"),
        ("sync", source.location, dest),
    ):
        assert run(*verb).code == 7
    assert outside.exists()


@pytest.mark.parametrize("table", ["problems", "versions"])
def test_a_recorded_path_outside_is_not_freed(source: Directory, dest: Path, tmp_path: Path, table: str) -> None:
    source.put("1.json", b"{")
    source.put("2.json", result(2))
    sync_report(source.location, dest, expected=3)
    source.put("2.json", result(3))
    sync_report(source.location, dest, "--on-change", "keep")
    outside = tmp_path / "outside.json"
    outside.write_text("mine")
    with closing(sqlite3.connect(dest / ".nimble-harvester" / "manifest.sqlite")) as database, database:
        assert database.execute(f"UPDATE {table} SET path = '../outside.json'").rowcount == 1
    option = "--quarantine" if table == "problems" else "--versions"
    assert run("evict", dest, option, "--older-than", "0s").code == 7
    assert outside.exists()


def test_a_moved_source_is_not_fetched_again(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    source.put("sub/b.json", result(2))
    source.put("c.json", result(3))
    sync_report(source.location, dest)
    moved = Directory(tmp_path / "elsewhere")
    for path in list(source.path.iterdir()):
        path.rename(moved.path / path.name)
    moved.put("c.json", result(4))
    moved.put("d.json", result(5))
    assert run("rebind", dest, moved.location).code == 13
    ended = run("rebind", dest, moved.location, "--yes", "--format", "json")
    validate("rebind-report", ended.document)
    assert (ended.document["same"], ended.document["differences"]) == (
        2,
        [{"key": "c.json", "difference": "version"}, {"key": "d.json", "difference": "new"}],
    )
    report = sync_report(moved.location, dest)
    assert (report["counts"]["landed"], report["counts"]["unchanged"]) == (2, 2)
    assert report["source_gone"] == 0
    assert run("sync", source.location, dest).code in (2, 5)
