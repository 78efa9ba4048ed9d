"""The installed command in a process of its own, and sources for it to sync."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harvester
from scripts.commands.output_schemas import validate

COMMAND = str(Path(sys.executable).parent / "nimble-harvester")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as one JSON document."""
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a person at a terminal of 80 columns, wherever the tests run."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NIMBLE_HARVESTER_")}
    own.pop("CI", None)
    return {**own, "COLUMNS": "80", "TERM": "xterm", **changes}


def run(*arguments: str | Path, **variables: str) -> Ended:
    """Run ``nimble-harvester`` to its end."""
    ended = subprocess.run(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(**variables),
        check=False,
    )
    assert "Traceback" not in ended.stderr
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def start(*arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    """Start ``nimble-harvester``."""
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )


def sync(location: str, dest: Path, *options: str | Path, expected: int = 0, **variables: str) -> dict[str, Any]:
    """Run ``sync --format json``, hold its report against its schema and its own sum, and return it."""
    ended = run("sync", location, dest, "--format", "json", *options, **variables)
    assert ended.code == expected, (ended.err, ended.out)
    return checked_report(ended.document, expected)


def checked_report(report: dict[str, Any], code: int) -> dict[str, Any]:
    """Hold a report against its schema, the exit code and its own sum."""
    validate("sync-report", report)
    assert report["exit_code"] == code
    counts = dict(report["counts"])
    listed = counts.pop("listed")
    assert listed == sum(counts.values())
    assert counts["ignored"] == sum(report["ignored_by_reason"].values())
    return report


def landed(report: dict[str, Any]) -> int:
    """Return how many objects a run has landed."""
    number: int = report["counts"]["landed"]
    return number


def end_of_object(dest: Path, seq: int) -> str:
    """Return the position after the object with that sequence number."""
    for row in harvester.read(dest):
        if row.seq == seq:
            return row.position.rpartition("-")[0] + "-end"
    raise AssertionError(f"no object has the sequence number {seq}")


def tree(dest: Path) -> dict[str, bytes]:
    """Return what lies in a destination, its state left out."""
    return {
        str(path.relative_to(dest)): path.read_bytes()
        for path in sorted(dest.rglob("*"))
        if path.is_file() and ".nimble-harvester" not in path.relative_to(dest).parts[:1]
    }


def result(number: int = 1, **changes: object) -> bytes:
    """Return the envelope of one extract."""
    envelope = {
        "url": f"https://www.example.com/{number}",
        "task_id": f"task-{number}",
        "status": "success",
        "data": {"markdown": f"# Page {number}"},
        "status_code": 200,
        **changes,
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def wait_until(reached: Callable[[], bool], seconds: float = 600) -> None:
    """Return as soon as something is so; fail when it never is."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Directory:
    """A ``file://`` source."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.location = f"file://{path}/"

    def put(self, name: str, body: bytes) -> str:
        """Store an object; return its key."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return str(path)

    def remove(self, name: str) -> None:
        (self.path / name).unlink()
