"""``--quiet`` of verbs that print a report: nothing where the exit code is 0."""

from __future__ import annotations

import contextlib
import functools
import io
import sys
from collections.abc import Callable
from typing import Any, TextIO, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Held(io.StringIO):
    """What is written to a stream, kept back; where it will go is that of the stream."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def quiet_option(command: _Command) -> _Command:
    """Add the option; the command itself knows nothing of it, and returns its exit code."""

    @functools.wraps(command)
    def held(*context: Any, quiet: bool, **values: Any) -> Any:
        if not quiet:
            return command(*context, **values)
        out, errors = _Held(sys.stdout), io.StringIO()
        code = None
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
                code = command(*context, **values)
        finally:
            # Also where an error ends it: the notes may explain the error.
            if code or (code is None and sys.exception() is not None):
                sys.stderr.write(errors.getvalue())
                sys.stdout.write(out.getvalue())
        return code

    return click.option("-q", "--quiet", is_flag=True, help="Print nothing unless the exit code is not 0.")(held)  # type: ignore[return-value]  # the same command with a further option
