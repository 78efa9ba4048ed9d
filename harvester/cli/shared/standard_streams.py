"""Standard output and standard error: closed ones, full disks, readers that stop reading."""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import io
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_closed_at_start = False
_FULL = (errno.ENOSPC, errno.EDQUOT)


def use_utf8() -> None:
    """Start the program again in Python's UTF-8 mode where the locale's encoding is another.

    Names of files are made of keys, which are UTF-8: in another encoding most cannot be written, and a later run in
    another locale would not find the others. A terminal keeps the locale's encoding.
    """
    if sys.getfilesystemencoding().lower() == "utf-8" or sys.flags.utf8_mode:
        return
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": f"{encoding}:backslashreplace"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606  # this program again


class BrokenStdout(Exception):
    """The reader of standard output has closed it."""


class StdoutRefused(DestinationUnusable):
    """Standard output cannot be written: the disk behind it is full."""


class _Stdout(io.FileIO):
    """Standard output, whose failures have a type of their own."""

    written = 0
    """Bytes written so far."""

    def write(self, data: ReadableBuffer) -> int:
        """Write. Raises StdoutRefused, and BrokenPipeError when the reader has closed the pipe."""
        try:
            count = super().write(data)
            _Stdout.written += count
            return count
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StdoutRefused(
                "cannot write standard output",
                cause=error.strerror or str(error),
                code=ErrorCode.OUTPUT_NOT_WRITTEN,
            ) from error


@contextlib.contextmanager
def stdout_errors() -> Iterator[None]:
    """Turn a broken pipe into BrokenStdout, before click makes it exit code 1. Raises DestinationUnusable."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise BrokenStdout from None
    except OSError as error:
        if error.errno not in _FULL:
            raise
        detach_stdout()
        raise DestinationUnusable(
            "the output could not be written whole",
            cause=error.strerror or str(error),
            code=ErrorCode.OUTPUT_NOT_WRITTEN,
        ) from error


def prepare_streams() -> None:
    """Replace closed standard streams, and let standard output and error write every character."""
    global _closed_at_start  # a fact about the process
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _closed_at_start = _closed_at_start or number == 1
            # Else the next file opened gets this number, and messages are written into it.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "r", closefd=False)))
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    # A key can hold characters that the terminal's encoding, or no encoding, can write: they are escaped. What is no
    # terminal is UTF-8 in every locale: an escape would make JSON invalid, and a name another one.
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(encoding=None if os.isatty(2) else "utf-8", errors="backslashreplace")
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Stdout(1, "w", closefd=False)),
        encoding=sys.stdout.encoding if os.isatty(1) and sys.stdout is not None else "utf-8",
        errors="backslashreplace",
        line_buffering=os.isatty(1),
    )


def check_stdout_was_open() -> None:
    """Raise StdoutRefused when something was written to a standard output that was closed from the start."""
    if _closed_at_start and _Stdout.written:
        raise StdoutRefused("cannot write standard output", cause="it is closed", code=ErrorCode.OUTPUT_NOT_WRITTEN)


def write_rest() -> DestinationUnusable | None:
    """Write what is buffered for standard output; return the error where that is not possible.

    Else the interpreter would try it at exit, and replace the exit code by 120.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        detach_stdout()
    except StdoutRefused as error:
        detach_stdout()
        return error
    return None


def end_process(code: int, *, at_once: bool) -> NoReturn:
    """End the process with ``code``; standard output is written.

    ``at_once``, its exit handlers run and its objects are not freed one by one: of a short run that is a thirtieth.
    Not so while another thread goes on, or a debugger or profiler waits for the end.
    """
    if at_once and threading.active_count() == 1 and sys.gettrace() is None and sys.getprofile() is None:
        atexit._run_exitfuncs()  # noqa: SLF001  # as multiprocessing ends its processes
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    # Looking for cycles first would take longer than some verbs do.
    gc.freeze()
    sys.exit(code)


def detach_stdout() -> None:
    """Redirect standard output to the null device, so that flushing it at exit cannot fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
