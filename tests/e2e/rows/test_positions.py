"""Positions of rows: reading goes on after them, also when a destination was restored or moved."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import pytest

import harvester
from scripts.commands.installed_command import run, sync_report
from tests.e2e.rows.reading import jobs, keys, meta
from tests.e2e.sources import Directory, result

POSITION = re.compile(r"[0-9a-v]{13}-[0-9]{12}-([0-9]{9}|end)")


def test_a_reader_that_stops_inside_a_jobs_file_loses_nothing(source: Directory, dest: Path) -> None:
    source.put("part-0.jsonl", jobs(500))
    sync_report(source.location, dest)
    position = "0"
    for row in itertools.islice(harvester.read(dest, after=position), 10):
        position = row.position
    rest = list(harvester.read(dest, after=position))
    assert len(rest) == 490
    assert [row.row for row in rest] == list(range(10, 500))
    assert len({(row.key, row.version, row.row) for row in rest}) == 490


def test_positions_sort_as_rows_and_lead_on(source: Directory, dest: Path) -> None:
    source.put("a.jsonl", jobs(3) + b"\n\nbroken\n" + jobs(1, 9))
    sync_report(source.location, dest, expected=3)
    source.put("b.json", result(1))
    sync_report(source.location, dest)
    lines = meta(dest)
    positions = [str(line["position"]) for line in lines]
    assert positions == sorted(positions)
    assert all(POSITION.fullmatch(position) for position in positions)
    for number, position in enumerate(positions, 1):
        assert [line["position"] for line in meta(dest, "--after", position)] == positions[number:]
    # The broken row keeps its number, the blank line has none.
    assert [line["row"] for line in lines] == [0, 1, 2, 4, 0]
    assert all(line["version"] for line in lines)


@pytest.mark.parametrize("text", ["7", "00000000000007", "x", "", "0000dpc4vqg3r-7-0", "-1"])
def test_a_bare_number_is_no_position(source: Directory, dest: Path, text: str) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    refused = run("cat", dest, f"--after={text}")
    assert refused.code == 2
    assert "EPOCH-SEQ-ROW" in refused.err


def test_a_restored_destination_names_the_newest_shared_position(source: Directory, dest: Path, tmp_path: Path) -> None:
    for number in range(51, 57):
        source.put(f"{number}.json", result(number))
    sync_report(source.location, dest)
    shared = str(meta(dest)[-1]["position"])
    shutil.copytree(dest, tmp_path / "backup", symlinks=True)
    source.put("57.json", result(57))
    source.put("58.json", result(58))
    sync_report(source.location, dest)
    position = str(meta(dest)[-1]["position"])
    shutil.rmtree(dest)
    (tmp_path / "backup").rename(dest)
    refused = run("cat", dest, "--after", position)
    assert refused.code == 17
    source.put("11.json", result(11))
    sync_report(source.location, dest)
    refused = run("cat", dest, "--after", position)
    assert (refused.code, refused.out) == (17, "")
    again = re.search(r"--after (\S+)", refused.err)
    assert again is not None
    assert again[1] == shared.rpartition("-")[0] + "-end"
    assert keys(dest, "--after", again[1]) == ["11.json", "57.json", "58.json"]
    with pytest.raises(harvester.ForeignPosition) as raised:
        list(harvester.read(dest, after=position))
    assert raised.value.shared == again[1]


def test_positions_of_each_epoch_show_where_to_go_on_after_an_old_backup(
    source: Directory, dest: Path, tmp_path: Path
) -> None:
    read = []
    for number in range(5):
        source.put(f"{number}.json", result(number))
        sync_report(source.location, dest)
        read.append(str(meta(dest)[-1]["position"]))
        if number == 1:
            shutil.copytree(dest, tmp_path / "backup", symlinks=True)
    assert keys(dest, *(f"--after={position}" for position in read[:4])) == ["4.json"]
    shutil.rmtree(dest)
    (tmp_path / "backup").rename(dest)
    sync_report(source.location, dest)
    shared = read[1][:-9] + "end"
    alone = run("cat", dest, "--after", read[-1])
    assert (alone.code, re.findall(r"--after (\S+)", alone.err)) == (17, ["0"])
    assert f"it is {shared} if a backup was restored" in alone.err
    refused = run("cat", dest, *(f"--after={position}" for position in read))
    assert (refused.code, re.findall(r"--after (\S+)", refused.err)) == (17, [shared])
    assert keys(dest, f"--after={shared}") == ["2.json", "3.json", "4.json"]
    with pytest.raises(harvester.ForeignPosition) as raised:
        list(harvester.read(dest, after=read))
    assert (raised.value.position, raised.value.shared) == (read[-1], shared)
    assert len(list(harvester.read(dest, after=[]))) == 5


def test_a_new_manifest_refuses_the_positions_of_the_old_one(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    position = str(meta(dest)[0]["position"])
    manifest = dest / ".nimble-harvester" / "manifest.sqlite"
    manifest.write_bytes(b"junk" * 100)
    damaged = run("status", dest)
    assert damaged.code == 7
    assert str(manifest) in damaged.err
    manifest.unlink()
    sync_report(source.location, dest)
    assert run("cat", dest, "--after", position).code == 17


def test_a_moved_destination_keeps_its_positions(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    sync_report(source.location, dest)
    position = str(meta(dest)[0]["position"])
    moved = dest.rename(tmp_path / "moved")
    assert keys(moved, "--after", position) == ["b.json"]
    report = sync_report(source.location, moved)
    assert report["counts"]["unchanged"] == 2
