"""From a notification to a landed file: how many a second from a full queue, and how long for a single one."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from scripts.benchmark.input_data import Bucket, Entry
from scripts.benchmark.page.benchmark_page import table
from scripts.benchmark.scenarios import Bench, print_progress
from scripts.inputs.announcements import s3_event
from scripts.servers.memory_sqs import MemorySqs

_SINGLES = 40
_SINGLE_SECONDS = 0.2
_POLL_SECONDS = 0.0005
_PATIENCE_SECONDS = 30.0


def events(bench: Bench, bucket: Bucket, most: int) -> str:
    """Measure, and return the table."""
    entries = bucket.entries[:most]
    print_progress(f"events: {len(entries)} announced")
    rows = [*_throughput(bench, bucket, entries), *_latency(bench, bucket, entries[:_SINGLES])]
    note = "The queue is a Python server of the tests in this process; it takes its share of the processor."
    return f"### From a notification in SQS to a landed file\n\n{table(['', 'measured'], rows)}\n\n{note}"


def _command(bucket: Bucket, destination: Path, queue: MemorySqs) -> list[str]:
    program = str(Path(sys.executable).parent / "nimble-harvester")
    return [program, "watch", f"s3://{bucket.name}/", str(destination), "--queue", queue.queue_url]


def _announce(queue: MemorySqs, bucket: Bucket, entry: Entry) -> None:
    queue.send(json.dumps(s3_event(bucket.name, entry.key, entry.etag, entry.size)))


def _throughput(bench: Bench, bucket: Bucket, entries: list[Entry]) -> list[tuple[str, str]]:
    with MemorySqs() as queue, bench.fresh(bench.work) as destination:
        for entry in entries:
            _announce(queue, bucket, entry)
        command = [*_command(bucket, destination, queue), "--once"]
        process = subprocess.Popen(
            command, env=bench.environment(bench.served.near), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        started = None
        while queue.waiting and process.poll() is None:
            if started is None and queue.given:
                started = time.monotonic()
            time.sleep(0.005)
        seconds = time.monotonic() - (started or time.monotonic())
        code = process.wait()
    if code or not seconds:
        return [("a full queue", f"failed: exit {code}")]
    return [(f"a full queue, {len(entries):,} messages worked off", f"{len(entries) / seconds:,.0f} per second")]


def _latency(bench: Bench, bucket: Bucket, entries: list[Entry]) -> list[tuple[str, str]]:
    taken = []
    with MemorySqs() as queue, bench.fresh(bench.work) as destination:
        process = subprocess.Popen(
            _command(bucket, destination, queue),
            env=bench.environment(bench.served.near),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for entry in entries:
                path = destination / entry.key.removesuffix(".gz")
                sent = time.monotonic()
                _announce(queue, bucket, entry)
                while not path.exists():
                    if time.monotonic() - sent > _PATIENCE_SECONDS:
                        return [("a single one", "failed: it never landed")]
                    time.sleep(_POLL_SECONDS)
                taken.append((time.monotonic() - sent) * 1000)
                time.sleep(_SINGLE_SECONDS)
        finally:
            process.terminate()
            process.wait()
    # The first one also starts the worker processes.
    settled = sorted(taken[1:])
    return [
        ("a single one, median", f"{statistics.median(settled):.0f} ms"),
        ("a single one, slowest of 20", f"{settled[int(len(settled) * 0.95) - 1]:.0f} ms"),
    ]
