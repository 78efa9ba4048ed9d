"""``nimble-harvester runs``: state of job runs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click

from harvester.cli.shared.options.parameters import api_option, format_option
from harvester.cli.shared.reports.json_documents import OutputFormat
from harvester.cli.shared.reports.tasks_output import Record, print_document, print_records, run_record
from harvester.nimble_api import NimbleClient, Run

_COLUMNS = ("id", "state", "word", "result_count", "input_count", "error", "finished_at", "started_at", "job_id")


@click.group()
def runs() -> None:
    """Show the runs of Nimble Jobs."""


@runs.command(
    "get",
    epilog="""\b
Examples:
  nimble-harvester runs get run_42 --format json
""",
)
@click.argument("run_id")
@api_option
@format_option("table", "json", "jsonl")
def get(run_id: str, *, max_api_bytes: int, output: OutputFormat) -> None:
    """Show a run of a job."""
    with NimbleClient.from_environment(max_response_bytes=max_api_bytes) as client:
        record = run_record(client.run(run_id))
    if output == "json":
        print_document("job-run", record)
    else:
        print_records(output, [record], one="job-run", many="job-runs", columns=_COLUMNS)


@runs.command(
    "list",
    epilog="""\b
Examples:
  nimble-harvester runs list job_42
""",
)
@click.argument("job_ids", metavar="[JOB_ID]...", nargs=-1)
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many runs; default: all.")
@api_option
@format_option("table", "json", "jsonl")
def list_(job_ids: tuple[str, ...], limit: int | None, *, max_api_bytes: int, output: OutputFormat) -> None:
    """List the runs of jobs, all pages; without a job: of every job of the account."""
    with NimbleClient.from_environment(max_response_bytes=max_api_bytes) as client:
        records: Iterator[Record] = (run_record(run) for run in islice(_runs(client, job_ids), limit))
        print_records(output, records, one="job-run", many="job-runs", columns=_COLUMNS)


def _runs(client: NimbleClient, job_ids: tuple[str, ...]) -> Iterator[Run]:
    for job_id in job_ids or client.job_ids():
        yield from client.runs(job_id)
