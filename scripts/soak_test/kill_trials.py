"""End a sync in the worst way at a random instant, run it again, and hold the outcome against truth.

Everything random comes from one seed, but for the instants themselves, which the machine's load shifts.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from scripts.commands import installed_command

ENDINGS = ("kill the run", "kill a worker", "kill the process group", "interrupt", "terminate", "cut the power")
"""The ways to end a run."""
SIGNALS = {"interrupt": signal.SIGINT, "terminate": signal.SIGTERM}
_ANY_PROBLEM = ("--fail-on", "any")
_STATE = ".nimble-harvester"
_MANIFEST = ("manifest.sqlite", "manifest.sqlite-wal")
_LONGEST = 120.0


class Broken(AssertionError):
    """An invariant is broken."""


@dataclass
class Trial:
    """One destination, from its first run to its last."""

    location: str
    destination: Path
    wanted: Mapping[str, bytes]
    """The tree of an undisturbed run, its quarantine included."""
    random: random.Random
    environment: Mapping[str, str]
    log: list[str] = field(default_factory=list)
    """What was done, for the report of a failure."""
    _given: dict[int, tuple[str, str]] = field(default_factory=dict)
    _highest: int = 0
    _durable_quarantine: dict[Path, int] = field(default_factory=dict)

    def disturb(self, ending: str) -> None:
        """Start a run and end it so. Raises Broken when a run survives what it must not, or the reverse."""
        self._note_quarantine()
        process = installed_command.start_group(
            "sync", self.location, self.destination, *_ANY_PROBLEM, **self.environment
        )
        try:
            self._await_an_instant(process, working=ending in {"kill a worker", "cut the power"})
            match ending:
                case "kill the run":
                    process.kill()
                case "kill a worker":
                    self._kill_a_worker(process)
                case "kill the process group":
                    _signal_group(process.pid, signal.SIGKILL)
                case "cut the power":
                    self._cut_the_power(process)
                case _:
                    self._signal(process, SIGNALS[ending])
            code = process.wait(timeout=_LONGEST)
            if ending == "kill a worker" and code != self.expected_code:
                raise Broken(f"a run that lost a worker exited {code}")
        finally:
            if process.poll() is None:
                _signal_group(process.pid, signal.SIGKILL)
                process.wait()
        self._note_sequence_numbers()

    @property
    def expected_code(self) -> int:
        """The exit code of an undisturbed run."""
        return 3 if any(path.startswith(_STATE) for path in self.wanted) else 0

    def finish(self) -> None:
        """Run undisturbed and check all that must hold. Raises Broken."""
        highest = self._highest
        ended = installed_command.sync(self.location, self.destination, *_ANY_PROBLEM, **self.environment)
        _require(ended.code == self.expected_code, f"the last run exited {ended.code}: {ended.err}")
        counts = ended.counts
        _require(counts["failed"] == counts["not_attempted"] == 0, f"the last run's counts are {counts}")
        _require(self.tree() == self.wanted, self._difference())
        _require(installed_command.leftovers(self.destination) == [], "temporary files are left")
        verified = installed_command.verify(self.destination)
        _require(verified.code == 0, f"verify exited {verified.code}: {verified.err}")
        rows = self._note_sequence_numbers()
        _require(len(rows) + counts["quarantined"] == counts["listed"], "not every object is in the manifest once")
        _require(len(set(rows.values())) == len(rows), "two objects have one sequence number")
        first = ended.document["first_seq"]
        _require(first is None or first > highest, f"sequence number {first} was given after {highest}")

    def tree(self) -> dict[str, bytes]:
        """Return the destination's files and those in its quarantine."""
        quarantine = installed_command.tree(self.destination / _STATE / "quarantine", but=())
        landed = installed_command.tree(self.destination)
        return landed | {f"{_STATE}/quarantine/{path}": body for path, body in quarantine.items()}

    # -- the ways to end a run -----------------------------------------------------------------------------------------

    def _await_an_instant(self, process: subprocess.Popen[bytes], *, working: bool) -> None:
        """Wait until a random number of objects has landed, and a little longer; at times only briefly."""
        if not working and self.random.random() < 0.2:
            delay = self.random.uniform(0, 1)
            self.log.append(f"after {delay:.3f} s")
            time.sleep(delay)
            return
        share = self.random.random() ** 2  # rather early, so that most runs are still at work
        target = self._landed() + 1 + int(share * max(1, len(self.wanted) - self._landed() - 1))
        until = time.monotonic() + _LONGEST
        while self._landed() < target and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        delay = self.random.uniform(0, 0.02)
        self.log.append(f"after {target} objects and {delay:.3f} s")
        time.sleep(delay)

    def _landed(self) -> int:
        try:
            return sum(1 for _ in os.scandir(self.destination)) - 1
        except FileNotFoundError:
            return 0

    def _kill_a_worker(self, process: subprocess.Popen[bytes]) -> None:
        workers = _children(process.pid)
        if workers:
            with suppress(ProcessLookupError):
                os.kill(self.random.choice(workers), signal.SIGKILL)

    def _signal(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Signal the run alone, as kill does, or everything, as a terminal and a service manager do."""
        if self.random.random() < 0.5:
            process.send_signal(number)
        else:
            _signal_group(process.pid, number)

    def _cut_the_power(self, process: subprocess.Popen[bytes]) -> None:
        """Kill everything, then damage on the disk what no barrier had made durable."""
        state = self.destination / _STATE
        saved = self.destination.with_name(f"{self.destination.name}-saved")
        shutil.rmtree(saved, ignore_errors=True)
        saved.mkdir()
        _signal_group(process.pid, signal.SIGSTOP)
        for name in _MANIFEST:
            if (state / name).exists():
                shutil.copy2(state / name, saved / name)
        _signal_group(process.pid, signal.SIGCONT)
        time.sleep(self.random.uniform(0, 0.3))
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()
        # A consumer may have read these numbers before the power failed.
        self._note_sequence_numbers()
        # An earlier state may only come back when nothing was written through to the disk since.
        if _promises(saved) == _promises(state):
            self.log.append("and the manifest as it was before")
            for path in state.glob("manifest.sqlite*"):
                path.unlink()
            for name in _MANIFEST:
                if (saved / name).exists():
                    shutil.copy2(saved / name, state / name)
        shutil.rmtree(saved)
        self._damage_what_is_not_durable()

    def _damage_what_is_not_durable(self) -> None:
        durable: set[str] = set()
        with _manifest(self.destination / _STATE) as manifest:
            if manifest is not None:
                found = manifest.execute("SELECT value FROM settings WHERE name = 'barrier'").fetchone()
                barrier = int(found[0]) if found else 0
                durable = {path for (path,) in manifest.execute("SELECT path FROM objects WHERE seq <= ?", (barrier,))}
        damaged = 0
        self._note_quarantine()
        for folder in (self.destination, self.destination / _STATE / "quarantine"):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if not path.is_file() or path.relative_to(self.destination).as_posix() in durable:
                    continue
                if self._durable_quarantine.get(path) != path.stat().st_mtime_ns:
                    damaged += self._damage(path)
        self.log.append(f"{damaged} files damaged")

    def _note_quarantine(self) -> None:
        """Remember what lies in the quarantine after a run that came to its end: that has made it durable."""
        state = self.destination / _STATE
        with _manifest(state) as manifest:
            newest = manifest and manifest.execute("SELECT ended_at FROM runs ORDER BY run DESC LIMIT 1").fetchone()
        if newest and newest[0] is not None:
            self._durable_quarantine = {path: path.stat().st_mtime_ns for path in (state / "quarantine").iterdir()}

    def _damage(self, path: Path) -> bool:
        status = path.stat()
        match self.random.randrange(5):
            case 0:
                return False
            case 1:
                path.unlink()
                return True
            case 2:
                os.truncate(path, 0)
            case 3:
                os.truncate(path, status.st_size // 2)
            case _:
                # In place: on a journalling file system the name and the length survive, the content may not.
                with path.open("r+b") as file:
                    file.write(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return True

    # -- what must hold ------------------------------------------------------------------------------------------------

    def _note_sequence_numbers(self) -> dict[str, int]:
        """Read which version has which number; a number once seen is that version's for ever. Raises Broken."""
        with _manifest(self.destination / _STATE) as manifest:
            if manifest is None:
                return {}
            rows = manifest.execute("SELECT key, etag, seq FROM objects").fetchall()
        for key, etag, seq in rows:
            known = self._given.setdefault(seq, (key, etag))
            _require(known == (key, etag), f"sequence number {seq} was given to {known} and to {(key, etag)}")
            self._highest = max(self._highest, seq)
        return {key: seq for key, _, seq in rows}

    def _difference(self) -> str:
        found = self.tree()
        missing = sorted(self.wanted.keys() - found.keys())
        extra = sorted(found.keys() - self.wanted.keys())
        other = sorted(path for path in found.keys() & self.wanted.keys() if found[path] != self.wanted[path])
        return f"the tree differs: missing {missing[:3]}, extra {extra[:3]}, other bytes {other[:3]}"


def _require(condition: object, message: str) -> None:
    if not condition:
        raise Broken(message)


@contextmanager
def _manifest(state: Path) -> Iterator[sqlite3.Connection | None]:
    """Open the manifest for reading; None when a run was ended before it made one."""
    path = state / "manifest.sqlite"
    if not path.exists():
        yield None
        return
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        (tables,) = database.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'objects'").fetchone()
        yield database if tables else None


def _promises(state: Path) -> list[tuple[str, str]]:
    """Return what a manifest lists as being on the disk, and which sequence numbers may have been given."""
    with _manifest(state) as database:
        if database is None:
            return []
        return database.execute("SELECT name, value FROM settings WHERE name != 'source' ORDER BY name").fetchall()


def _signal_group(group: int, number: int) -> None:
    # It may have ended just before.
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return sorted(found)
