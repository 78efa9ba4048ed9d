"""``nimble-harvester runs``: what Nimble says of job runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click

from harvester.cli.tasks_output import Format, Record, format_option, print_document, print_records, run_record
from harvester.tasks.client import NimbleClient
from harvester.tasks.model import Run

_COLUMNS = ("id", "state", "word", "job_id", "started_at", "finished_at", "input_count", "result_count", "error")


@click.group()
def runs() -> None:
    """Runs of Nimble Jobs: their state, and how many rows they say to have written."""


@runs.command("get")
@click.argument("run_id")
@format_option
def get(run_id: str, form: Format) -> None:
    """Show a run of a job.

    \b
    nimble-harvester runs get run_42 --format json
    """
    with NimbleClient.from_environment() as client:
        record = run_record(client.run(run_id))
    if form == "json":
        print_document("run", record)
    else:
        print_records(form, [record], one="run", many="runs", columns=_COLUMNS)


@runs.command("list")
@click.argument("job_ids", metavar="[JOB_ID]...", nargs=-1)
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many runs; default: all.")
@format_option
def list_(job_ids: tuple[str, ...], limit: int | None, form: Format) -> None:
    """List the runs of jobs, all pages; without a job: of every job of the account.

    \b
    nimble-harvester runs list job_42
    """
    with NimbleClient.from_environment() as client:
        records: Iterator[Record] = (run_record(run) for run in islice(_runs(client, job_ids), limit))
        print_records(form, records, one="run", many="runs", columns=_COLUMNS)


def _runs(client: NimbleClient, job_ids: tuple[str, ...]) -> Iterator[Run]:
    for job_id in job_ids or client.job_ids():
        yield from client.runs(job_id)
