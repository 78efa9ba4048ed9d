"""Kill workers and the scheduler of Dask while they run a backfill, and count the rows that it ends with."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Final

import harvester
from harvester.tables import open_output
from scripts.commands.background_command import Running
from scripts.commands.installed_command import run
from scripts.servers.dask_cluster import DaskCluster
from scripts.soak_test.exported_rows import Identities, exported_rows

_OBJECTS: Final = 8
"""Objects of a shard."""
_WORKERS: Final = 3
_POLL_SECONDS: Final = 0.05
_SCHEDULER_SHARE: Final = 0.05
_LONGEST_DELAY: Final = 1.0
"""Seconds from a commit to the next kill, at most: about what a shard takes."""


def backfill_soak(folder: Path, *, kills: int, shards: int, seed: int) -> int:
    """Kill so many processes while a backfill of so many shards runs; return the exit code."""
    chance, started = random.Random(seed), time.monotonic()
    print(f"seed {seed}: {kills} kills over {shards} shards of {_OBJECTS} objects", flush=True)
    wanted = _sources(folder, shards * _OBJECTS)
    out = folder / "out"
    planned = run("backfill", "plan", f"file://{folder}/source/", "--to", out, "--shards", shards, "--yes")
    if planned.code:
        print(planned.err)
        return 1
    ended: Counter[str] = Counter()
    with DaskCluster(folder / "cluster", _WORKERS) as cluster:
        options = ("--engine", "dask", "--scheduler", cluster.address, "--scratch", folder / "scratch")
        running = Running(folder / "run", "backfill", "run", out, *options, "--attempts", "100").start()
        assert running.process is not None
        seen = 0
        while ended.total() < kills and running.process.poll() is None:
            # A worker that was just started imports for seconds: kills hit shards only where there is progress.
            if (committed := _committed(out)) == seen:
                time.sleep(_POLL_SECONDS)
                continue
            seen = committed
            time.sleep(chance.uniform(0, _LONGEST_DELAY))
            if chance.random() < _SCHEDULER_SHARE:
                cluster.restart_scheduler()
                ended["scheduler"] += 1
            else:
                cluster.kill_worker()
                ended["worker"] += 1
            print(f"{ended.total():>4}  {committed} of {shards} shards committed", flush=True)
        code = running.process.wait()
    with open_output(str(out)) as store:
        found = exported_rows(store)
    status = run("backfill", "status", out, "--clean", "--format", "json")
    missing, repeated = wanted - found, found - wanted
    counts = status.document["counts"]
    print(f"{ended['worker']} workers and {ended['scheduler']} schedulers killed, {found.total():,} rows", flush=True)
    if code or status.code or missing or repeated or counts["landed"] != shards * _OBJECTS:
        print(f"BROKEN: exit {code}, {missing.total()} missing, {repeated.total()} repeated, {counts}")
        print(running.err[-3000:])
        print(f"repeat with: scripts/soak --backfill --kills {kills} --seed {seed}")
        return 1
    print(f"seed {seed}: every row once, and the counts add up; {time.monotonic() - started:.0f} s")
    return 0


def _committed(out: Path) -> int:
    """Return how many shards are committed."""
    return len(list((out / "shards").glob("*.json")))


def _sources(folder: Path, objects: int) -> Identities:
    """Make the objects; return the rows that a plain sync reads of them."""
    source = folder / "source"
    source.mkdir()
    for number in range(objects):
        rows = "\n".join(json.dumps({"url": f"https://x/{number}/{row}"}) for row in range(number % 4 + 1))
        (source / f"{number:05d}.jsonl").write_text(rows)
    harvester.sync(f"file://{source}/", folder / "plain").raise_for_error()
    return Counter((row.key, row.version, row.row) for row in harvester.read(folder / "plain"))
