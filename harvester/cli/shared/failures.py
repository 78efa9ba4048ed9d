"""How a failure is printed: at most three lines, escaped, without a traceback."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

import click

from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, ExitCode, HarvesterError, UsageError
from harvester.text import is_utf8, printable

_SHOWN = 80
_DASHES = "–—−‐‑"  # what word processors and web pages make of hyphens


def print_bug(error: Exception) -> ExitCode:
    """Print the type and the place of an unexpected exception, and return its exit code."""
    if os.environ.get("NIMBLE_HARVESTER_DEBUG"):
        import traceback

        traceback.print_exception(error)
    # By hand: where descriptors have run out, nothing more can be imported.
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    place = ""
    if innermost is not None:
        code = innermost.tb_frame.f_code
        place = f" in {code.co_name}, {code.co_filename}:{innermost.tb_lineno}"
    # Not the message: it may quote a payload or a secret.
    click.echo(f"error: a bug in nimble-harvester: {type(error).__name__}{place}", err=True)
    if isinstance(error, OSError) and error.strerror:
        click.echo(f"  {error.strerror}", err=True)
    click.echo("  please report it; NIMBLE_HARVESTER_DEBUG=1 shows the traceback", err=True)
    return ExitCode.BUG


def print_unexpected(error: Exception, arguments: Sequence[str]) -> ExitCode:
    """Print what a removed directory or an argument has caused, where one has; else print the bug."""
    found = _explained(error, arguments)
    if found is None:
        return print_bug(error)
    print_error(found)
    return ExitCode(found.exit_code)


def _explained(error: Exception, arguments: Sequence[str]) -> HarvesterError | None:
    if isinstance(error, FileNotFoundError):
        try:
            Path.cwd()
        except FileNotFoundError:
            return DestinationUnusable("the current directory does not exist", code=ErrorCode.CURRENT_DIRECTORY_GONE)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return UsageError(f"a name is too long: {str(error.filename or '')[:_SHOWN]!r}…")
    if isinstance(error, UnicodeEncodeError):
        for each in arguments:
            if not is_utf8(each):
                return UsageError(f"an argument is not UTF-8: {each!r}", cause="it would be sent, or stored as text")
    return None


def print_dashes(arguments: Sequence[str]) -> None:
    """Print which arguments begin with a dash that a word processor made of a hyphen, after they were refused."""
    for each in arguments:
        if each.startswith(tuple(_DASHES)):
            meant = printable(f"--{each.lstrip(_DASHES)}")
            click.echo(f"{printable(each)} begins with a dash in place of hyphens: write {meant}", err=True)


def with_swapped_location(error: HarvesterError, arguments: Sequence[str]) -> HarvesterError:
    """Return the error of a directory in the place of LOCATION with the location that was given behind it."""
    if error.code is not ErrorCode.LOCATION_WITHOUT_SCHEME or error.subject not in arguments:
        return error
    following = arguments[arguments.index(error.subject) + 1 :][:1]
    if not following or not re.match(r"(?i)(s3|gs|file)://", following[0]):
        return error
    return error.with_parameters(swapped=following[0])


def print_error(error: HarvesterError) -> None:
    """Print the three lines of an error: what failed, the cause, the next step."""
    # Loaded by the runs that fail.
    from harvester.cli.shared.next_steps import next_step

    what, *more = map(printable, filter(None, (*error.lines(), next_step(error))))
    click.echo(f"error: {what}", err=True)
    for line in more:
        click.echo(f"  {line}", err=True)
