"""The installed command as a subprocess, in the surroundings the test has set up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sys.executable).parent / "nimble-harvester")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """Its standard output as the JSON document it must be."""
        document = json.loads(self.stdout)
        assert isinstance(document, dict)
        return document

    @property
    def counts(self) -> dict[str, int]:
        """The report's counts; every listed object in exactly one of them."""
        counts: dict[str, int] = dict(self.report["counts"])
        assert counts["listed"] == sum(counts.values()) - counts["listed"], counts
        return counts

    @property
    def nonzero(self) -> dict[str, int]:
        """The counts that are not zero, ``listed`` left out."""
        return {name: count for name, count in self.counts.items() if count and name != "listed"}

    @property
    def problems(self) -> dict[str, tuple[str, str]]:
        """Outcome and reason by key."""
        return {problem["key"]: (problem["outcome"], problem["reason"]) for problem in self.report["problems"]}


def run(*arguments: str | int | Path, environment: Mapping[str, str] | None = None) -> Ended:
    """Run the command to its end; a traceback is a failure whatever else is expected."""
    found = subprocess.run(
        [PROGRAM, *map(str, arguments)],
        env=os.environ | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    ended = Ended(
        found.returncode, found.stdout.decode(errors="surrogateescape"), found.stderr.decode(errors="replace")
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


def sync(location: str, destination: Path, *options: str | Path, environment: Mapping[str, str] | None = None) -> Ended:
    """Run ``sync`` with a JSON report on standard output."""
    return run("sync", location, destination, "--format", "json", *options, environment=environment)


def start(*arguments: str | Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start the command in a separate process group, its output discarded."""
    return subprocess.Popen(
        [PROGRAM, *map(str, arguments)],
        env=os.environ | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def verify(destination: Path, *options: str | Path) -> Ended:
    """Run ``verify`` with one line for each path."""
    return run("verify", destination, "--combined", *options)


def tree(destination: Path, *, but: Sequence[str] = (".nimble-harvester",)) -> dict[bytes, bytes]:
    """Return every regular file below ``destination`` but those below the folders ``but``: path and content."""
    found: dict[bytes, bytes] = {}
    root = os.fsencode(destination)
    for folder, folders, files in os.walk(root):
        if folder == root:
            folders[:] = [name for name in folders if os.fsdecode(name) not in but]
        for name in files:
            path = os.path.join(folder, name)  # noqa: PTH118  # names of bytes
            if not os.path.islink(path):  # noqa: PTH114
                found[os.path.relpath(path, root)] = Path(os.fsdecode(path)).read_bytes()
    return found


def leftovers(destination: Path) -> list[str]:
    """Return what lies in the destination's folder of temporary files."""
    folder = destination / ".nimble-harvester" / "tmp"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
