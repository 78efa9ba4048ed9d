"""``nimble-harvester batches``: state of batches, and waiting for them."""

from __future__ import annotations

import time
from itertools import islice

import click

from harvester import text
from harvester.cli.shared.options.parameters import DURATION, api_option, format_option
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.reports.json_documents import OutputFormat
from harvester.cli.shared.reports.tasks_output import (
    ProgressLine,
    batch_record,
    print_counts,
    print_document,
    print_records,
    print_table,
    print_unknown,
    progress_record,
    summary_record,
    task_record,
)
from harvester.cli.shared.signals import stop_signals
from harvester.nimble_api import Batch, NimbleClient, unknown_states, wait_for_batches


@click.group()
def batches() -> None:
    """Show batches, their tasks and progress, and wait for them."""


@batches.command(
    "get",
    epilog="""\b
Examples:
  nimble-harvester batches get b7e1a2f3-4c5d-6e7f-8a9b-0c1d2e3f4a5b
  nimble-harvester batches get ID --format jsonl | jq -r 'select(.state == "failed") | .error'
""",
)
@click.argument("batch_id")
@api_option
@format_option("table", "json", "jsonl")
def get(batch_id: str, *, max_api_bytes: int, output: OutputFormat) -> None:
    """Show a batch and all its tasks; as JSON Lines: the tasks alone."""
    with NimbleClient.from_environment(max_response_bytes=max_api_bytes) as client:
        batch = client.batch(batch_id)
    tasks = [task_record(task) for task in batch.tasks]
    if output == "json":
        print_document("batch", {**batch_record(batch), "tasks": tasks})
    else:
        columns = ("id", "state", "word", "error_type", "error", "modified_at", "status_code", "output_url")
        print_records(output, tasks, one="task", many="tasks", columns=columns)
    _print_notes(batch, counts=output == "table")


@batches.command(
    "progress",
    epilog="""\b
Examples:
  nimble-harvester batches progress b7e1a2f3-4c5d-6e7f-8a9b-0c1d2e3f4a5b
""",
)
@click.argument("batch_id")
@api_option
@format_option("table", "json", "jsonl")
def progress(batch_id: str, *, max_api_bytes: int, output: OutputFormat) -> None:
    """Show the progress of a batch, without its tasks."""
    with NimbleClient.from_environment(max_response_bytes=max_api_bytes) as client:
        record = progress_record(client.progress(batch_id))
    if output == "table":
        print_table(tuple(record), [list(record.values())])
    else:
        print_document("batch-progress", record, indent=2 if output == "json" else None)


@batches.command(
    "list",
    epilog="""\b
Examples:
  nimble-harvester batches list
  nimble-harvester batches list --format jsonl | jq -r 'select(.completed | not) | .id'
""",
)
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many batches; default: all of the account.")
@api_option
@format_option("table", "json", "jsonl")
def list_(limit: int | None, *, max_api_bytes: int, output: OutputFormat) -> None:
    """List the batches of the account, all pages."""
    with NimbleClient.from_environment(max_response_bytes=max_api_bytes) as client:
        found = islice(client.batches(), limit)
        if output == "table":
            records = (summary_record(batch) for batch in found)
            rows = [(each["id"], each["completed"], each["created_at"], len(each["task_ids"])) for each in records]
            print_table(("id", "completed", "created_at", "tasks"), rows)
        else:
            print_records(output, map(summary_record, found), one="batch-summary", many="batches", columns=())


@batches.command(
    "wait",
    epilog="""\b
Examples:
  nimble-harvester batches wait b7e1a2f3-4c5d-6e7f-8a9b-0c1d2e3f4a5b --timeout 30m
""",
)
@click.argument("batch_ids", metavar="BATCH_ID...", nargs=-1, required=True)
@click.option("--timeout", type=DURATION, help="Give up after so long (90s, 15m, 2h): exit code 14; default: never.")
@api_option
@format_option("table", "json", "jsonl")
@quiet_option
def wait(batch_ids: tuple[str, ...], timeout: float | None, *, max_api_bytes: int, output: OutputFormat) -> None:
    """Wait until batches are completed, then print the number of tasks per state.

    Completed means that every task has ended, with success or failure.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    progress = ProgressLine()
    with (
        NimbleClient.from_environment(deadline=deadline, max_response_bytes=max_api_bytes) as client,
        stop_signals() as received,
    ):
        try:
            ended = wait_for_batches(
                client, tuple(dict.fromkeys(batch_ids)), deadline=deadline, report=progress.show, stop=received
            )
        finally:
            progress.end()
    records = [batch_record(batch) for batch in ended]
    if output == "table":
        states = [state for state in records[0]["counts"] if any(record["counts"][state] for record in records)]
        rows = [[record["id"], record["promised"], *map(record["counts"].get, states)] for record in records]
        print_table(("batch", "tasks", *states), rows)
    else:
        print_records(output, records, one="batch-outcome", many="batch-outcomes", columns=())
    for batch in ended:
        _print_notes(batch, counts=False)


def _print_notes(batch: Batch, *, counts: bool) -> None:
    if counts:
        print_counts(batch.counts)
    if batch.null_tasks:
        click.echo(
            f"{text.count(batch.null_tasks, 'task')} of batch {batch.id} given as null: "
            "the API returned no information about them",
            err=True,
        )
    print_unknown(unknown_states(batch.tasks))
