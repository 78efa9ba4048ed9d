"""A second run fetches what is new or changed at the source, missing or altered here, and nothing else."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from scripts.commands.installed_command import run, sync_report, tree
from tests.e2e.sources import Directory, end_of_object, landed, result

SCHEMA = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}


def parsed(number: int, parsing: object) -> bytes:
    return result(number, data={"parsing": parsing})


def test_everything_lands_decompressed_under_its_key(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("deep/b.json.gz", gzip.compress(result(2)))
    source.put("c.json", gzip.compress(result(3)))
    report = sync_report(source.location, dest)
    assert tree(dest) == {"a.json": result(1), "deep/b.json": result(2), "c.json": result(3)}
    assert report["counts"]["listed"] == landed(report) == 3
    assert (report["first_seq"], report["last_seq"], report["upstream"]) == (1, 3, {"success": 3})
    assert report["bytes_written"] == sum(map(len, tree(dest).values()))
    assert report["bytes_fetched"] == sum(path.stat().st_size for path in source.path.rglob("*.json*"))


def test_nothing_to_do(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    report = sync_report(source.location, dest)
    assert report["counts"]["unchanged"] == 1
    assert landed(report) == report["bytes_fetched"] == 0
    assert report["run"] == 2
    assert report["first_seq"] is report["last_seq"] is None
    printed = run("sync", source.location, dest)
    assert printed.code == 0
    assert printed.out.startswith("1 listed: 0 landed, 1 unchanged;")
    assert printed.err == ""


def test_only_the_new_and_the_changed(source: Directory, dest: Path) -> None:
    for number in range(4):
        source.put(f"{number}.json", result(number))
    sync_report(source.location, dest)
    source.put("1.json", result(100))
    source.put("4.json", result(4))
    report = sync_report(source.location, dest)
    assert (landed(report), report["counts"]["unchanged"], report["replaced"]) == (2, 3, 1)
    assert (report["first_seq"], report["last_seq"]) == (5, 6)
    assert tree(dest)["1.json"] == result(100)


def test_missing_and_altered_files_come_again(source: Directory, dest: Path) -> None:
    for number in range(3):
        source.put(f"{number}.json", result(number))
    sync_report(source.location, dest)
    before = tree(dest)
    (dest / "0.json").unlink()
    (dest / "1.json").write_bytes(b"x" * len(result(1)))
    report = sync_report(source.location, dest)
    assert (landed(report), report["counts"]["unchanged"], report["replaced"]) == (2, 1, 0)
    assert tree(dest) == before


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(
    source: Directory, dest: Path, tmp_path: Path
) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    (dest / "a.json").unlink()
    (dest / "a.json").symlink_to(other)
    assert landed(sync_report(source.location, dest)) == 1
    assert not (dest / "a.json").is_symlink()
    assert other.read_bytes() == b"mine"


def test_evicted_files_stay_away_until_the_source_changes(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    sync_report(source.location, dest)
    assert run("evict", dest, "--through", end_of_object(dest, 2)).code == 0
    report = sync_report(source.location, dest)
    assert (landed(report), report["counts"]["unchanged"]) == (0, 2)
    assert tree(dest) == {}
    source.put("a.json", result(3))
    assert landed(sync_report(source.location, dest)) == 1
    assert tree(dest) == {"a.json": result(3)}


def test_what_vanished_at_the_source_is_reported_and_kept(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    sync_report(source.location, dest)
    source.remove("a.json")
    assert sync_report(source.location, dest)["source_gone"] == 1
    printed = run("sync", source.location, dest)
    assert "Landed before, no longer in the source, kept here: 1 object.\n" in printed.out
    assert "a.json" in tree(dest)
    source.put("a.json", result(1))
    report = sync_report(source.location, dest)
    assert report["source_gone"] == 0


def test_a_filter_makes_nothing_gone(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    source.put("b.json", result(2))
    sync_report(source.location, dest)
    assert sync_report(source.location, dest, "--exclude", "a*")["source_gone"] == 0


def test_the_older_version_is_kept_aside_on_demand(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    source.put("a.json", result(2))
    report = sync_report(source.location, dest, "--on-change", "keep")
    assert report["replaced"] == 1
    assert tree(dest) == {"a.json": result(2)}
    (kept,) = (dest / ".nimble-harvester" / "versions").rglob("a.json")
    assert kept.read_bytes() == result(1)
    source.put("a.json", result(3))
    sync_report(source.location, dest, "--on-change", "replace")
    assert [path.read_bytes() for path in (dest / ".nimble-harvester" / "versions").rglob("a.json")] == [result(1)]


def test_quarantined_objects_are_reported_again_and_not_fetched_again(source: Directory, dest: Path) -> None:
    key = source.put("bad.json", b'{"status": "success",\n "data": }')
    first = sync_report(source.location, dest, expected=3)
    (problem,) = first["problems"]
    assert (problem["key"], problem["outcome"], problem["reason"], problem["known"]) == (
        key,
        "quarantined",
        "invalid_json",
        False,
    )
    assert "line 2" in problem["detail"]
    (kept,) = (path for path in (dest / ".nimble-harvester" / "quarantine").iterdir() if path.is_file())
    assert kept.read_bytes() == b'{"status": "success",\n "data": }'
    again = sync_report(source.location, dest, "--fail-on", "any", expected=3)
    assert (again["counts"]["quarantined"], again["bytes_fetched"]) == (1, 0)
    assert again["problems"] == [{**problem, "known": True}]
    assert sync_report(source.location, dest)["counts"]["quarantined"] == 1


def test_a_quarantined_object_that_is_corrected_lands(source: Directory, dest: Path) -> None:
    source.put("bad.json", b"{")
    sync_report(source.location, dest, expected=3)
    source.put("bad.json", result(1))
    report = sync_report(source.location, dest)
    assert (landed(report), report["problems"]) == (1, [])
    assert [path for path in (dest / ".nimble-harvester" / "quarantine").rglob("*") if path.is_file()] == []


def test_a_new_schema_checks_quarantined_bytes_again_without_a_fetch(
    source: Directory, dest: Path, tmp_path: Path
) -> None:
    strict, mild = tmp_path / "strict.json", tmp_path / "mild.json"
    strict.write_text(json.dumps(SCHEMA))
    mild.write_text(json.dumps({**SCHEMA, "required": []}))
    source.put("good.json", parsed(1, {"price": 2.5}))
    source.put("bad.json", parsed(2, {"cost": 1}))
    first = sync_report(source.location, dest, "--schema", strict, expected=3)
    assert (landed(first), first["counts"]["quarantined"]) == (1, 1)
    assert first["problems"][0]["reason"] == "user_schema"
    (source.path / "unrelated").mkdir()
    report = sync_report(source.location, dest, "--schema", mild)
    assert (landed(report), report["bytes_fetched"], report["problems"]) == (1, 0, [])
    assert tree(dest) == {"good.json": parsed(1, {"price": 2.5}), "bad.json": parsed(2, {"cost": 1})}


def test_a_changed_object_that_is_invalid_leaves_the_good_version(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    source.put("a.json", b"{")
    report = sync_report(source.location, dest, expected=3)
    assert report["counts"]["quarantined"] == 1
    assert tree(dest) == {"a.json": result(1)}
    source.put("a.json", result(2))
    assert landed(sync_report(source.location, dest)) == 1
    assert tree(dest) == {"a.json": result(2)}


def test_kept_compressed(source: Directory, dest: Path) -> None:
    body = gzip.compress(result(1))
    source.put("a.json.gz", body)
    sync_report(source.location, dest, "--keep-compressed")
    assert tree(dest) == {"a.json.gz": body}
    assert run("cat", dest).out.encode() == result(1) + b"\n"
    refused = run("sync", source.location, dest)
    assert refused.code == 2
    assert "--keep-compressed" in refused.err
