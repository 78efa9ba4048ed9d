"""``cat``: the landed rows, for a pipe or a consumer."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Literal

import click

from harvester import text
from harvester.cli.shared.options.option_errors import options_exclusive
from harvester.cli.shared.options.parameters import DESTINATION, MOMENT, row_filter_options, state_option
from harvester.cli.shared.reports.filter_output import print_unknown_names
from harvester.destination import ReadAccount, ResultRow, RowFilter, acknowledge, read, unreadable_error
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError


@click.command(
    "cat",
    epilog="""\b
Examples:
  nimble-harvester cat ./results | jq -r .url
  nimble-harvester cat ./results --select data.markdown
  nimble-harvester cat ./results --run last --meta
  nimble-harvester cat ./results --after POSITION --meta > new.jsonl
  nimble-harvester cat ./results --consumer warehouse --ack -- ./load-rows
""",
)
@click.argument("dest", type=DESTINATION)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD …]")
@click.option(
    "--after",
    multiple=True,
    metavar="POSITION",
    help="Only what follows this position of --meta; 0 for everything. Of several, e.g. the last of each epoch, the"
    " newest counts; after a restore the others show where to go on.",
)
@click.option("--consumer", metavar="NAME", help="Only what this consumer has not acknowledged, within its filter.")
@click.option("--ack", is_flag=True, help="Acknowledge for --consumer: a regular file as output, or -- CMD.")
@click.option("--run", metavar="RUN", help="Only what this run landed: a number, or 'last'.")
@click.option("--select", "selected", metavar="PATH", help="Only this value of each result, e.g. data.markdown.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="No keys that match; may be repeated.")
@click.option("--since", type=MOMENT, help="Only objects modified since, e.g. 24h or 2026-01-31T00:00:00Z.")
@click.option("--until", type=MOMENT, help="Only objects modified before.")
@click.option("--task", "tasks", multiple=True, metavar="ID", help="Only this task; may be repeated.")
@row_filter_options
@click.option(
    "--meta", is_flag=True, help="Add position, seq, row, key, version, run, task id, landing time, and tombstones."
)
@state_option
def cat_command(
    *,
    dest: Path,
    command: tuple[str, ...],
    after: tuple[str, ...],
    consumer: str | None,
    ack: bool,
    run: str | None,
    selected: str | None,
    exclude: tuple[str, ...],
    since: float | None,
    until: float | None,
    tasks: tuple[str, ...],
    include: tuple[str, ...],
    shapes: tuple[str, ...],
    statuses: tuple[str, ...],
    agents: tuple[str, ...],
    meta: bool,
    state_dir: Path | None,
) -> int:
    """Stream the landed rows of DEST as JSON Lines.

    One line for each envelope and for each row of a jobs file, in the order they landed, numbers unchanged to the
    digit. With --meta each line has the "position" to go on after.

    With --consumer NAME --ack, what was written is acknowledged: after it is synced to disk where standard output is a
    regular file, or when CMD, which gets it as standard input, exits 0.
    """
    wanted = RowFilter(include, exclude, since, until, shapes, statuses, tasks, agents)
    _check(consumer, command, run=run, ack=ack)
    account = ReadAccount()
    rows = read(
        dest,
        after=after,
        consumer=consumer,
        run=_run(run),
        selected=selected,
        wanted=None if wanted == RowFilter() else wanted,
        tombstones=meta,
        state_dir=state_dir,
        account=account,
    )
    lines = _Lines(rows, meta=meta)
    if command:
        code = _feed(command, lines)
        if code:
            click.echo(f"{command[0]} exited with {code}: nothing is acknowledged", err=True)
            return code
    else:
        output = sys.stdout.buffer
        for line in lines:
            output.write(line)
        output.flush()
    if ack and consumer is not None:
        if not command:
            os.fsync(sys.stdout.fileno())
        acknowledge(dest, consumer, account.position, state_dir=state_dir)
    _report(account, selected, found=lines.found)
    if not lines.found:
        print_unknown_names(dest, wanted, state_dir=state_dir)
    if account.unreadable:
        raise unreadable_error(dest, account)
    return 0


def _check(consumer: str | None, command: tuple[str, ...], *, run: str | None, ack: bool) -> None:
    """Raise UsageError for what cannot be acknowledged."""
    if ack and consumer is None:
        raise UsageError(
            "--ack needs a consumer",
            cause="an acknowledged position belongs to one",
            code=ErrorCode.ACKNOWLEDGEMENT_UNSAFE,
        )
    if command and not ack:
        raise UsageError(
            "a command is fed to acknowledge what it took",
            cause="--ack is missing",
            code=ErrorCode.ACKNOWLEDGEMENT_UNSAFE,
        )
    if run is not None and consumer is not None:
        raise options_exclusive(
            "--run and --consumer exclude each other",
            f"--run {shlex.quote(run)}",
            f"--consumer {shlex.quote(consumer)}",
            cause="a consumer reads all runs in order",
        )
    if ack and not command and not stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
        raise UsageError(
            "--ack needs a regular file as standard output, or a command",
            cause="a pipe takes bytes that its reader may never work off",
            code=ErrorCode.ACKNOWLEDGEMENT_UNSAFE,
        )


class _Lines:
    """The lines to write, and whether there were any."""

    def __init__(self, rows: Iterator[ResultRow], *, meta: bool) -> None:
        self._rows = rows
        self._meta = meta
        self.found = False

    def __iter__(self) -> Iterator[bytes]:
        meta = self._meta
        for row in self._rows:
            self.found = True
            yield (row.with_meta() if meta else row.text) + b"\n"


def _feed(command: tuple[str, ...], lines: _Lines) -> int:
    """Run a command with the lines as its standard input; return its exit code, 1 where it did not take them all."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE)  # noqa: S603  # the caller's own command
    except OSError as error:
        raise UsageError(
            f"{command[0]} cannot be started", cause=error.strerror or "", code=ErrorCode.FILE_UNREADABLE
        ) from error
    complete = _write(process.stdin, lines)
    code = process.wait()
    if code < 0:
        return 128 - code
    if not complete and code == 0:
        click.echo(f"{command[0]} did not read all of its input", err=True)
        return 1
    return code


def _write(target: IO[bytes] | None, lines: _Lines) -> bool:
    assert target is not None  # noqa: S101  # it was opened with a pipe; narrows the type
    try:
        with target:
            for line in lines:
                target.write(line)
    except BrokenPipeError:
        return False
    return True


def _report(account: ReadAccount, selected: str | None, *, found: bool) -> None:
    if account.evicted:
        click.echo(f"{text.count(account.evicted, 'evicted object')} cannot be read any more", err=True)
    if account.superseded:
        click.echo(
            f"{text.count(account.superseded, 'version')} replaced by newer ones before being read here", err=True
        )
    if account.without_value and not found:
        click.echo(
            f"none of {text.count(account.without_value, 'result')} has {selected}: "
            "between its dots a path has keys, or positions in an array from 0",
            err=True,
        )


def _run(text: str | None) -> int | Literal["last"] | None:
    if text is None:
        return None
    if text == "last":
        return "last"
    if not text.isdecimal():
        raise UsageError(f"not a run: {text!r}", cause="a run is a number, or last", code=ErrorCode.NO_SUCH_RUN)
    return int(text)
