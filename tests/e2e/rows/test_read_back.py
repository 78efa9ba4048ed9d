"""``verify``, ``status`` and ``evict``: what lies in a destination, by the installed command."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

import pytest

from scripts.commands.installed_command import run, sync_report, tree
from scripts.commands.output_schemas import validate
from tests.e2e.sources import Directory, end_of_object, result


def test_every_mark_of_verify(source: Directory, dest: Path) -> None:
    for name in ("evicted", "same", "missing", "size", "bytes", "link"):
        source.put(f"{name}.json", result(1))
        sync_report(source.location, dest)
    assert run("verify", dest).out == f"{dest}: 6 same\n"
    run("evict", dest, "--through", end_of_object(dest, 1))
    (dest / "missing.json").unlink()
    (dest / "size.json").write_bytes(b"")
    (dest / "bytes.json").write_bytes(b"x" * len(result(1)))
    (dest / "link.json").unlink()
    (dest / "link.json").symlink_to("same.json")
    (dest / "foreign").mkdir()
    (dest / "foreign" / "file.txt").write_text("mine")
    printed = run("verify", dest, "--combined")
    assert printed.code == 7
    assert sorted(printed.out.splitlines()) == sorted(
        (
            ". evicted.json",
            "= same.json",
            "- missing.json",
            "* size.json",
            "* bytes.json",
            "* link.json",
            "+ foreign/file.txt",
        )
    )
    printed = run("verify", dest)
    assert printed.code == 7
    assert printed.out.splitlines()[-1] == f"{dest}: 1 same, 1 missing, 1 extra, 3 differs, 1 evicted"
    document = run("verify", dest, "--format", "json", "--combined")
    validate("verify-report", document.document)
    assert document.document["counts"] == {
        "same": 1,
        "missing": 1,
        "extra": 1,
        "differs": 3,
        "unreadable": 0,
        "nonconforming": 0,
        "evicted": 1,
    }
    assert (document.code, document.document["exit_code"], len(document.document["entries"])) == (7, 7, 7)


def test_an_unreadable_file(source: Directory, dest: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    (dest / "a.json").chmod(0)
    assert run("verify", dest, "--combined").out == "! a.json\n"


def test_verify_against_the_source(source: Directory, dest: Path) -> None:
    for name in ("same", "changed", "gone"):
        source.put(f"{name}.json", result(1))
    sync_report(source.location, dest)
    assert run("verify", dest, "--remote").code == 0
    source.put("changed.json", result(2))
    source.put("new.json", result(3))
    source.remove("gone.json")
    assert run("verify", dest).code == 0
    printed = run("verify", dest, "--remote")
    assert printed.code == 7
    assert printed.out.splitlines() == [
        "* changed.json  (the source has another version)",
        "- new.json  (in the source, not here)",
        f"{dest}: 2 same, 1 missing, 1 differs",
    ]
    validate("verify-report", run("verify", dest, "--remote", "--format", "json").document)


def test_status(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    source.put("bad.json", b"{")
    sync_report(source.location, dest, expected=3)
    sync_report(source.location, dest, "--fail-on", "new")
    printed = run("status", dest)
    lines = printed.out.splitlines()
    assert printed.code == 0
    assert lines[0] == f"{dest} is the copy of {source.location}"
    assert lines[1] == f"  landed    1 object (0 evicted), {len(result(1))} B here, up to sequence number 1"
    assert lines[2].startswith("  newest    a.json, 20")
    assert lines[3] == "  success   none yet"
    assert lines[4] == "  problems  1 invalid json"
    assert [line.split()[:2] for line in lines[5:]] == [["run", "2"], ["run", "1"]]
    assert lines[5].endswith("  exit 0  1 unchanged, 1 quarantined")
    narrow = run("status", dest, COLUMNS="60").out.splitlines()
    assert [line for line in narrow[5:] if len(line) > 60] == []
    assert narrow[6] == "            quarantined"
    document = run("status", dest, "--format", "json").document
    validate("status", document)
    assert (document["landed"], document["problems"], document["lock"]) == (1, {"invalid_json": 1}, None)
    assert [entry["exit_code"] for entry in document["runs"]] == [0, 3]
    other = Directory(tmp_path / "other")
    other.put("b.json", result(2))
    sync_report(other.location, tmp_path / "dest-2")
    document = run("status", dest, tmp_path / "dest-2", "--format", "json").document
    validate("status-list", document)
    assert document["total"]["landed"] == 2
    assert "together: 2 landed" in run("status", dest, tmp_path / "dest-2").out
    assert len(run("status", dest, "--runs", "1", "--format", "json").document["runs"]) == 1


def test_status_knows_where_quarantined_bytes_lie(source: Directory, dest: Path) -> None:
    bad, good = source.put("bad.json", b"{"), source.put("rows.jsonl", b'{"a": 1}\n{\n')
    sync_report(source.location, dest, expected=3)
    sync_report(source.location, dest, "--fail-on", "any", expected=3)
    document = run("status", dest, "--problems", "--format", "json").document
    validate("status", document)
    first, second = document["known_problems"]
    assert (first["key"], first["outcome"], first["reason"]) == (bad, "quarantined", "invalid_json")
    assert (first["first_run"], first["last_run"]) == (1, 2)
    assert (dest / first["path"]).read_bytes() == b"{"
    assert (second["key"], second["outcome"], second["path"]) == (good, "landed", None)
    lines = run("status", dest, "--problems").out.splitlines()
    place = lines.index(f"  {bad}")
    assert lines[place - 1] == "every known problem:"
    assert lines[place + 1] == "      quarantined: invalid json, met since run 1, last in run 2"
    assert lines[place + 3] == f"      its bytes: {first['path']}"
    source.remove("bad.json")
    sync_report(source.location, dest, "--fail-on", "any", expected=3)
    both = run("status", dest, dest, "--problems", "--format", "json").document
    validate("status-list", both)
    assert [problem["last_run"] for problem in both["destinations"][1]["known_problems"]] == [3]
    assert "known_problems" not in run("status", dest, "--format", "json").document


def test_verify_states_that_a_run_is_at_work(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    with (dest / ".nimble-harvester" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(json.dumps({"process": 4711, "host": "here", "since": 1.8e9}))
        lock.flush()
        quiet = run("verify", dest)
        (dest / "landing.json").write_bytes(result(2))
        printed = run("verify", dest)
    assert (quiet.code, quiet.err) == (0, "")
    assert printed.code == 7
    assert printed.err.startswith(f"warning: process 4711 works on {dest}: ")


@pytest.mark.parametrize("verb", ["status", "verify", "cat"])
def test_a_directory_that_was_never_synced(tmp_path: Path, verb: str) -> None:
    ended = run(verb, tmp_path)
    assert ended.code == 8
    assert ended.err.splitlines()[0] == f"error: {tmp_path} has never been synced"
    assert ended.out == ""


def test_evict(source: Directory, dest: Path) -> None:
    for number in range(4):
        source.put(f"{number}.json", result(number))
    sync_report(source.location, dest)
    second = end_of_object(dest, 2)
    report = run("evict", dest, "--through", second, "--dry-run", "--format", "json").document
    validate("evict-report", report)
    assert (report["objects"], report["dry_run"], len(tree(dest))) == (2, True, 4)
    printed = run("evict", dest, "--through", second)
    assert (printed.code, printed.out) == (0, f"2 files, {len(result(0) + result(1))} B freed\n")
    assert set(tree(dest)) == {"2.json", "3.json"}
    assert run("evict", dest, "--through", second).out.startswith("0 files, ")
    assert run("verify", dest).out == f"{dest}: 2 same, 2 evicted\n"
    assert run("evict", dest, "--older-than", "7d").out.startswith("0 files, ")
    time.sleep(0.01)
    assert run("evict", dest, "--older-than", "0s").out.startswith("2 files, ")
    assert tree(dest) == {}
    refused = run("evict", dest)
    assert refused.code == 2
    assert "--older-than 7d" in refused.err


def test_evict_frees_quarantined_bytes_and_older_versions(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("bad.json", b"{")
    sync_report(source.location, dest, expected=3)
    source.put("a.json", result(1, extra=1))
    sync_report(source.location, dest, "--on-change", "keep")
    sizes = {"--quarantine": 1, "--versions": len(result(1))}
    for option, size in sizes.items():
        folder = dest / ".nimble-harvester" / option[2:]
        (kept,) = (path for path in folder.rglob("*") if path.is_file())
        assert kept.stat().st_size == size
        assert run("evict", dest, option).code == 2
        assert run("evict", dest, option, "--older-than", "1h").out.startswith("0 files, ")
        assert run("evict", dest, option, "--older-than", "0s", "--dry-run").out == f"1 file, {size} B would be freed\n"
        assert kept.exists()
        assert run("evict", dest, option, "--older-than", "0s").out == f"1 file, {size} B freed\n"
        assert not kept.exists()
        assert run("evict", dest, option, "--older-than", "0s").out == "0 files, 0 B freed\n"
    assert run("evict", dest, *sizes, "--older-than", "0s").code == 2
    # The current version lies there, and the problem is known still, without bytes.
    (problem,) = run("status", dest, "--problems", "--format", "json").document["known_problems"]
    assert (problem["outcome"], problem["path"]) == ("quarantined", None)
    assert run("verify", dest).out == f"{dest}: 1 same\n"
    again = sync_report(source.location, dest)
    assert (again["counts"]["unchanged"], again["counts"]["quarantined"], again["problems"][0]["known"]) == (1, 1, True)


def test_what_lies_behind_a_link_is_not_in_the_destination(source: Directory, dest: Path, tmp_path: Path) -> None:
    # A folder is moved to another disk, and a link left in its place, as on a full disk. Same bytes, same times.
    for name in ("deep/er/a.json", "deep/b.json", "c.json"):
        source.put(name, result(1))
    sync_report(source.location, dest)
    outside = tmp_path / "outside"
    (dest / "deep").rename(outside)
    (dest / "deep").symlink_to(outside)
    before = tree(outside)
    verified = run("verify", dest, "--combined")
    assert verified.code == 7
    assert sorted(line[:2] for line in verified.out.splitlines()) == ["+ ", "- ", "- ", "= "]
    read = run("cat", dest)
    assert (read.code, len(read.out.splitlines())) == (7, 1)
    assert "2 landed files are missing" in read.err
    planned = run("sync", source.location, dest, "--dry-run", "--format", "json").document
    assert planned["counts"]["unchanged"] == 1
    report = run("evict", dest, "--older-than", "0s", "--dry-run", "--format", "json").document
    assert (report["objects"], report["outside"]) == (1, 2)
    printed = run("evict", dest, "--older-than", "0s")
    assert (printed.code, printed.out) == (0, f"1 file, {len(result(1))} B freed\n")
    assert "2 files left alone" in printed.err
    assert run("evict", dest, "--older-than", "0s").err == ""
    assert tree(outside) == before
    assert run("status", dest, "--format", "json").document["evicted"] == 3


def test_a_folder_replaced_by_a_link_is_fetched_again(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("deep/a.json", result(1))
    sync_report(source.location, dest)
    outside = tmp_path / "outside"
    (dest / "deep").rename(outside)
    (dest / "deep").symlink_to(outside)
    before = tree(outside)
    assert sync_report(source.location, dest)["counts"]["landed"] == 1
    assert [name.partition("/")[0] for name in tree(dest)] == ["_keys"]
    assert sync_report(source.location, dest)["counts"]["unchanged"] == 1
    assert tree(outside) == before
