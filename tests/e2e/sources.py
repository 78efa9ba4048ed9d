"""Sources for the installed command to sync, and the contents of its reports and rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import harvester


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
