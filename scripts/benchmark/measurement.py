"""Run a program and measure it: wall time, CPU time of all its processes, peak memory of all of them together."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_SAMPLE_SECONDS = 0.1


class Taken(NamedTuple):
    """What one run took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system time of the whole process tree."""
    exit_code: int
    """How it ended."""
    output: str
    """Standard output and error, for messages."""


def run(command: Sequence[str], environment: Mapping[str, str]) -> Taken:
    """Run a command to its end. Every process it starts must be waited for by its parent, or its CPU is not counted."""
    with subprocess.Popen(
        command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        started = time.perf_counter()
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    return Taken(wall, used.ru_utime + used.ru_stime, process.returncode, output.decode(errors="replace"))


def peak_memory(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, int]:
    """Run a command; return its exit code and the highest sum of its processes' proportional set sizes, in bytes.

    A separate run: sampling that often takes time from a program that is timed.
    """
    process = subprocess.Popen(
        command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    highest = 0
    while process.poll() is None:
        highest = max(highest, sum(map(_proportional_set_size, _tree(process.pid))))
        time.sleep(_SAMPLE_SECONDS)
    return process.returncode, highest


def _tree(root: int) -> list[int]:
    found = [root]
    for process in found:
        try:
            for task in Path(f"/proc/{process}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _proportional_set_size(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
