"""The commands to run after a report, where a run or a listing shows something to act on."""

from __future__ import annotations

import shlex
from pathlib import Path

from harvester.cli.shared.next_steps.step_values import PROGRAM

INFRASTRUCTURE_NOTE = (
    "if Terraform, CloudFormation or another tool owns this policy, it will undo what is changed here: give the "
    f"statements to it instead ({PROGRAM} policy show --as terraform)"
)
NO_WILDCARDS = "a location has no wildcards"


def list_problems(destination: Path | str) -> str:
    """Return the command that lists the known problems of a destination."""
    return f"{PROGRAM} status {shlex.quote(str(destination))} --problems"


def list_open_problems(destination: Path | str) -> str:
    """Return the command that lists the problems of a destination that are not accepted."""
    return f"{PROGRAM} problems list {shlex.quote(str(destination))} --open"


def accept_problem(destination: Path | str) -> str:
    """Return the command that accepts one problem of a destination."""
    return f"{PROGRAM} problems accept {shlex.quote(str(destination))} KEY --note TEXT"


def list_consumers(destination: Path | str) -> str:
    """Return the command that lists the consumers of a destination."""
    return f"{PROGRAM} consumers list {shlex.quote(str(destination))}"


def accept_profile(destination: Path | str) -> str:
    """Return the command that accepts the profile of a destination."""
    return f"{PROGRAM} profile {shlex.quote(str(destination))} --accept"


def sync_wider(location: str, destination: Path | str, glob: str) -> str:
    """Return the command that syncs the objects of a wider location that match ``glob``."""
    quoted = " ".join(map(shlex.quote, (location, str(destination), "--include", glob)))
    return f"{PROGRAM} sync {quoted}"


def sync_instead(location: str, destination: Path | str) -> str:
    """Return the command that syncs another location into a destination."""
    return f"{PROGRAM} sync {shlex.quote(location)} {shlex.quote(str(destination))}"


def sync_with_outcomes(location: str, out: str) -> str:
    """Return the command that syncs into an output and prints the outcome of each object."""
    return f"{PROGRAM} sync {shlex.quote(location)} --export-to {shlex.quote(out)} --format jsonl"


def list_wider(location: str, glob: str = "") -> str:
    """Return the command that lists a wider location, or what matches ``glob`` in it."""
    included = f" --include {shlex.quote(glob)}" if glob else ""
    return f"{PROGRAM} ls {shlex.quote(location)}{included}"
