"""Objects arrive, two workers share the queue that announces them and are killed at random: each must land once.

    python -m scripts.soak_test.event_soak [--objects 10000] [--kills 20] [--seed 1] [--redeliver 1]

S3 and SQS are the tests' own, in memory, over HTTP on loopback; every message comes again so often after its deletion.
Prints the account and exits 0 when it adds up.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.commands.background_command import Running
from scripts.commands.installed_command import run, tree
from scripts.inputs.announcements import PREFIX, envelope, s3_event
from scripts.servers.memory_s3 import MemoryS3
from scripts.servers.memory_sqs import MemorySqs

WORKERS = 2
_PATIENCE_SECONDS = 1_800.0


@dataclass(frozen=True)
class Soaked:
    """What came of it."""

    landed: int
    """Objects in the manifests, all destinations added up."""
    files: Counter[str]
    """How often each object lies in a destination."""
    kills: int
    """How often a worker was killed."""
    deliveries: int
    """Messages given out."""
    left: int
    """Messages never worked off."""
    verified: bool
    """Whether every file is the one its manifest lists."""
    seconds: float
    """From the first object to the last message."""


def arrive(s3: MemoryS3, sqs: MemorySqs, objects: int, again: int, chance: random.Random) -> None:
    """Store and announce objects, a hundred at a time, in disorder."""
    for start in range(0, objects, 100):
        keys = [f"{PREFIX}{number:06}.json" for number in range(start, min(start + 100, objects))]
        bodies = {key: envelope(key) for key in keys}
        for key, body in bodies.items():
            s3.put(key, body)
        chance.shuffle(keys)
        for key in keys:
            etag = s3.etag(key)
            sqs.send(json.dumps(s3_event("bucket", key, etag, len(bodies[key]))), again=again)
        time.sleep(0.05)


def soak(folder: Path, objects: int, kills: int, *, seed: int = 1, again: int = 0, lease: int = 60) -> Soaked:
    """Run it, with the surroundings' credentials; AWS_ENDPOINT_URL is set for the workers alone."""
    chance = random.Random(seed)
    s3, sqs = MemoryS3({}), MemorySqs()
    s3.start()
    sqs.start()
    destinations = [folder / f"r{number}" for number in range(WORKERS)]
    surroundings = {"AWS_ENDPOINT_URL": s3.url}
    workers = [
        Running(
            folder / f"w{number}",
            *("watch", f"s3://bucket/{PREFIX}", destination, "--queue", sqs.queue_url),
            *("--format", "json", "--workers", "1", "--lease", f"{lease}s", "--beside", destinations[1 - number]),
            **surroundings,
        ).start()
        for number, destination in enumerate(destinations)
    ]
    started = time.monotonic()
    arriving = threading.Thread(target=arrive, args=(s3, sqs, objects, again, random.Random(seed)))
    arriving.start()
    done = 0
    try:
        while (arriving.is_alive() or sqs.waiting) and time.monotonic() - started < _PATIENCE_SECONDS:
            # Spread over the whole: by what is worked off, not by the clock.
            settled = sqs.given / (objects * (1 + again))
            if done < kills and settled >= done / kills * 0.9 and sqs.given:
                victim = workers[chance.randrange(WORKERS)]
                time.sleep(chance.random())
                victim.kill()
                victim.start()
                done += 1
            time.sleep(0.1)
        arriving.join()
        seconds = time.monotonic() - started
        for worker in workers:
            worker.stop()
    finally:
        for worker in workers:
            if worker.alive:
                worker.kill()
        s3.kill()
        sqs.kill()
    files = Counter(name for destination in destinations for name in tree(destination))
    accounts = [account(destination) for destination in destinations]
    verified = all(run("verify", destination).code == 0 for destination in destinations)
    return Soaked(
        landed=sum(each["landed"] for each in accounts),
        files=files,
        kills=done,
        deliveries=sqs.given,
        left=sqs.waiting,
        verified=verified,
        seconds=seconds,
    )


def account(destination: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run("status", destination, "--format", "json").out)
    return document


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--redeliver", type=int, default=1)
    asked = parser.parse_args()
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "none")
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    with tempfile.TemporaryDirectory(prefix="soak-events-") as folder:
        found = soak(Path(folder), asked.objects, asked.kills, seed=asked.seed, again=asked.redeliver)
    twice = sum(count > 1 for count in found.files.values())
    print(f"{asked.objects:,} objects arrived, {found.deliveries:,} deliveries, {found.kills} kills")
    print(f"landed by the account: {found.landed:,}; files: {found.files.total():,}, {twice:,} of them twice")
    print(f"messages left: {found.left:,}; every file verified: {found.verified}; {found.seconds:.0f} s")
    right = (
        found.landed == found.files.total() == asked.objects == len(found.files) and found.verified and not found.left
    )
    print("adds up" if right else "DOES NOT ADD UP")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
