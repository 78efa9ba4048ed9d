"""Kill producer and consumer at random, restore block copies in between, and count what the consumer ends with."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from scripts.commands import installed_command

_LONGEST_DELAY = 0.6


class Incomplete(AssertionError):
    """The consumer does not hold each current row exactly once."""


class HandoverSoak:
    """One source, one destination, one consumer."""

    def __init__(self, folder: Path, *, files: int, rows: int, seed: int, environment: Mapping[str, str]) -> None:
        """Make a source of jobs files below ``folder``."""
        self._source = folder / "source"
        self._destination = folder / "destination"
        self._copies = folder / "copies"
        self._store = folder / "store.sqlite"
        self._source.mkdir()
        self._copies.mkdir()
        self._rows = rows
        self._random = random.Random(seed)
        self._environment = {**environment}
        self._names = [f"part-{number}.jsonl" for number in range(files)]
        self._made = 0
        self._stack: list[Path] = []
        self.counts: Counter[str] = Counter()
        """Kills, copies, restores and replaced objects."""
        for name in self._names:
            self._put(name)

    def _put(self, name: str) -> None:
        self._made += 1
        rows = (json.dumps({"url": f"https://x/{name}/{row}", "made": self._made}) for row in range(self._rows))
        temporary = self._source.parent / "new"
        temporary.write_text("\n".join(rows))
        temporary.rename(self._source / name)

    def run(self, kills: int) -> None:
        """Do rounds until so many processes were killed, then finish undisturbed and compare. Raises Incomplete."""
        while self.counts["kills"] < kills:
            match self._random.choice(("replace", "replace", "add", "copy", "restore", "none")):
                case "replace":
                    self._put(self._random.choice(self._names))
                    self.counts["replaced objects"] += 1
                case "add":
                    self._names.append(f"part-{len(self._names)}.jsonl")
                    self._put(self._names[-1])
                case "copy":
                    self._copy()
                case "restore":
                    self._restore()
                case _:
                    pass
            self._round()
        self._end(self._producer(), kill=False)
        self._end(self._consumer(), kill=False)
        self.compare()

    def _round(self) -> None:
        """Run producer and consumer side by side and end one of them, or both, at a random instant."""
        processes = [self._producer()]
        if (self._destination / ".nimble-harvester" / "destination.json").exists():
            processes.append(self._consumer())
        for process in processes:
            kill = self._random.random() < 0.8
            if kill:
                time.sleep(self._random.random() * _LONGEST_DELAY)
                if self._random.random() < 0.2 and process is processes[0]:
                    self._copy_beside(process)
            self._end(process, kill=kill)

    def _end(self, process: subprocess.Popen[bytes], *, kill: bool) -> None:
        if kill and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            self.counts["kills"] += 1
        _, words = process.communicate()
        if process.returncode not in (0, -signal.SIGKILL):
            raise Incomplete(f"exit {process.returncode}: {words.decode(errors='replace').strip()}")

    def _producer(self) -> subprocess.Popen[bytes]:
        return installed_command.start_group("sync", f"file://{self._source}/", self._destination, **self._environment)

    def _consumer(self) -> subprocess.Popen[bytes]:
        module = "scripts.soak_test.handover_consumer"
        return subprocess.Popen(
            [sys.executable, "-m", module, str(self._destination), str(self._store), "10"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **self._environment},
        )

    def _copy_beside(self, process: subprocess.Popen[bytes]) -> None:
        """Copy the destination while its session stands still, as a snapshot of a disk does."""
        if process.poll() is None and self._destination.exists():
            process.send_signal(signal.SIGSTOP)
            self._copy()
            process.send_signal(signal.SIGCONT)

    def _copy(self) -> None:
        if not (self._destination / ".nimble-harvester" / "destination.json").exists():
            return
        copy = self._copies / str(self.counts["copies"])
        shutil.copytree(self._destination, copy, symlinks=True, ignore=shutil.ignore_patterns("tmp"))
        self._stack.append(copy)
        self.counts["copies"] += 1

    def _restore(self) -> None:
        """Put an earlier copy in the place of the destination; later ones are of a history that has ended."""
        if not self._stack:
            return
        kept = self._random.randrange(len(self._stack)) + 1
        del self._stack[kept:]
        shutil.rmtree(self._destination)
        shutil.copytree(self._stack[-1], self._destination, symlinks=True)
        self.counts["restores"] += 1

    def compare(self) -> None:
        """Raise Incomplete unless the store holds each row of each current version exactly once."""
        manifest = self._destination / ".nimble-harvester" / "manifest.sqlite"
        with closing(sqlite3.connect(manifest)) as database:
            current = {key: (etag, seq) for key, etag, seq in database.execute("SELECT key, etag, seq FROM objects")}
        with closing(sqlite3.connect(self._store)) as database:
            stored = {
                (key, version, row): text
                for key, version, row, text in database.execute("SELECT key, version, row, text FROM rows")
            }
            (rewinds,) = database.execute("SELECT count(*) FROM rewinds").fetchone()
        self.counts["rewinds"] = rewinds
        if {Path(key).name for key in current} != set(self._names):
            raise Incomplete("the destination does not hold every object of the source")
        for key, (version, _) in current.items():
            for row, text in enumerate(Path(key).read_bytes().split(b"\n")):
                if stored.get((key, version, row)) != text:
                    raise Incomplete(f"row {row} of {key}, version {version}, was not handed on")


def handover_soak(folder: Path, *, kills: int, files: int, rows: int, seed: int, environment: Mapping[str, str]) -> int:
    """Run a soak below ``folder`` and print its counts; return the exit code."""
    print(f"seed {seed}: {kills} kills of producer and consumer, {files} jobs files of {rows:,} rows", flush=True)
    soak = HandoverSoak(folder, files=files, rows=rows, seed=seed, environment=environment)
    try:
        soak.run(kills)
    except Incomplete as broken:
        print(f"INCOMPLETE: {broken}")
        print(f"repeat with: scripts/soak --handover --seed {seed} --kills {kills}")
        return 1
    print(", ".join(f"{count} {what}" for what, count in sorted(soak.counts.items())))
    print("each current (key, version, row) is in the consumer's store exactly once")
    return 0
