"""Start worker processes: a copy of this process where that is safe, which saves loading everything anew, else a new
interpreter."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NamedTuple, Protocol

import harvester
from harvester.storage import load_fetcher
from harvester.transfer.workers.message_socket import MessageSocket

_FIRST_BEHIND_STREAMS = 3


class WorkerProcess(Protocol):
    """A child process."""

    @property
    def pid(self) -> int:
        """Its number."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self) -> int:
        """Wait for its end and return its exit code, the negative number of the signal that killed it."""


class Launched(NamedTuple):
    """A worker process that has received no settings yet."""

    process: WorkerProcess
    """The process."""
    connection: MessageSocket
    """Our end of the socket pair."""

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.connection.close()


def launch(scheme: str) -> Launched:
    """Start a worker process for a source of ``scheme``; it loads its modules before its settings arrive."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = _fork(theirs, scheme) if _is_single_threaded() else _spawn(theirs, scheme)
    return Launched(process, MessageSocket(ours.detach()))


def _is_single_threaded() -> bool:
    """Return whether this process is certain to have one thread only.

    A copy of a process holds every lock that another thread held, for ever; threads that libraries started are not
    known to Python, so only the kernel's count is reliable. fork without exec is unsafe on macOS.
    """
    try:
        return sys.platform == "linux" and len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208  # not the paths
    except OSError:
        return False


def _spawn(theirs: socket.socket, scheme: str) -> WorkerProcess:
    # Loaded where this process cannot be copied.
    import subprocess

    # Everything this process can import, and nothing done at start-up by site: half of a worker's time to start.
    package = str(Path(harvester.__file__).parent.parent)
    return subprocess.Popen(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-S", "-P", "-m", "harvester.transfer.workers.worker_process", str(theirs.fileno()), scheme],
        pass_fds=(theirs.fileno(),),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (*sys.path, package)))},
    )


def _fork(theirs: socket.socket, scheme: str) -> WorkerProcess:
    # Loaded once, before the first copy is made.
    from harvester.transfer.workers.worker_process import ignore_interrupts, serve

    load_fetcher(scheme)
    # The child has the caller's signal handlers until it has reset them.
    held = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        number = os.fork()
    except OSError:
        # No memory for the tables of a copy as large as this.
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return _spawn(theirs, scheme)
    if number:
        copy = _ForkedProcess(number)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return copy
    # From here on this is the child. It never returns into the caller's code.
    status = 1
    try:
        ignore_interrupts()
        # In a program started without standard streams the socket may have the number of one.
        line = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD, _FIRST_BEHIND_STREAMS)
        _detach_from_parent(line)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        serve(MessageSocket(line))
        status = 0
    except BaseException:  # noqa: BLE001  # a bug of ours, reported as a new interpreter reports it; the child ends here
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _detach_from_parent(kept: int) -> None:
    """Reset inherited signal handlers and close inherited descriptors but ``kept`` and standard error.

    An inherited socket would keep its peer from seeing EOF.
    """
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1) if sys.__stderr__ is not None else (0, 1, 2):
        os.dup2(nothing, stream)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # numbers, not paths
        if int(name) >= _FIRST_BEHIND_STREAMS and int(name) != kept:
            # The listing's own is closed already.
            with contextlib.suppress(OSError):
                os.close(int(name))


class _ForkedProcess:
    """A forked child of this process."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._exit_code: int | None = None

    @property
    def pid(self) -> int:
        return self._number

    def kill(self) -> None:
        self._poll(os.WNOHANG)
        if self._exit_code is None:
            os.kill(self._number, signal.SIGKILL)

    def wait(self) -> int:
        self._poll(0)
        return self._exit_code or 0

    def _poll(self, options: int) -> None:
        """Keep the exit code if it has ended; 0 where another waiter has reaped it."""
        if self._exit_code is None:
            try:
                ended, status = os.waitpid(self._number, options)
            except ChildProcessError:
                self._exit_code = 0
            else:
                self._exit_code = os.waitstatus_to_exitcode(status) if ended else None
