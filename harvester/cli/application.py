"""The program: finds the verb, runs it, turns every ending into an exit code and at most three lines of error."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import click

from harvester import __version__
from harvester.cli.option_variables import name_variables
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, ExitCode, HarvesterError
from harvester.text import printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Imported only when the verb is used, so that --help and completion answer at once.
COMMANDS: Mapping[str, str] = {
    "sync": "harvester.cli.commands.sync:sync_command",
    "ls": "harvester.cli.commands.ls:ls_command",
    "watch": "harvester.cli.commands.watch:watch_command",
    "listen": "harvester.cli.commands.listen:listen_command",
    "verify": "harvester.cli.commands.verify:verify_command",
    "status": "harvester.cli.commands.status:status_command",
    "cat": "harvester.cli.commands.cat:cat_command",
    "evict": "harvester.cli.commands.evict:evict_command",
    "policy": "harvester.cli.commands.policy.group:policy",
    "explain": "harvester.cli.commands.explain:explain_command",
    "test": "harvester.cli.commands.test:test_command",
    "reconcile": "harvester.cli.commands.reconcile:reconcile_command",
    "tasks": "harvester.cli.commands.tasks:tasks",
    "batches": "harvester.cli.commands.batches:batches",
    "runs": "harvester.cli.commands.runs:runs",
    "delivery-params": "harvester.cli.commands.delivery_params:delivery_params",
    "schema": "harvester.cli.commands.schema:schema_command",
    "completion": "harvester.cli.commands.completion:completion_command",
}

# What --help says of each without importing it; a test holds them to the commands' own words.
SUMMARIES: Mapping[str, str] = {
    "sync": "Bring every result under LOCATION home to DEST.",
    "ls": "List the objects under LOCATION.",
    "watch": "Bring results home as they arrive, until stopped.",
    "listen": "Receive Nimble's webhooks, and bring home what they announce.",
    "verify": "Hold every landed file of DEST against its manifest.",
    "status": "Show what is known of each DEST.",
    "cat": "Stream the landed results of DEST as JSON Lines.",
    "evict": "Free the disk of results that were consumed.",
    "policy": "Print, check, compare, merge and apply the policies that open a bucket.",
    "explain": "Say what Nimble may do at LOCATION, and what to mend.",
    "test": "Test the connection to each LOCATION as Nimble's form does.",
    "reconcile": "Account for every task that was promised.",
    "tasks": "Show single tasks, and fetch their results while Nimble holds them.",
    "batches": "Show batches, their tasks and progress, and wait for them.",
    "runs": "Show the runs of Nimble Jobs.",
    "delivery-params": "Print the storage parameters that make Nimble deliver to LOCATION.",
    "schema": "Print the JSON Schema of an output or a result shape.",
    "completion": "Print the completion script of a shell.",
}


_FULL = (errno.ENOSPC, errno.EDQUOT)


class _ReaderLeft(Exception):
    """Whoever read our standard output has closed it."""


class _OutputRefused(DestinationUnusable):
    """Standard output takes no more: the disk it goes to is full."""


class _Output(io.FileIO):
    """Standard output, which tells its own failures from those of every other file."""

    def write(self, data: ReadableBuffer) -> int:
        """Write; a reader that has left stays a BrokenPipeError."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _OutputRefused(
                "cannot write standard output",
                cause=error.strerror or str(error),
                code=ErrorCode.OUTPUT_NOT_WRITTEN,
            ) from error


@contextlib.contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Keep a broken pipe from click, which would make it exit code 1."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise _ReaderLeft from None
    except OSError as error:
        if error.errno not in _FULL:
            raise
        forsake_output()
        raise DestinationUnusable(
            "the output could not be written whole",
            cause=error.strerror or str(error),
            code=ErrorCode.OUTPUT_NOT_WRITTEN,
        ) from error


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def __init__(
        self, *args: object, lazy: Mapping[str, str], summaries: Mapping[str, str] | None = None, **kwargs: object
    ) -> None:
        """Take ``lazy``: the command's name to ``module:attribute``; ``summaries``: what --help says of each."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own signature is wide; passed through
        self._lazy = lazy
        self._summaries = summaries or {}

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Parse, which may print the help."""
        with _reader_may_leave():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        with _reader_may_leave():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names in the order of the table, which is the order of use."""
        return list(self._lazy)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """Write the list of verbs from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summaries.get(name, "")) for name in self._lazy])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; of a mistyped one say which was meant."""
        if args[0] not in self._lazy and not ctx.resilient_parsing:
            import difflib

            similar = difflib.get_close_matches(args[0], self._lazy, n=1)
            if similar:
                ctx.fail(f"No such command {args[0]!r}. Did you mean {similar[0]!r}?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None for an unknown name."""
        target = self._lazy.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        path = [*_groups(ctx), cmd_name]
        name_variables(command, "_".join(("nimble-harvester", *path)).replace("-", "_").upper())
        return command


def _groups(ctx: click.Context) -> list[str]:
    """Return the names of the groups a command is in, the program itself aside."""
    return [] if ctx.parent is None else [*_groups(ctx.parent), str(ctx.info_name)]


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    summaries=SUMMARIES,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="nimble-harvester")
def program() -> None:
    """Bring Nimble's delivered results home, and open the bucket to Nimble alone."""


def main(arguments: Iterable[str] | None = None) -> NoReturn:
    """Run the program on ``arguments`` (default: the process's own) and exit with its code."""
    _prepare_streams()
    # A run holds many values and hardly any cycle: with Python's own thresholds the collector would walk them all the
    # time, from the first import on.
    gc.set_threshold(50_000, 20, 20)
    try:
        result = program.main(
            args=None if arguments is None else list(arguments), prog_name="nimble-harvester", standalone_mode=False
        )
        code = int(result) if isinstance(result, int) else ExitCode.OK
    except click.exceptions.Exit as ending:
        code = ending.exit_code
    except click.ClickException as refusal:
        refusal.show()
        code = ExitCode.USAGE
    except click.Abort:
        click.echo("interrupted", err=True)
        code = ExitCode.SIGINT
    except HarvesterError as error:
        if isinstance(error, _OutputRefused):
            forsake_output()
        print_error(error)
        code = error.exit_code
    except _ReaderLeft:
        forsake_output()
        code = ExitCode.OK
    except Exception as error:  # noqa: BLE001  # whatever else it is, it is a bug of ours, told without a traceback
        code = _print_bug(error)
    # The process ends with all it holds: looking for cycles in that first would take longer than some verbs do.
    gc.freeze()
    sys.exit(code)


def _prepare_streams() -> None:
    """Make the standard streams fit for whatever is written, and for whoever has closed them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Or the next file opened would get this number, and what is meant for a person would be written into it.
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    # A key can hold what the terminal's encoding, or none, can write: show it escaped instead of failing.
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(_Output(1, "w", closefd=False)),
        encoding=None if sys.stdout is None else sys.stdout.encoding,
        errors="backslashreplace",
        line_buffering=os.isatty(1),
    )


def forsake_output() -> None:
    """Send what is still written to standard output nowhere: nobody takes it, and Python would complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_bug(error: Exception) -> int:
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


def print_error(error: HarvesterError) -> None:
    """Print the three lines of an error: what failed, the cause, the next step."""
    from harvester.cli.shared.next_steps import next_step

    what, *more = map(printable, filter(None, (*error.lines(), next_step(error))))
    click.echo(f"error: {what}", err=True)
    for line in more:
        click.echo(f"  {line}", err=True)
