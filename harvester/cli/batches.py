"""``nimble-harvester batches``: what Nimble says of batches, and waiting for them."""

from __future__ import annotations

import time
from itertools import islice

import click

from harvester.cli.tasks_duration import duration
from harvester.cli.tasks_output import (
    Format,
    ProgressLine,
    batch_record,
    format_option,
    print_counts,
    print_document,
    print_records,
    print_table,
    print_unknown,
    progress_record,
    summary_record,
    task_record,
)
from harvester.tasks.client import NimbleClient
from harvester.tasks.model import Batch, unknown_words
from harvester.tasks.waiting import wait_for_batches


@click.group()
def batches() -> None:
    """Batches: their tasks, their progress, and waiting for them."""


@batches.command("get")
@click.argument("batch_id")
@format_option
def get(batch_id: str, form: Format) -> None:
    """Show a batch and all its tasks; as JSON Lines: the tasks alone.

    \b
    nimble-harvester batches get b7e1a2f3-4c5d-6e7f-8a9b-0c1d2e3f4a5b
    nimble-harvester batches get ID --format jsonl | jq -r 'select(.state == "failed") | .error'
    """
    with NimbleClient.from_environment() as client:
        batch = client.batch(batch_id)
    tasks = [task_record(task) for task in batch.tasks]
    if form == "json":
        print_document("batch", {**batch_record(batch), "tasks": tasks})
    else:
        columns = ("id", "state", "word", "modified_at", "status_code", "output_url", "error_type", "error")
        print_records(form, tasks, one="task", many="tasks", columns=columns)
    _say(batch, counts=form == "table")


@batches.command("progress")
@click.argument("batch_id")
@format_option
def progress(batch_id: str, form: Format) -> None:
    """Show how far a batch is, without its tasks.

    \b
    nimble-harvester batches progress b7e1a2f3-4c5d-6e7f-8a9b-0c1d2e3f4a5b
    """
    with NimbleClient.from_environment() as client:
        record = progress_record(client.progress(batch_id))
    if form == "table":
        print_table(tuple(record), [list(record.values())])
    else:
        print_document("batch-progress", record, indent=2 if form == "json" else None)


@batches.command("list")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many batches; default: all of the account.")
@format_option
def list_(limit: int | None, form: Format) -> None:
    """List the batches of the account, all pages.

    \b
    nimble-harvester batches list
    nimble-harvester batches list --format jsonl | jq -r 'select(.completed | not) | .id'
    """
    with NimbleClient.from_environment() as client:
        found = islice(client.batches(), limit)
        if form == "table":
            rows = [(batch.id, batch.completed, batch.created_at, len(batch.task_ids)) for batch in found]
            print_table(("id", "completed", "created_at", "tasks"), rows)
        else:
            records = (summary_record(batch) for batch in found)
            print_records(form, records, one="batch-summary", many="batches", columns=())


@batches.command("wait")
@click.argument("batch_ids", metavar="BATCH_ID...", nargs=-1, required=True)
@click.option("--timeout", type=duration, help="Give up after so long (90s, 15m, 2h): exit code 14; default: never.")
@format_option
def wait(batch_ids: tuple[str, ...], timeout: float | None, form: Format) -> None:
    """Wait until batches are completed, then say how many tasks are in each state.

    Completed means that every task has ended, well or badly.

    \b
    nimble-harvester batches wait b7e1a2f3-4c5d-6e7f-8a9b-0c1d2e3f4a5b --timeout 30m
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    with NimbleClient.from_environment(deadline=deadline) as client:
        ended = wait_for_batches(client, tuple(dict.fromkeys(batch_ids)), deadline=deadline, report=ProgressLine().show)
    records = [batch_record(batch) for batch in ended]
    if form == "table":
        states = tuple(records[0]["counts"])
        rows = [[record["id"], record["promised"], *record["counts"].values()] for record in records]
        print_table(("batch", "tasks", *states), rows)
    else:
        print_records(form, records, one="batch-outcome", many="batch-outcomes", columns=())
    for batch in ended:
        _say(batch, counts=False)


def _say(batch: Batch, *, counts: bool) -> None:
    if counts:
        print_counts(batch.counts)
    if batch.null_tasks:
        click.echo(f"{batch.null_tasks} tasks of batch {batch.id} are null: the API tells nothing of them", err=True)
    print_unknown(unknown_words(batch.tasks))
