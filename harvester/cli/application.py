"""The program: finds the verb, runs it, and turns the outcome into an exit code and an error of three lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import NoReturn

import click

from harvester import __version__
from harvester.cli.shared.command_group import LazyGroup
from harvester.cli.shared.failures import (
    print_dashes,
    print_error,
    print_unexpected,
    with_swapped_location,
)
from harvester.cli.shared.standard_streams import (
    BrokenStdout,
    StdoutRefused,
    check_stdout_was_open,
    detach_stdout,
    end_process,
    prepare_streams,
    use_utf8,
    write_rest,
)
from harvester.errors import ExitCode, HarvesterError

# Imported only when the verb is used, so that --help and completion answer at once.
COMMANDS: Mapping[str, str] = {
    "sync": "harvester.cli.commands.sync:sync_command",
    "ls": "harvester.cli.commands.ls:ls_command",
    "watch": "harvester.cli.commands.watch:watch_command",
    "listen": "harvester.cli.commands.listen:listen_command",
    "problems": "harvester.cli.commands.problems:problems",
    "verify": "harvester.cli.commands.verify:verify_command",
    "status": "harvester.cli.commands.status:status_command",
    "report": "harvester.cli.commands.report:report_command",
    "run": "harvester.cli.commands.run:run_command",
    "config": "harvester.cli.commands.config:config",
    "cat": "harvester.cli.commands.cat:cat_command",
    "consumers": "harvester.cli.commands.consumers:consumers",
    "profile": "harvester.cli.commands.profile:profile_command",
    "export": "harvester.cli.commands.export:export_command",
    "evict": "harvester.cli.commands.evict:evict_command",
    "purge": "harvester.cli.commands.purge:purge_command",
    "compact": "harvester.cli.commands.compact:compact_command",
    "rebind": "harvester.cli.commands.rebind:rebind_command",
    "policy": "harvester.cli.commands.policy.group:policy",
    "explain": "harvester.cli.commands.explain:explain_command",
    "test": "harvester.cli.commands.test:test_command",
    "backfill": "harvester.cli.commands.backfill.backfill_group:backfill",
    "reconcile": "harvester.cli.commands.reconcile:reconcile_command",
    "tasks": "harvester.cli.commands.tasks:tasks",
    "batches": "harvester.cli.commands.batches:batches",
    "runs": "harvester.cli.commands.runs:runs",
    "delivery-params": "harvester.cli.commands.delivery_params:delivery_params",
    "schema": "harvester.cli.commands.schema:schema_command",
    "completion": "harvester.cli.commands.completion:completion_command",
}

# The lines of --help, so that it imports no command; a test compares them with the commands' own.
SUMMARIES: Mapping[str, str] = {
    "sync": "Land every result under LOCATION in DEST.",
    "ls": "List the objects under LOCATION.",
    "watch": "Land results as they arrive, until stopped.",
    "listen": "Receive Nimble's webhooks and land the results of their tasks.",
    "problems": "List the known problems of DEST, accept them, or reopen them.",
    "verify": "Compare every landed file of DEST with its manifest.",
    "status": "Show what is known of each DEST.",
    "report": "Write the report of each DEST as one HTML file that loads nothing.",
    "run": "Run the pipelines of the configuration file, or each NAME.",
    "config": "Check the configuration file.",
    "cat": "Stream the landed rows of DEST as JSON Lines.",
    "consumers": "Create, list, acknowledge, rewind and forget the consumers of DEST.",
    "profile": "Show field statistics of the rows of DEST, and what has changed in them.",
    "export": "Write the rows of DEST that OUT does not hold yet as tables, each row once.",
    "evict": "Free the disk of results that were consumed.",
    "purge": "Erase results from DEST for good, for an erasure request.",
    "compact": "Drop rows of DEST that nothing needs any more.",
    "rebind": "Bind DEST to LOCATION, where its source has moved.",
    "policy": "Print, check, compare, merge and apply the policies of a bucket.",
    "explain": "Show what Nimble may do at LOCATION, and how to correct what is wrong.",
    "test": "Test the connection to each LOCATION as Nimble's form does.",
    "backfill": "Harvest a large LOCATION in shards, on one machine or many.",
    "reconcile": "Determine the outcome of every expected task.",
    "tasks": "Show single tasks, and fetch their results while Nimble holds them.",
    "batches": "Show batches, their tasks and progress, and wait for them.",
    "runs": "Show the runs of Nimble Jobs.",
    "delivery-params": "Print the storage parameters that make Nimble deliver to LOCATION.",
    "schema": "Print the JSON Schema of an output or a result shape.",
    "completion": "Print the completion script of a shell.",
}

# Verbs whose output is their purpose: without it they have failed.
DATA_VERBS = frozenset(
    {
        *("ls", "cat", "status", "problems", "consumers", "profile", "policy", "tasks", "batches", "runs"),
        *("delivery-params", "schema", "completion"),
    }
)

# The headings of --help; a verb without one stands under the last.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Set up": ("policy", "explain", "test", "delivery-params"),
    "Harvest": ("sync", "watch", "listen", "reconcile", "backfill", "run"),
    "Hand on": ("cat", "consumers", "export", "profile", "evict"),
    "Check": ("ls", "status", "problems", "verify", "report"),
    "Maintain": ("purge", "compact", "rebind", "config"),
    "Nimble's API": ("tasks", "batches", "runs"),
    "Other": ("schema", "completion"),
}


@click.group(
    cls=LazyGroup,
    lazy=COMMANDS,
    summaries=SUMMARIES,
    sections=SECTIONS,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
@click.version_option(__version__, "-V", "--version", prog_name="nimble-harvester")
@click.option(
    "--config",
    "config_file",
    type=click.Path(),
    metavar="FILE",
    envvar="NIMBLE_HARVESTER_CONFIG",
    help="The configuration file for run and config.",
)
def program(*, config_file: str | None) -> None:  # read by run and config from the context
    """Download what Nimble delivers into your bucket, and grant Nimble exactly the access it needs."""


def main(arguments: Iterable[str] | None = None) -> NoReturn:
    """Run the program on ``arguments`` (default: the process's own) and exit with its code."""
    if arguments is None:
        use_utf8()
    prepare_streams()
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        result = program.main(args=given, prog_name="nimble-harvester", standalone_mode=False)
        code = int(result) if isinstance(result, int) else ExitCode.OK
        if code == ExitCode.OK and next((each for each in given if each in COMMANDS), None) in DATA_VERBS:
            sys.stdout.flush()
            check_stdout_was_open()
    except click.exceptions.Exit as ending:
        code = ending.exit_code
    except click.ClickException as refusal:
        refusal.show()
        print_dashes(given)
        code = ExitCode.USAGE
    except click.Abort:
        click.echo("interrupted", err=True)
        code = ExitCode.SIGINT
    except HarvesterError as error:
        if isinstance(error, StdoutRefused):
            detach_stdout()
        print_error(with_swapped_location(error, given))
        code = error.exit_code
    except BrokenStdout:
        detach_stdout()
        code = ExitCode.OK
    except Exception as error:  # noqa: BLE001  # anything else is an error of this program, printed without a traceback
        code = print_unexpected(error, given)
    unwritten = write_rest()
    if unwritten is not None and code == ExitCode.OK:
        print_error(unwritten)
        code = unwritten.exit_code
    end_process(code, at_once=arguments is None)
