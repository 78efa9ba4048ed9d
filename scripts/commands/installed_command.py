"""The installed command as a subprocess: run to its end, or started, and what it leaves in a destination."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.commands.output_schemas import validate, validate_outputs

COMMAND = str(Path(sys.executable).parent / "nimble-harvester")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output as one JSON document."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    @property
    def lines(self) -> list[Any]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def counts(self) -> dict[str, int]:
        """The report's counts; every listed object in exactly one of them."""
        counts: dict[str, int] = dict(self.document["counts"])
        assert counts["listed"] == sum(counts.values()) - counts["listed"], counts
        return counts

    @property
    def nonzero(self) -> dict[str, int]:
        """The counts that are not zero, ``listed`` left out."""
        return {name: count for name, count in self.counts.items() if count and name != "listed"}

    @property
    def problems(self) -> dict[str, tuple[str, str]]:
        """Outcome and reason by key."""
        return {problem["key"]: (problem["outcome"], problem["reason"]) for problem in self.document["problems"]}


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a person at a terminal of 80 columns, wherever the tests run."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("NIMBLE_HARVESTER_")}
    own.pop("CI", None)
    return {**own, "COLUMNS": "80", "TERM": "xterm", **changes}


def run(*arguments: str | int | Path, stdin: str = "", **variables: str) -> Ended:
    """Run the command to its end with ``stdin`` as its input; a traceback is a failure whatever else is expected."""
    found = subprocess.run(
        [COMMAND, *map(str, arguments)],
        env=environment(**variables),
        input=stdin.encode(),
        capture_output=True,
        check=False,
    )
    ended = Ended(
        found.returncode, found.stdout.decode(errors="surrogateescape"), found.stderr.decode(errors="replace")
    )
    assert "Traceback" not in ended.err, ended.err
    validate_outputs(ended.out, ended.err)
    return ended


def start(*arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    """Start the command with its output in pipes."""
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_group(*arguments: str | Path, **variables: str) -> subprocess.Popen[bytes]:
    """Start the command in a separate process group, its output discarded."""
    return subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def sync(location: str, destination: Path, *options: str | Path, **variables: str) -> Ended:
    """Run ``sync`` with a JSON report on standard output."""
    return run("sync", location, destination, "--format", "json", *options, **variables)


def sync_report(
    location: str, destination: Path, *options: str | Path, expected: int = 0, **variables: str
) -> dict[str, Any]:
    """Run ``sync``; return its report, which conforms to its schema and ends with the expected exit code."""
    ended = sync(location, destination, *options, **variables)
    assert ended.code == expected, (ended.err, ended.out)
    return checked_report(ended.document, expected)


def checked_report(report: dict[str, Any], code: int) -> dict[str, Any]:
    """Check a sync report against its schema, the exit code and its own sum; return it."""
    validate("sync-report", report)
    assert report["exit_code"] == code
    counts = dict(report["counts"])
    listed = counts.pop("listed")
    assert listed == sum(counts.values())
    assert counts["ignored"] == sum(report["ignored_by_reason"].values())
    return report


def verify(destination: Path, *options: str | Path) -> Ended:
    """Run ``verify`` with one line for each path."""
    return run("verify", destination, "--combined", *options)


def tree(destination: Path, *, but: Sequence[str] = (".nimble-harvester",)) -> dict[str, bytes]:
    """Return every regular file below ``destination`` but those below the folders ``but``: path and content.

    Bytes of a name that are not UTF-8 are surrogate escapes.
    """
    found: dict[str, bytes] = {}
    for folder, folders, files in os.walk(destination):
        if folder == str(destination):
            folders[:] = [name for name in folders if name not in but]
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                found[str(path.relative_to(destination))] = path.read_bytes()
    return found


def leftovers(destination: Path) -> list[str]:
    """Return what lies in the destination's folder of temporary files."""
    folder = destination / ".nimble-harvester" / "tmp"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
