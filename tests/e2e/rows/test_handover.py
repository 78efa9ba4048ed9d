"""Rows are handed on: positions, consumers, restored and shared state, eviction beside a session."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import harvester
from harvester.transfer.rescued_results import RescuedResult
from harvester.transfer.session import land_rescued
from scripts.commands.background_command import wait_until
from scripts.commands.installed_command import COMMAND, environment, run, start, sync_report, tree
from scripts.commands.output_schemas import validate
from scripts.soak_test.handover_soak import HandoverSoak
from tests.e2e.sources import Directory, end_of_object, result
from tests.e2e.sync.test_sync_refusals import small_disk

POSITION = re.compile(r"[0-9a-v]{13}-[0-9]{12}-([0-9]{9}|end)")


@pytest.fixture
def source(tmp_path: Path) -> Directory:
    return Directory(tmp_path / "source")


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "dest"


def jobs(rows: int, first: int = 0) -> bytes:
    return b"\n".join(b'{"url": "https://x/%d", "price": %d}' % (i, i) for i in range(first, first + rows))


def meta(dest: Path, *options: str) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = run("cat", dest, "--meta", *options).lines
    return lines


def keys(dest: Path, *options: str) -> list[str]:
    return [str(line["key"]).rpartition("/")[2] for line in meta(dest, *options)]


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
    assert f"it is {shared} if the destination was restored" in alone.err
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


def test_a_moved_destination_keeps_its_positions(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    sync_report(source.location, dest)
    position = str(meta(dest)[0]["position"])
    moved = dest.rename(tmp_path / "moved")
    assert keys(moved, "--after", position) == ["b.json"]
    report = sync_report(source.location, moved)
    assert report["counts"]["unchanged"] == 2


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


def test_a_consumer_reads_on_from_what_it_acknowledged(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.jsonl", jobs(4))
    sync_report(source.location, dest)
    assert run("consumers", "create", dest, "warehouse").code == 0
    assert run("consumers", "create", dest, "warehouse").code == 2
    assert run("consumers", "create", dest, "tables", "--shape", "jsonl").code == 0
    assert len(meta(dest, "--consumer", "warehouse")) == 5
    assert len(meta(dest, "--consumer", "tables")) == 4
    second = str(meta(dest, "--consumer", "warehouse")[1]["position"])
    assert run("consumers", "ack", dest, "warehouse", second).code == 0
    assert [line["row"] for line in meta(dest, "--consumer", "warehouse")] == [1, 2, 3]
    # Never backwards.
    first = str(meta(dest)[0]["position"])
    assert run("consumers", "ack", dest, "warehouse", first).code == 0
    assert [row.row for row in harvester.read(dest, consumer="warehouse")] == [1, 2, 3]
    # A position beside a consumer is refused, also that of everything: it would have no effect.
    assert [run("cat", dest, "--consumer", "warehouse", "--after", each).code for each in ("0", first)] == [2, 2]
    listed = json.loads(run("consumers", "list", dest, "--format", "json").out)["consumers"]
    assert [(each["name"], each["rows_behind"], each["objects_behind"]) for each in listed] == [
        ("tables", 4, 1),
        ("warehouse", 3, 1),
    ]
    assert run("consumers", "rewind", dest, "warehouse", first).code == 0
    assert len(meta(dest, "--consumer", "warehouse")) == 4
    assert run("consumers", "rewind", dest, "warehouse").code == 0
    assert len(meta(dest, "--consumer", "warehouse")) == 5
    assert run("consumers", "forget", dest, "tables").code == 0
    assert run("cat", dest, "--consumer", "tables").code == 2
    assert run("consumers", "ack", dest, "warehouse", "0000000000000-000000000001-end").code == 17


def test_rows_behind_are_those_that_the_filter_lets_through(source: Directory, dest: Path) -> None:
    def envelope(agent: str) -> bytes:
        return json.dumps({"status": "success", "data": {"parsing": {}}, "metadata": {"agent": agent}}).encode()

    source.put("a.json", envelope("amazon"))
    source.put("b.json", envelope("ebay"))
    source.put("c.json", envelope("a" * 300))
    rows = [{"id": 0}, "broken", {"metadata": {"agent": "amazon"}}, {"metadata": {"agent": "ebay"}}, {"id": 4}]
    source.put("d.jsonl", b"\n".join(json.dumps(row).encode() for row in rows))
    sync_report(source.location, dest, expected=3)
    for name in ("amazon", "a" * 300):
        harvester.create_consumer(dest, name[:7], harvester.RowFilter(agents=(name,)))
    harvester.create_consumer(dest, "all")

    def behind() -> dict[str, tuple[int, int]]:
        listed = harvester.list_consumers(dest)
        return {each.name: (each.rows_behind, each.objects_behind) for each in listed}

    read = {name: list(harvester.read(dest, consumer=name)) for name in behind()}
    assert {name: len(rows) for name, rows in read.items()} == {"all": 7, "amazon": 2, "aaaaaaa": 1}
    assert behind() == {"all": (7, 4), "amazon": (2, 2), "aaaaaaa": (1, 1)}
    for left in (2, 1, 0):
        harvester.acknowledge(dest, "all", read["all"][6 - left].position)
        assert behind()["all"] == (left, left > 0)


def test_acknowledging_needs_a_file_or_a_command(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.png", b"\x89PNG\r\n\x1a\n" + b"0" * 100)
    sync_report(source.location, dest)
    harvester.create_consumer(dest, "one")
    piped = run("cat", dest, "--consumer", "one", "--ack")
    assert piped.code == 2
    assert "-- CMD" in piped.err
    assert run("cat", dest, "--ack").code == 2
    assert run("cat", dest, "--", "cat").code == 2

    failed = run("cat", dest, "--consumer", "one", "--ack", "--", sys.executable, "-c", "raise SystemExit(9)")
    assert failed.code == 9
    assert harvester.list_consumers(dest)[0].position == "0"

    copy = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(sys.stdin.buffer.read())"
    taken = run("cat", dest, "--consumer", "one", "--ack", "--", sys.executable, "-c", copy, str(tmp_path / "taken"))
    assert taken.code == 0
    assert (tmp_path / "taken").read_bytes() == result(1) + b"\n"
    # The media file has no rows, and is passed.
    assert harvester.list_consumers(dest)[0].position.endswith("-000000000002-end")

    harvester.rewind_consumer(dest, "one")
    with (tmp_path / "file").open("wb") as file:
        subprocess.run([COMMAND, "cat", dest, "--consumer", "one", "--ack"], stdout=file, env=environment(), check=True)
    assert (tmp_path / "file").read_bytes() == result(1) + b"\n"
    assert harvester.list_consumers(dest)[0].position.endswith("-000000000002-end")


def test_eviction_leaves_what_a_consumer_needs(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.jsonl", jobs(3))
    source.put("c.json", result(3))
    sync_report(source.location, dest)
    assert run("evict", dest, "--consumed").code == 2
    harvester.create_consumer(dest, "one")
    harvester.create_consumer(dest, "tables", harvester.RowFilter(shapes=("jsonl",)))
    lines = meta(dest)
    ended = run("evict", dest, "--older-than", "0s")
    assert "3 objects left" in ended.err
    assert keys(dest) == ["a.json", "b.jsonl", "b.jsonl", "b.jsonl", "c.json"]
    # The last row is not the end of a jobs file; rows outside a filter are passed.
    harvester.acknowledge(dest, "one", str(lines[3]["position"]))
    assert harvester.evict(dest, consumed=True).objects == 1
    harvester.acknowledge(dest, "one", str(lines[4]["position"]))
    harvester.acknowledge(dest, "tables", str(lines[3]["position"]))
    assert harvester.evict(dest, consumed=True).objects == 1
    assert keys(dest) == ["b.jsonl", "b.jsonl", "b.jsonl"]
    through = str(lines[3]["position"]).rpartition("-")[0] + "-end"
    assert harvester.evict(dest, through=through).unacknowledged == 1
    assert harvester.evict(dest, through=through, unacknowledged=True).objects == 1
    assert sync_report(source.location, dest)["counts"]["unchanged"] == 3
    assert keys(dest) == []


def test_a_replaced_version_is_counted_and_not_handed_on(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    harvester.create_consumer(dest, "one")
    source.put("a.json", result(2))
    sync_report(source.location, dest)
    ended = run("cat", dest, "--consumer", "one")
    assert [line["task_id"] for line in ended.lines] == ["task-2"]
    assert "1 version replaced" in ended.err
    assert harvester.list_consumers(dest)[0].superseded == 1


def test_readers_acknowledge_and_evict_beside_a_watch(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    watching = start("watch", source.location, dest, "--every", "1s")
    try:
        wait_until(lambda: (dest / "a.json").exists() and run("cat", dest).code == 0 and len(meta(dest)) == 1)
        harvester.create_consumer(dest, "one")
        harvester.acknowledge(dest, "one", str(meta(dest)[0]["position"]))
        assert run("status", dest).code == 0
        assert run("verify", dest).code == 0
        assert harvester.evict(dest, consumed=True).objects == 1
        source.put("b.json", result(2))
        wait_until(lambda: keys(dest) == ["b.json"])
        assert not (dest / "a.json").exists()
    finally:
        watching.send_signal(signal.SIGTERM)
        watching.communicate()
    assert sync_report(source.location, dest)["counts"]["unchanged"] == 2


def test_only_a_file_with_the_landed_content_is_read(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    sync_report(source.location, dest)
    os.utime(dest / "a.json")
    text = (dest / "b.json").read_bytes()
    (dest / "b.json").write_bytes(text.replace(b"task-2", b"task-9"))
    ended = run("cat", dest)
    assert ended.code == 7
    assert [line["task_id"] for line in ended.lines] == ["task-1"]


def test_rows_are_chosen_by_key_shape_status_task_and_agent(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2, status="failed"))
    source.put("c.jsonl", jobs(2))
    source.put(
        "d.json",
        json.dumps(
            {**json.loads(result(4)), "metadata": {"agent": "amazon_pdp"}, "data": {"parsing": {"x": 1}}}
        ).encode(),
    )
    sync_report(source.location, dest)
    assert keys(dest, "--include", "a*", "--include", "c*") == ["a.json", "c.jsonl", "c.jsonl"]
    assert keys(dest, "--exclude", "*.json") == ["c.jsonl", "c.jsonl"]
    assert keys(dest, "--shape", "jsonl") == ["c.jsonl", "c.jsonl"]
    assert keys(dest, "--status", "FAILED") == ["b.json"]
    assert keys(dest, "--task", "task-1") == ["a.json"]
    assert keys(dest, "--agent", "amazon_pdp") == ["d.json"]
    assert keys(dest, "--until", "1h") == []
    assert run("cat", dest, "--shape", "nothing").code == 2
    listed = run("ls", source.location, "--include", "a*", "--format", "jsonl").lines
    assert [line["key"].rpartition("/")[2] for line in listed] == ["a.json"]


def test_a_purged_object_stays_away_and_consumers_see_it(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.jsonl", jobs(3))
    source.put("c.json", b"{")
    sync_report(source.location, dest, expected=3)
    source.put("a.json", result(1, extra=1))
    sync_report(source.location, dest, "--on-change", "keep")
    last = str(meta(dest)[-1]["position"])
    asked = run("purge", dest, "--task", "task-1")
    assert asked.code == 13
    assert run("purge", dest).code == 2
    report = run("purge", dest, "--task", "task-1", "--yes", "--format", "json").document
    validate("purge-report", report)
    assert ([Path(key).name for key in report["keys"]], report["files"]) == (["a.json"], 2)
    assert not (dest / "a.json").exists()
    assert "rm " in run("purge", dest, "--url", "https://x/2", "--yes").out
    assert run("purge", dest, "--key", str(source.path / "c.json"), "--yes").code == 0
    again = sync_report(source.location, dest)
    assert again["ignored_by_reason"] == {"purged": 3}
    assert tree(dest) == {}
    tombstones = meta(dest, "--after", last)
    assert [(Path(str(line["key"])).name, line["purged"], line["result"]) for line in tombstones] == [
        ("a.json", True, None),
        ("b.jsonl", True, None),
        ("c.json", True, None),
    ]
    assert meta(dest, "--after", str(tombstones[-1]["position"])) == []
    assert [row.purged for row in harvester.read(dest, after=last)] == []


def test_compaction_keeps_what_a_consumer_needs(source: Directory, dest: Path) -> None:
    for number in range(4):
        source.put(f"{number}.json", result(number))
    sync_report(source.location, dest)
    harvester.create_consumer(dest, "one")
    harvester.acknowledge(dest, "one", end_of_object(dest, 3))
    harvester.evict(dest, consumed=True)
    for number in (0, 1, 3):
        (source.path / f"{number}.json").unlink()
    sync_report(source.location, dest)
    assert harvester.compact(dest, gone_for=3600).objects == 0
    assert harvester.compact(dest, gone_for=0, dry_run=True).objects == 2
    document = run("compact", dest, "--gone-for", "0s", "--format", "json").document
    validate("compact-report", document)
    assert (document["objects"], document["kept"]) == (2, 1)
    assert keys(dest) == ["3.json"]
    assert harvester.destination_status(dest).totals["landed"] == 2
    # Positions stay valid.
    assert run("cat", dest, "--consumer", "one").lines[0]["task_id"] == "task-3"


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


def test_a_short_soak_hands_every_row_on(tmp_path: Path) -> None:
    counts = HandoverSoak(tmp_path, files=2, rows=100, seed=11, environment={})
    counts.run(8)
    assert counts.counts["kills"] >= 8


def test_what_landed_before_is_checked_under_another_schema(source: Directory, dest: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "required": ["price"]}))
    source.put("good.json", result(1, data={"parsing": {"price": 1}}))
    source.put("bad.json", result(2, data={"parsing": {"title": "x"}}))
    sync_report(source.location, dest)
    ended = run("verify", dest, "--schema", schema, "--format", "json")
    assert ended.code == 3
    validate("verify-report", ended.document)
    assert [(entry["mark"], entry["path"]) for entry in ended.document["entries"]] == [("x", "bad.json")]
    for new in (True, False):
        report = sync_report(source.location, dest, "--schema", schema, expected=3 if new else 0)
        (problem,) = report["problems"]
        assert (Path(problem["key"]).name, problem["outcome"], problem["known"]) == ("bad.json", "landed", not new)
        assert report["counts"]["unchanged"] == 2
    assert sync_report(source.location, dest)["problems"] == []
    schema.write_text(json.dumps({"type": "object", "required": ["title"]}))
    report = sync_report(source.location, dest, "--schema", schema, expected=3)
    assert [Path(problem["key"]).name for problem in report["problems"]] == ["good.json"]
    assert len(meta(dest)) == 2


def test_a_read_only_destination_is_read_and_not_acknowledged(source: Directory, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    with small_disk(tmp_path / "small", "size=10m") as disk:
        dest = disk / "dest"
        sync_report(source.location, dest)
        harvester.create_consumer(dest, "one")
        position = str(meta(dest)[0]["position"])
        mount = ["mount", "-o", "remount,ro", str(disk)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("remounting read-only is not permitted here")
        assert len(meta(dest, "--consumer", "one")) == 1
        assert run("status", dest).code == run("consumers", "list", dest).code == 0
        for refused in (("consumers", "ack", dest, "one", position), ("consumers", "create", dest, "two")):
            assert run(*refused).code == 12
        assert harvester.list_consumers(dest)[0].position == "0"


def test_a_delivered_row_names_the_rescued_rows_it_replaces(source: Directory, dest: Path) -> None:
    sync_report(source.location, dest)
    land_rescued(dest, [RescuedResult("task-1", result(1))])
    land_rescued(dest, [RescuedResult("task-2", result(2))])
    (first, second) = meta(dest)
    assert (first["key"], first["replaces"]) == ("nimble-task:task-1", None)
    source.put("task-1.json", result(1))
    sync_report(source.location, dest)
    assert [(line["task_id"], line["replaces"]) for line in meta(dest)] == [
        ("task-2", None),
        ("task-1", "nimble-task:task-1"),
    ]
    # Also when the delivered object is replaced before it was read.
    source.put("task-1.json", result(1, more=1))
    sync_report(source.location, dest)
    assert meta(dest, "--after", str(second["position"]))[0]["replaces"] == "nimble-task:task-1"
