"""Kill exports of every format to every output at random, several at once, and count the rows that they end with."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

import boto3

import harvester
from harvester.tables import open_output
from scripts.servers.fake_gcs import FakeGcs
from scripts.servers.server_process import ServerProcess
from scripts.soak_test.exported_rows import Identities, exported_rows

_BUCKET = "warehouse"
_SIZES = ("1", "9KB", "1MB")
_AT_ONCE = 3
_KILLED_SHARE = 0.8
# A killed export has imported what it needs by then.
_LEAST_DELAY = 0.3


class Target(NamedTuple):
    """One output, and the format in which it is written."""

    name: str
    """For people."""
    url: str
    """The output."""
    format: Literal["parquet", "jsonl", "delta"]
    """The format."""


def export_soak(folder: Path, *, rounds: int, files: int, rows: int, seed: int) -> int:
    """Do so many rounds of each format and output, each with further files; return the exit code."""
    chance = random.Random(seed)
    source, destination = folder / "source", folder / "destination"
    source.mkdir()
    with _targets(folder) as targets:
        print(f"seed {seed}: {rounds} rounds of {', '.join(target.name for target in targets)}", flush=True)
        for number in range(rounds):
            for file in range(files):
                _put(source / f"{number}-{file}.jsonl", rows)
            harvester.sync(f"file://{source}/", destination).raise_for_error()
            wanted: Identities = Counter((row.key, row.version, row.row) for row in harvester.read(destination))
            for target in targets:
                started = time.monotonic()
                kills = _killed(destination, target, chance)
                harvester.export(destination, target.url, harvester.ExportOptions(format=target.format))
                with open_output(target.url) as store:
                    found = exported_rows(store)
                missing, repeated = wanted - found, found - wanted
                seconds = time.monotonic() - started
                print(f"{number:>4}  {target.name}: {kills} kills, {found.total():,} rows, {seconds:.1f} s", flush=True)
                if missing or repeated:
                    print(f"BROKEN: {missing.total()} missing, {repeated.total()} repeated")
                    print(f"repeat with: scripts/soak --export --seed {seed}")
                    return 1
    return 0


@contextmanager
def _targets(folder: Path) -> Iterator[list[Target]]:
    """Start the stores; yield a directory, S3 on moto and our Cloud Storage, each with the formats that it takes."""
    with ServerProcess("scripts.servers.moto_process") as moto, FakeGcs() as gcs:
        os.environ.update(
            AWS_ENDPOINT_URL=moto.url,
            AWS_ACCESS_KEY_ID="soak",
            AWS_SECRET_ACCESS_KEY="soak",  # of moto
            AWS_REGION="us-east-1",
            STORAGE_EMULATOR_HOST=gcs.url,
        )
        boto3.client("s3").create_bucket(Bucket=_BUCKET)
        gcs.create_bucket(_BUCKET)
        yield [
            *(Target(f"{name} on disk", str(folder / name), name) for name in ("parquet", "jsonl", "delta")),
            *(Target(f"{name} on S3", f"s3://{_BUCKET}/{name}", name) for name in ("parquet", "jsonl", "delta")),
            *(Target(f"{name} on Cloud Storage", f"gs://{_BUCKET}/{name}", name) for name in ("parquet", "jsonl")),
        ]


def _put(path: Path, rows: int) -> None:
    path.write_text("\n".join(json.dumps({"url": f"https://x/{path.name}/{row}"}) for row in range(rows)))


def _killed(destination: Path, target: Target, chance: random.Random) -> int:
    """Start exports with part sizes of their own at once, and kill most; return how many."""
    command = [sys.executable, "-m", "harvester", "export", str(destination), "--to", target.url, "--as", target.format]
    running = [
        subprocess.Popen(
            [*command, "--part-size", chance.choice(_SIZES)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(_AT_ONCE)
    ]
    kills = 0
    for process in running:
        time.sleep(chance.uniform(_LEAST_DELAY, 2 * _LEAST_DELAY))
        if chance.random() < _KILLED_SHARE and process.poll() is None:
            process.kill()
            kills += 1
    for process in running:
        process.wait()
    return kills
