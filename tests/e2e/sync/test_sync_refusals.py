"""What keeps a run from starting, or ends it: a clear error, its code, and a report all the same."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import sqlite3
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.commands.installed_command import checked_report, run, sync_report, tree
from scripts.servers.fault_proxy import FaultProxy, Rule, Status
from tests.e2e.sources import Directory, landed, result
from tests.rigs.file_systems import small_disk

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def refused(code: int, location: str, dest: Path, *options: str | Path, report: Path | None = None) -> str:
    """Run a sync that must end with ``code``; hold its report against its schema, return what is printed."""
    report = report or dest.parent / "report.json"
    report.unlink(missing_ok=True)
    ended = run("sync", location, dest, "--report", report, *options)
    assert ended.code == code, ended.err
    printed = [line for line in ended.err.splitlines() if not line.startswith("warning: ")]
    assert printed[0].startswith("error: ")
    assert 1 < len(printed) <= 3
    assert all(line.startswith("  ") for line in printed[1:])
    document = checked_report(json.loads(report.read_text()), code)
    assert document["error"]["what"] == printed[0].removeprefix("error: ")
    return ended.err


def test_a_missing_bucket(s3_bucket: str, dest: Path) -> None:
    assert "does not exist" in refused(5, f"s3://{s3_bucket}-not/", dest)
    assert "no such directory" in refused(5, f"file://{dest.parent}/nowhere/", dest)


def test_a_mistyped_bucket_can_be_corrected(s3: S3Client, s3_bucket: str, dest: Path) -> None:
    refused(5, f"s3://{s3_bucket}-not/", dest)
    s3.put_object(Bucket=s3_bucket, Key="a.json", Body=result(1))
    assert landed(sync_report(f"s3://{s3_bucket}/", dest)) == 1


def test_a_refused_listing(s3_bucket: str, fault_proxy: FaultProxy, dest: Path) -> None:
    fault_proxy.add(Rule(Status(403, "AccessDenied"), query="list-type=2"))
    assert "access denied" in refused(4, f"s3://{s3_bucket}/", dest)


def test_an_endpoint_that_is_down(dest: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    printed = refused(6, "s3://some-bucket/p/", dest, "--endpoint-url", f"http://127.0.0.1:{port}")
    assert "cannot reach the store" in printed


def test_no_credentials(dest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "aws configure" in refused(8, "s3://some-bucket/p/", dest)


def test_an_expired_login(s3_bucket: str, fault_proxy: FaultProxy, dest: Path) -> None:
    fault_proxy.add(Rule(Status(400, "ExpiredToken")))
    printed = refused(8, f"s3://{s3_bucket}/", dest)
    assert "expired" in printed
    assert "set AWS_ACCESS_KEY_ID" in printed


def test_a_profile_that_is_none(s3_bucket: str, dest: Path) -> None:
    assert "no-such-profile" in refused(8, f"s3://{s3_bucket}/", dest, "--profile", "no-such-profile")


@pytest.mark.parametrize("location", ["ftp://host/x", "bucket/prefix", "s3://", "s3://-/x", "file://relative", ""])
def test_locations_that_cannot_be(dest: Path, location: str) -> None:
    ended = run("sync", location, dest)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert not dest.exists()


@pytest.mark.parametrize(
    ("mistaken", "meant"),
    [
        ("bucket/prefix", "s3://bucket/prefix"),
        ("s3//bucket/prefix", "use s3://bucket/prefix"),
        ("s3:/bucket", "use s3://bucket"),
        ("GS:bucket/x", "use gs://bucket/x"),
        ("file:/somewhere", "use file:///somewhere"),
        ("file://somewhere/else", "use file:///somewhere/else, or "),
        ("/somewhere", "file:///somewhere"),
        ("gcs://bucket/x", "use gs://bucket/x"),
        ("“s3://bucket/x”", "use s3://bucket/x"),
    ],
)
def test_a_mistyped_location_is_shown_as_it_was_meant(dest: Path, mistaken: str, meant: str) -> None:
    ended = run("sync", mistaken, dest)
    assert ended.code == 2
    assert meant in ended.err.splitlines()[-1]


def test_arguments_in_the_wrong_order_are_named(dest: Path) -> None:
    ended = run("sync", dest, "gs://bucket/x", "--quiet")
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == f"  LOCATION comes before DEST: gs://bucket/x {dest}"
    assert "comes before" not in run("sync", dest, dest).err


@pytest.mark.parametrize("dash", "–—‑")
def test_a_dash_of_a_word_processor_is_named(dest: Path, dash: str) -> None:
    ended = run("sync", "s3://bucket/x", dest, f"{dash}quiet")
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == f"{dash}quiet begins with a dash in place of hyphens: write --quiet"


def test_a_line_end_behind_a_destination_is_named(source: Directory, dest: Path) -> None:
    ended = run("sync", source.location, f"{dest}\r")
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == f"  use {dest}"


def test_a_bucket_is_no_destination(source: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for verb in (["sync", source.location], ["status"], ["verify"]):
        ended = run(*verb, "s3://some-bucket/x")
        assert ended.code == 2
        assert "DEST is a directory of this machine" in ended.err
    assert not (tmp_path / "s3:").exists()


def test_an_empty_destination_is_not_this_directory(
    source: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.put("a.json", result(1))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ended = run("sync", source.location, "")
    assert ended.code == 2
    assert ended.err.startswith("error: DEST is empty")
    assert list((tmp_path / "here").iterdir()) == []
    assert run("sync", source.location, ".").code == 0


def test_an_endpoint_that_is_no_url(dest: Path) -> None:
    for verb in (["sync", "s3://some-bucket/", dest], ["ls", "s3://some-bucket/"], ["explain", "s3://some-bucket/"]):
        ended = run(*verb, *(["--mode", "async"] if verb[0] == "explain" else []), AWS_ENDPOINT_URL="localhost:9000")
        assert ended.code == 8
        assert "AWS_ENDPOINT_URL" in ended.err


def test_a_google_key_file_that_is_not_there(dest: Path, tmp_path: Path) -> None:
    ended = run(
        "sync",
        "gs://some-bucket/",
        dest,
        STORAGE_EMULATOR_HOST="",
        GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "key.json"),
    )
    assert ended.code == 8
    assert f"{tmp_path}/key.json was not found" in ended.err


def test_a_file_for_a_destination(source: Directory, dest: Path, tmp_path: Path) -> None:
    dest.write_text("mine")
    assert "is not a directory" in refused(12, source.location, dest)
    assert dest.read_text() == "mine"
    below = refused(12, source.location, dest / "below" / "deep", report=tmp_path / "report.json")
    assert f"in the way: {dest}\n" in below


def test_a_linked_state_folder(source: Directory, dest: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    dest.mkdir()
    (dest / ".nimble-harvester").symlink_to(tmp_path / "elsewhere")
    assert "symbolic link" in refused(12, source.location, dest)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_another_source(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    other = Directory(tmp_path / "other")
    printed = refused(2, other.location, dest)
    assert f"already is the copy of {source.location}" in printed
    assert "would be mixed" in printed


def test_a_destination_in_another(source: Directory, dest: Path, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    other = Directory(tmp_path / "other")
    printed = refused(2, other.location, dest / "below" / "deep", report=tmp_path / "report.json")
    assert f"lies in {dest}, which is another destination" in printed
    assert not (dest / "below").exists()
    # One that was there before the other goes on.
    inner = tmp_path / "first" / "inner"
    other.put("b.json", result(2))
    sync_report(other.location, inner)
    sync_report(source.location, inner.parent)
    sync_report(other.location, inner)


def test_a_newer_state(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    with contextlib.closing(sqlite3.connect(dest / ".nimble-harvester" / "manifest.sqlite")) as database:
        database.execute("PRAGMA user_version = 999")
    assert "newer nimble-harvester" in refused(8, source.location, dest)
    for verb in ("status", "verify", "cat"):
        ended = run(verb, dest)
        assert ended.code == 8
        assert "newer nimble-harvester" in ended.err


def test_a_manifest_that_is_none(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    (dest / ".nimble-harvester" / "manifest.sqlite").write_bytes(b"no database " * 1000)
    assert "is not a readable manifest" in refused(7, source.location, dest)


def test_a_second_run_names_the_first(source: Directory, dest: Path) -> None:
    source.put("a.json", result(1))
    sync_report(source.location, dest)
    with (dest / ".nimble-harvester" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(json.dumps({"process": 4711, "host": "farm", "since": 1.8e9}))
        lock.flush()
        printed = refused(11, source.location, dest)
        assert "held by process 4711 on farm since 2027-01-15" in printed
        assert run("evict", dest, "--older-than", "0s", "--dry-run").code == 0
        assert run("status", dest).out.count("held by   process 4711 on farm") == 1
        assert run("cat", dest).code == run("verify", dest).code == 0
    sync_report(source.location, dest)


def test_a_disk_that_fills_up(source: Directory, tmp_path: Path) -> None:
    bodies = {f"{number:03}.json": result(number, data={"html": "x" * 200_000}) for number in range(100)}
    for name, body in bodies.items():
        source.put(name, body)
    with small_disk(tmp_path / "small", "size=10m") as disk:
        dest = disk / "dest"
        printed = refused(12, source.location, dest, report=tmp_path / "report.json")
        assert "is full" in printed
        assert "inodes are free" in printed
        assert "bytes free; what is to be fetched has at least" in run("sync", source.location, dest).err
        landed_here = tree(dest)
        assert landed_here
        assert all(bodies[name] == body for name, body in landed_here.items())
        assert list((dest / ".nimble-harvester" / "tmp").iterdir()) == []
        assert run("verify", dest).code == 0
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        sync_report(source.location, dest)
        assert tree(dest) == bodies


# Of these one leaves nothing at all, whatever a run itself writes; which one may change with that.
@pytest.mark.parametrize("pages_left", range(4, 20))
def test_a_disk_that_one_object_fills_to_the_brim(source: Directory, tmp_path: Path, pages_left: int) -> None:
    with small_disk(tmp_path / "small", "size=4m") as disk:
        dest = disk / "dest"
        sync_report(source.location, dest)
        found = os.statvfs(disk)
        # An eighth is kept free while objects land.
        free = found.f_bavail * 7 // 8 - pages_left
        source.put("a.json", result(1, data={"html": "x" * (free * found.f_frsize - 1_000)}))
        ended = run("sync", source.location, dest, "--report", tmp_path / "report.json")
        assert ended.code in {0, 12}, ended.err
        assert len(tree(dest)) == json.loads((tmp_path / "report.json").read_bytes())["counts"]["landed"]
        assert run("verify", dest).code == 0


def test_no_inodes_left(source: Directory, tmp_path: Path) -> None:
    for number in range(100):
        source.put(f"{number}.json", result(number))
    with small_disk(tmp_path / "small", "size=16m,nr_inodes=50") as disk:
        printed = refused(12, source.location, disk / "dest", report=tmp_path / "report.json")
        assert " 0 inodes are free" in printed
        assert run("verify", disk / "dest").code == 0


def test_a_read_only_disk(source: Directory, tmp_path: Path) -> None:
    source.put("a.json", result(1))
    with small_disk(tmp_path / "small", "size=16m") as disk:
        sync_report(source.location, disk / "dest")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        printed = refused(12, source.location, disk / "dest", report=tmp_path / "report.json")
        assert "read-only" in printed
        assert "read-only" in refused(12, source.location, disk / "other", report=tmp_path / "report.json")
        assert run("verify", disk / "dest").code == 0
        assert run("cat", disk / "dest").out.encode() == result(1) + b"\n"
        assert run("status", disk / "dest").code == 0


def test_a_destination_that_may_not_be_written(source: Directory, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    source.put("a.json", result(1))
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    assert "permission denied" in refused(12, source.location, locked / "dest", report=tmp_path / "report.json")


def test_a_hundred_refusals_end_the_run(s3: S3Client, s3_bucket: str, fault_proxy: FaultProxy, dest: Path) -> None:
    for number in range(260):
        s3.put_object(Bucket=s3_bucket, Key=f"p/{number:03}.json", Body=result(number))
    fault_proxy.add(Rule(Status(403, "AccessDenied"), path=r"/p/\d+"))
    printed = refused(4, f"s3://{s3_bucket}/p/", dest)
    assert "every fetch fails: object denied" in printed
    report = json.loads((dest.parent / "report.json").read_text())
    assert report["counts"]["failed"] >= 100
    assert report["counts"]["not_attempted"] > 0
    fault_proxy.clear()
    assert landed(sync_report(f"s3://{s3_bucket}/p/", dest)) == 260


def test_one_refused_object_costs_only_itself(
    s3: S3Client, s3_bucket: str, fault_proxy: FaultProxy, dest: Path
) -> None:
    for number in range(5):
        s3.put_object(Bucket=s3_bucket, Key=f"p/{number}.json", Body=result(number))
    fault_proxy.add(Rule(Status(403, "AccessDenied"), path="/p/3.json"))
    report = sync_report(f"s3://{s3_bucket}/p/", dest, expected=3)
    assert (landed(report), report["counts"]["failed"]) == (4, 1)
    assert report["problems"][0]["reason"] == "object_denied"
    printed = run("sync", f"s3://{s3_bucket}/p/", dest)
    assert "  1 × failed: object denied (reported before)\n      e.g. p/3.json\n" in printed.out
    assert "\n      to have it: grant s3:GetObject " in printed.out
    fault_proxy.clear()
    fault_proxy.add(Rule(Status(403, "InvalidObjectState"), path="/p/3.json"))
    printed = run("sync", f"s3://{s3_bucket}/p/", dest)
    assert "\n      to have it: restore the objects from their archive class, then run again\n" in printed.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "file:///tmp", "x" * 300),
        ("status", "x/" * 3000),
        ("sync", "file:///tmp", "d", "--state-dir", "x" * 300),
        ("--config", "x" * 300, "run"),
        ("backfill", "run", "x" * 300),
        ("policy", "show", "--mode", "async", "--bucket", "b1x", "--prefix", "\udcff", "--kms-key", "k"),
    ],
    ids=lambda arguments: f"{arguments[0]} {arguments[-2][:9]}",
)
def test_a_name_that_nothing_takes_is_no_bug(
    tmp_path: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert "a bug" not in ended.err
