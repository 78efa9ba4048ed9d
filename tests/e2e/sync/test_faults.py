"""Faults of networks, stores and disks that a whole run meets: it ends bounded, and nothing is left unsaid."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import harvester
from scripts.commands import installed_command
from scripts.servers.fault_proxy import Drip, FaultProxy, Rule, Status
from scripts.servers.memory_s3 import MemoryS3, landed, results
from scripts.servers.server_process import ServerProcess


def test_a_body_that_drips_for_ever_is_given_up(tmp_path: Path, proxy: FaultProxy, many: dict[str, bytes]) -> None:
    # Never still for as long as a stall, and never at its end: only the time in all bounds it.
    proxy.add(Rule(Drip(0.02), path=f"/{sorted(many)[0]}$", method="GET"))
    retry = harvester.RetryPolicy(total_seconds=0.5, min_bytes_per_second=10_000)

    report = harvester.sync("s3://bucket/r/", tmp_path / "destination", settings=harvester.StoreSettings(retry=retry))

    assert report.exit_code == 3
    assert [(problem.key, problem.reason) for problem in report.problems] == [(sorted(many)[0], "timeout")]
    assert report.counts.landed == len(many) - 1


@pytest.fixture
def many() -> dict[str, bytes]:
    """Results enough for a run that something happens to."""
    return results(400, seed=20260209)


@pytest.fixture
def store(many: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryS3]:
    with MemoryS3(many) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


@pytest.fixture
def proxy(store: MemoryS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    with FaultProxy(store.respond) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


@pytest.mark.parametrize(
    ("code", "exit_code", "reason"),
    [
        ("AccessDenied", 4, "object_denied"),
        ("InvalidObjectState", 3, "archived"),
        ("InvalidAccessKeyId", 4, "credentials"),
        ("QuotaExceeded", 18, "quota"),
    ],
)
def test_a_run_that_only_fails_stops(
    tmp_path: Path, proxy: FaultProxy, many: dict[str, bytes], code: str, exit_code: int, reason: str
) -> None:
    proxy.add(Rule(Status(403, code), path="/r/."))

    ended = installed_command.sync("s3://bucket/r/", tmp_path / "destination")

    assert ended.code == exit_code, ended
    assert ended.counts["listed"] == len(many)
    assert 0 < ended.counts["failed"] < len(many)
    assert ended.counts["not_attempted"] == len(many) - ended.counts["failed"]
    assert {problem[1] for problem in ended.problems.values()} == {reason}
    assert ended.err.startswith("error: every fetch fails: ")
    assert installed_command.tree(tmp_path / "destination") == {}


def test_an_endpoint_that_dies_and_comes_back_costs_time_only(
    tmp_path: Path, store: MemoryS3, many: dict[str, bytes]
) -> None:
    destination = tmp_path / "destination"
    process = installed_command.start_group("sync", "s3://bucket/r/", destination, "--retries", "20")
    while len(list(destination.glob("*.json"))) < 20:
        assert process.poll() is None
        time.sleep(0.01)
    store.kill()
    time.sleep(1)
    store.revive()

    assert process.wait() == 0
    assert installed_command.tree(destination) == landed(many)
    assert installed_command.verify(destination).code == 0


def test_an_endpoint_that_dies_for_good_ends_the_run_and_the_next_one_goes_on(
    tmp_path: Path, store: MemoryS3, proxy: FaultProxy, many: dict[str, bytes]
) -> None:
    destination = tmp_path / "destination"
    proxy.add(Rule(Status(503, "SlowDown"), path="/r/.", after=100))

    ended = installed_command.sync("s3://bucket/r/", destination, "--retries", "1")

    assert ended.code == 6, ended
    assert 0 < ended.counts["landed"] <= 100
    assert ended.counts["not_attempted"] > 0
    assert ended.err.splitlines()[-1].strip() == "run the same command again to continue"
    proxy.clear()
    again = installed_command.sync("s3://bucket/r/", destination)
    assert again.code == 0, again
    assert again.counts["unchanged"] == ended.counts["landed"]
    assert installed_command.tree(destination) == landed(many)


@pytest.fixture
def renewable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential process in the AWS configuration; return the file it notes its calls in."""
    calls = tmp_path / "calls"
    program = tmp_path / "credentials.py"
    program.write_text(
        "import json, pathlib, time\n"
        f"calls = pathlib.Path({str(calls)!r})\n"
        "number = len(calls.read_text()) + 1 if calls.exists() else 1\n"
        "calls.write_text('x' * number)\n"
        "expires = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 3600))\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AKIA{number}', 'SecretAccessKey': 'secret',"
        " 'SessionToken': 'token', 'Expiration': expires}))\n"
    )
    config = tmp_path / "aws-config"
    config.write_text(f"[default]\ncredential_process = {sys.executable} {program}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return calls


def test_credentials_that_expire_in_mid_run_are_renewed_once_by_the_parent(
    tmp_path: Path, proxy: FaultProxy, many: dict[str, bytes], renewable: Path
) -> None:
    proxy.add(Rule(Status(400, "ExpiredToken"), path="/r/.", header="authorization: .*AKIA1/", after=100))

    ended = installed_command.sync("s3://bucket/r/", tmp_path / "destination")

    assert ended.code == 0, ended
    assert ended.nonzero == {"landed": len(many)}
    assert installed_command.tree(tmp_path / "destination") == landed(many)
    assert renewable.read_text() == "xx"


def test_a_login_that_cannot_be_renewed_ends_the_run(tmp_path: Path, proxy: FaultProxy, many: dict[str, bytes]) -> None:
    proxy.add(Rule(Status(400, "ExpiredToken"), path="/r/.", after=100))

    ended = installed_command.sync("s3://bucket/r/", tmp_path / "destination")

    assert ended.code == 8, ended
    assert ended.counts["landed"] == 100
    assert ended.counts["not_attempted"] > 0


def test_a_second_factor_is_asked_for_once_in_the_parent(
    tmp_path: Path, store: MemoryS3, many: dict[str, bytes], moto: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "aws-config"
    config.write_text(
        "[profile guarded]\nrole_arn = arn:aws:iam::123456789012:role/reader\nsource_profile = base\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/ada\n"
        "[profile base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "guarded")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.url)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    terminal, side = pty.openpty()
    arguments = [installed_command.COMMAND, "sync", "s3://bucket/r/", str(tmp_path / "destination")]
    process = subprocess.Popen(arguments, stdin=side, stdout=side, stderr=side, start_new_session=True)
    os.close(side)
    shown = _answer(terminal, b"Enter MFA code", b"123456\n")
    os.close(terminal)

    assert process.wait() == 0, shown
    assert shown.count(b"Enter MFA code") == 1
    assert installed_command.tree(tmp_path / "destination") == landed(many)


def _answer(terminal: int, question: bytes, answer: bytes) -> bytes:
    """Read a terminal to its end and answer each question; return what was shown."""
    shown = b""
    answered = 0
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux: the other side has closed
            return shown
        if not part:
            return shown
        shown += part
        while shown.count(question) > answered:
            answered += 1
            os.write(terminal, answer)


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A separate file system, mounted with the options the test is parametrized with."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.system(f"mount -t tmpfs -o {request.param} tmpfs {folder} 2>/dev/null")
    if mounted != 0:
        pytest.skip("this user may not mount a small tmpfs")
    try:
        yield folder
    finally:
        os.system(f"umount -l {folder}")


@pytest.mark.parametrize("small_disk", ["size=3m", "size=64m,nr_inodes=100"], indirect=True, ids=["bytes", "inodes"])
def test_a_full_disk_ends_the_run_and_what_landed_stays(
    small_disk: Path, store: MemoryS3, many: dict[str, bytes]
) -> None:
    destination = small_disk / "destination"

    ended = installed_command.sync("s3://bucket/r/", destination)

    assert ended.code == 12, ended
    assert "is full" in ended.err
    assert "inodes are free" in ended.err
    assert ended.counts["landed"] > 0
    assert ended.counts["not_attempted"] == len(many) - ended.counts["landed"]
    assert installed_command.leftovers(destination) == []
    whole = landed(many)
    tree = installed_command.tree(destination)
    assert tree.items() <= whole.items()
    assert len(tree) == ended.counts["landed"]
    verified = installed_command.verify(destination)
    assert verified.code == 0, verified

    assert os.system(f"mount -o remount,size=64m,nr_inodes=10000 {small_disk}") == 0
    again = installed_command.sync("s3://bucket/r/", destination)
    assert again.code == 0, again
    assert again.nonzero == {"landed": len(many) - len(tree), "unchanged": len(tree)}
    assert installed_command.tree(destination) == whole


def fill_up(path: Path) -> None:
    """Take what is left of a disk, to the last byte."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass


@pytest.mark.parametrize("small_disk", ["size=3m"], indirect=True)
def test_eviction_frees_space_on_a_full_disk(small_disk: Path, store: MemoryS3, many: dict[str, bytes]) -> None:
    destination = small_disk / "destination"
    full = installed_command.sync("s3://bucket/r/", destination)
    assert full.code == 12, full
    fill_up(small_disk / "others")

    ended = installed_command.run("evict", destination, "--older-than", "0s", "--format", "json")

    assert ended.code == 0, ended
    assert ended.document["objects"] == full.counts["landed"]
    assert installed_command.tree(destination) == {}
    again = installed_command.sync("s3://bucket/r/", destination)
    assert again.counts["unchanged"] == full.counts["landed"]
    assert again.counts["landed"] > 0


@pytest.mark.parametrize("small_disk", ["size=8m"], indirect=True)
def test_a_read_only_destination_is_reported_before_anything_is_fetched(
    small_disk: Path, store: MemoryS3, proxy: FaultProxy
) -> None:
    assert os.system(f"mount -o remount,ro {small_disk}") == 0

    ended = installed_command.run("sync", "s3://bucket/r/", small_disk / "destination")

    assert ended.code == 12, ended
    assert "read-only" in ended.err
    assert proxy.count("/r/.") == 0
