"""Consumers: what they acknowledge, and what eviction, purge and compaction keep for them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import harvester
from scripts.commands.background_command import wait_until
from scripts.commands.installed_command import COMMAND, environment, run, start, sync_report, tree
from scripts.commands.output_schemas import validate
from scripts.soak_test.handover_soak import HandoverSoak
from tests.e2e.rows.reading import jobs, keys, meta
from tests.e2e.sources import Directory, end_of_object, result
from tests.rigs.file_systems import small_disk


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


def test_rows_are_searched_for_a_url_whatever_other_rows_have_there(source: Directory, dest: Path) -> None:
    source.put("a.jsonl", b'{"url":' + b"[" * 998 + b"]" * 998 + b"}\n" + jobs(1))
    sync_report(source.location, dest, expected=0)
    report = run("purge", dest, "--url", "https://x/*", "--yes", "--format", "json").document
    assert report["files"] == 1


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


def test_a_url_is_found_in_older_versions_and_what_is_not_searched_is_reported(source: Directory, dest: Path) -> None:
    source.put("a.jsonl", jobs(3))
    source.put("b.png", b"\x89PNG\r\n\x1a\n" + b"0" * 100)
    source.put("bad.json", b"{")
    sync_report(source.location, dest, expected=3)
    source.put("a.jsonl", jobs(1, 9))
    source.put("b.png", b"\x89PNG\r\n\x1a\n" + b"1" * 100)
    sync_report(source.location, dest, "--on-change", "keep")
    nothing = run("purge", dest, "--url", "https://x/7", "--format", "json").document
    ended = run("purge", dest, "--url", "https://x/2", "--yes", "--format", "json")
    report = ended.document
    validate("purge-report", report)
    assert (nothing["keys"], len(nothing["unreadable"])) == ([], 1)
    assert ([Path(key).name for key in report["keys"]], report["files"]) == (["a.jsonl"], 2)
    assert report["unreadable"] == nothing["unreadable"]
    assert (dest / report["unreadable"][0]).read_bytes() == b"{"
    assert "could not be read and was not searched" in ended.err


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


def test_a_short_soak_hands_every_row_on(tmp_path: Path) -> None:
    counts = HandoverSoak(tmp_path, files=2, rows=100, seed=11, environment={})
    counts.run(8)
    assert counts.counts["kills"] >= 8


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
