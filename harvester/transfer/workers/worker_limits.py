"""What one object may cost a worker process, watched from outside: a stalled worker cannot watch itself.

A worker reports four times a second that it goes on: with outcomes, or with `Alive`. While it decodes one object
from memory it cannot; a big file makes it report as it is read, and as its rows are decoded.
"""

import contextlib
import os
import resource
import signal
import time
from pathlib import Path
from typing import NamedTuple

TIME_EXCEEDED = "time_exceeded"
"""The reason of an object that kept its worker busy, or blocked, for longer than allowed."""
MEMORY_EXCEEDED = "memory_exceeded"
"""The reason of an object that made its worker use more memory than allowed."""
WORKER_CRASHED = "worker_crashed"
"""The reason of an object that ended its worker by a fault in native code."""
EXCEEDED = frozenset({TIME_EXCEEDED, MEMORY_EXCEEDED, WORKER_CRASHED})
"""The reasons that a change of the limits can remove: an object is then tried again."""
NO_MEMORY_CODE = 75
"""The exit code of a worker that the system refused memory."""
_FAULTS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT})
_LONGEST_STEP = 2.0  # of silence counted between two checks: a parent that was suspended must blame no worker


class WorkerLimits(NamedTuple):
    """What a worker may use between two signs of progress."""

    cpu_seconds: float = 4.0
    """Processor time without progress; known on Linux only. 4 MiB of ordinary content take a tenth of it."""
    silent_seconds: float = 120.0
    """Time without progress, whether it computes or waits for a disk."""
    memory_bytes: int = 4 * 1024**3
    """Resident memory; known on Linux only, elsewhere a limit of the address space as far as the system keeps it."""

    def describe(self, reason: str) -> str:
        """Return what an object has exceeded, as a problem's detail."""
        if reason == MEMORY_EXCEEDED:
            return f"decoding it takes more than {self.memory_bytes:,} bytes of memory"
        return f"decoding it takes more than {self.cpu_seconds:g} s of processor time, or {self.silent_seconds:g} s"


class ProcessUse(NamedTuple):
    """What a process has used so far."""

    cpu_seconds: float
    """Processor time, of user and system."""
    memory_bytes: int
    """Resident memory."""


def use_of(number: int) -> ProcessUse | None:
    """Return what a process uses, from ``/proc``; None where that is not known."""
    try:
        stat = Path(f"/proc/{number}/stat").read_bytes()
        pages = int(Path(f"/proc/{number}/statm").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    # The name in parentheses may hold anything; utime and stime are fields 14 and 15.
    fields = stat.rpartition(b")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ProcessUse(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def cause_of_end(code: int) -> tuple[str, str]:
    """Return reason and detail of an object that ended its worker with an exit code; empty where it need not have.

    A fault of native code comes from the process itself, unlike the signal of a system short of memory or of an
    operator.
    """
    if code == NO_MEMORY_CODE:
        return MEMORY_EXCEEDED, "decoding it takes more memory than the system gives to a process"
    if -code in _FAULTS:
        return WORKER_CRASHED, f"its worker ended by {signal.Signals(-code).name}"
    return "", ""


def limit_memory(memory_bytes: int) -> None:
    """Limit this process's address space where its memory cannot be watched from outside."""
    if use_of(os.getpid()) is not None:
        return
    # Some systems refuse the limit, some do not keep it.
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, hard))


class WorkerWatch:
    """Watches one worker against its limits."""

    def __init__(self, number: int, limits: WorkerLimits) -> None:
        """Begin now, for the process ``number``."""
        self._number = number
        self._limits = limits
        self._silent = 0.0
        self._looked_at = time.monotonic()
        self._cpu_at_progress: float | None = None

    def progressed(self) -> None:
        """Note a sign of progress."""
        self._silent = 0.0
        self._cpu_at_progress = None

    def exceeded(self) -> str:
        """Return the cause for which the worker has to be ended, empty when there is none. Takes two small reads."""
        now = time.monotonic()
        self._silent += min(now - self._looked_at, _LONGEST_STEP)
        self._looked_at = now
        use = use_of(self._number)
        if use is not None:
            if use.memory_bytes > self._limits.memory_bytes:
                return MEMORY_EXCEEDED
            if self._cpu_at_progress is None:
                self._cpu_at_progress = use.cpu_seconds
            if use.cpu_seconds - self._cpu_at_progress > self._limits.cpu_seconds:
                return TIME_EXCEEDED
        return TIME_EXCEEDED if self._silent > self._limits.silent_seconds else ""
