"""A run that is stopped or killed, and run again, ends in the tree of an undisturbed one."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester import read
from scripts.commands.background_command import wait_until
from scripts.commands.installed_command import checked_report, run, start, sync_report, tree
from scripts.inputs.deliveries import Delivery, deliveries
from scripts.servers.fault_proxy import Delay, FaultProxy, Rule
from tests.e2e.sources import Directory, landed, result

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DELIVERIES = tuple(deliveries(120, seed=5))


@pytest.fixture
def delivered(s3: S3Client, s3_bucket: str, fault_proxy: FaultProxy) -> str:
    """A location that answers slowly enough to be interrupted."""
    for delivery in DELIVERIES:
        put(s3, s3_bucket, delivery)
    fault_proxy.add(Rule(Delay(50), path="/p/."))
    return f"s3://{s3_bucket}/p/"


def put(s3: S3Client, bucket: str, delivery: Delivery) -> None:
    encoding = delivery.headers.get("Content-Encoding", "")
    s3.put_object(Bucket=bucket, Key=f"p/{delivery.key}", Body=delivery.body, ContentEncoding=encoding)


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, bytes]:
    copy = Directory(tmp_path / "copy")
    for delivery in DELIVERIES:
        copy.put(delivery.key, delivery.body)
    sync_report(copy.location, tmp_path / "undisturbed", expected=3)
    return tree(tmp_path / "undisturbed")


def temporary_files(dest: Path) -> list[Path]:
    return list((dest / ".nimble-harvester" / "tmp").iterdir())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_the_run_with_its_state_saved(
    delivered: str, fault_proxy: FaultProxy, undisturbed: dict[str, bytes], dest: Path, number: int, code: int
) -> None:
    report_path = dest.parent / "report.json"
    process = start("sync", delivered, dest, "--report", report_path, "--workers", "1")
    wait_until(lambda: len(tree(dest)) > 10)
    process.send_signal(number)
    _, printed = process.communicate()
    assert process.returncode == code
    assert printed == "error: interrupted\n  run the same command again to continue\n"
    report = checked_report(json.loads(report_path.read_text()), code)
    assert landed(report) == len(tree(dest)) > 10
    assert report["counts"]["not_attempted"] > 0
    assert temporary_files(dest) == []
    assert run("verify", dest).code == 0
    assert f"exit {code}" in run("status", dest).out
    fault_proxy.clear()
    again = sync_report(delivered, dest, expected=3)
    assert again["counts"]["unchanged"] == landed(report)
    assert tree(dest) == undisturbed


def test_killed_at_any_instant(
    delivered: str, fault_proxy: FaultProxy, undisturbed: dict[str, bytes], dest: Path
) -> None:
    instants = random.Random(7)
    for progress in sorted(instants.sample(range(1, 100), 3)):
        process = start("sync", delivered, dest)
        wait_until(partial(reached, dest, progress, process))
        process.kill()
        process.communicate()
    killed = run("status", dest)
    assert "was killed" in killed.out
    assert "held by" not in killed.out
    fault_proxy.clear()
    sync_report(delivered, dest, expected=3)
    assert tree(dest) == undisturbed
    assert temporary_files(dest) == []
    assert run("verify", dest).code == 0


def reached(dest: Path, progress: int, process: subprocess.Popen[str]) -> bool:
    return len(tree(dest)) >= progress or process.poll() is not None


def test_sequence_numbers_are_never_given_twice(delivered: str, fault_proxy: FaultProxy, dest: Path) -> None:
    fault_proxy.clear()
    fault_proxy.add(Rule(Delay(100), path="/p/."))
    process = start("sync", delivered, dest, "--workers", "1")
    wait_until(lambda: (dest / ".nimble-harvester" / "manifest.sqlite").exists() and bool(tree(dest)))
    wait_until(lambda: any(True for _ in read(dest)))
    before = {row.key: row.seq for row in read(dest)}
    process.kill()
    process.communicate()
    fault_proxy.clear()
    report = sync_report(delivered, dest, expected=3)
    assert report["first_seq"] > max(before.values())
    after = [row["seq"] for row in run("cat", dest, "--meta").lines]
    assert after == sorted(after)


def test_a_killed_worker_is_replaced(
    delivered: str, fault_proxy: FaultProxy, undisturbed: dict[str, bytes], dest: Path
) -> None:
    process = start("sync", delivered, dest, "--workers", "1")
    wait_until(lambda: len(tree(dest)) > 5)
    (worker,) = children(process.pid)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: len(tree(dest)) > 20)
    fault_proxy.clear()
    process.communicate()
    assert process.returncode == 3
    assert tree(dest) == undisturbed
    assert run("verify", dest).code == 0


def children(process: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_workers_do_not_outlive_their_parent(delivered: str, dest: Path) -> None:
    process = start("sync", delivered, dest)
    wait_until(lambda: len(tree(dest)) > 5)
    workers = children(process.pid)
    assert workers
    process.kill()
    process.communicate()
    wait_until(lambda: not any(alive(worker) for worker in workers))


def alive(process: int) -> bool:
    try:
        # A zombie has ended: it waits for its new parent.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_was_landed_and_not_synced_to_disk_is_read_again(source: Directory, dest: Path) -> None:
    """After a power cut the newest files may be empty or zeros, though the manifest names them."""
    for number in range(4):
        source.put(f"{number}.json", result(number))
    sync_report(source.location, dest)
    before = tree(dest)
    state = dest / ".nimble-harvester" / "manifest.sqlite"
    with contextlib.closing(sqlite3.connect(state, isolation_level=None)) as database:
        database.execute("UPDATE settings SET value = '0' WHERE name = 'barrier'")
    for name, content in (("1.json", b""), ("2.json", b"\0" * len(result(2)))):
        times = (dest / name).stat()
        (dest / name).write_bytes(content)
        os.utime(dest / name, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert landed(sync_report(source.location, dest)) == 2
    assert tree(dest) == before
