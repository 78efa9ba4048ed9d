"""``nimble-harvester tasks``: state and results of single tasks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from itertools import islice

import click

from harvester.cli.shared.options.parameters import api_option, format_option
from harvester.cli.shared.reports.json_documents import OutputFormat
from harvester.cli.shared.reports.tasks_output import (
    Record,
    counts_record,
    print_counts,
    print_document,
    print_records,
    print_unknown,
    task_record,
)
from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.nimble_api import NimbleClient, Task, TaskResult, counts_by_state, unknown_states

_COLUMNS = ("id", "state", "word", "error_type", "error", "modified_at", "status_code", "batch_id")


@click.group()
def tasks() -> None:
    """Show single tasks, and fetch their results while Nimble holds them."""


@tasks.command(
    "get",
    epilog="""\b
Examples:
  nimble-harvester tasks get 8e8cfde8-345b-42b8-b3e2-0c61eb11e00f
  nimble-harvester tasks get ID --format jsonl | jq -r .state
""",
)
@click.argument("task_ids", metavar="TASK_ID...", nargs=-1, required=True)
@api_option
@format_option("table", "json", "jsonl")
def get(task_ids: tuple[str, ...], *, max_api_bytes: int, output: OutputFormat) -> None:
    """Show the state of tasks."""
    with NimbleClient.from_environment(max_response_bytes=max_api_bytes) as client:
        _print_tasks(output, (client.task(task_id) for task_id in task_ids))


@tasks.command(
    "list",
    epilog="""\b
Examples:
  nimble-harvester tasks list --limit 20
  nimble-harvester tasks list --format jsonl > tasks.jsonl
""",
)
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many tasks; default: all of the account.")
@api_option
@format_option("table", "json", "jsonl")
def list_(limit: int | None, *, max_api_bytes: int, output: OutputFormat) -> None:
    """List the tasks of the account, all pages."""
    with NimbleClient.from_environment(max_response_bytes=max_api_bytes) as client:
        _print_tasks(output, islice(client.tasks(), limit))


@tasks.command(
    "results",
    epilog="""\b
Examples:
  nimble-harvester tasks results 8e8cfde8-345b-42b8-b3e2-0c61eb11e00f --raw > result.json
  nimble-harvester tasks results ID1 ID2 --format jsonl
""",
)
@click.argument("task_ids", metavar="TASK_ID...", nargs=-1, required=True)
@click.option("--raw", is_flag=True, help="Write the body as the API sent it, to the byte; for one task.")
@api_option
@format_option("table", "json", "jsonl")
def results(task_ids: tuple[str, ...], *, raw: bool, max_api_bytes: int, output: OutputFormat) -> None:
    """Fetch results from Nimble while it still holds them, without a bucket."""
    if raw and len(task_ids) > 1:
        raise UsageError(
            "--raw takes one task only",
            cause="several bodies would be concatenated",
            code=ErrorCode.OPTION_REPEATED,
            parameters={"option": "TASK_ID"},
        )
    with NimbleClient.from_environment(max_response_bytes=max_api_bytes) as client:
        if raw:
            sys.stdout.buffer.write(client.results(task_ids[0]).content)
            sys.stdout.buffer.flush()
        elif output == "jsonl":
            for task_id in task_ids:
                print_document("task-result", _result_record(client.results(task_id)), indent=None)
        elif output == "json":
            fetched = [client.results(task_id) for task_id in task_ids]
            print_document("task-results", {"task_results": [_result_record(result) for result in fetched]})
        else:
            shown = (_result_summary(client.results(task_id)) for task_id in task_ids)
            print_records(
                output,
                shown,
                one="task-result",
                many="task-results",
                columns=("task_id", "content_type", "bytes", "status", "data"),
            )


def _print_tasks(output: OutputFormat, found: Iterable[Task]) -> None:
    seen: list[Task] = []

    def records() -> Iterable[Record]:
        for task in found:
            seen.append(task)
            yield task_record(task)

    print_records(
        output,
        records(),
        one="task",
        many="tasks",
        columns=_COLUMNS,
        also=lambda _: {"counts": counts_record(counts_by_state(seen))},
    )
    if output == "table":
        print_counts(counts_by_state(seen))
    print_unknown(unknown_states(seen))


def _result_record(result: TaskResult) -> Record:
    return {"task_id": result.task_id, "result": _document(result)}


def _result_summary(result: TaskResult) -> Record:
    summary: dict[str, object] = {
        "task_id": result.task_id,
        "content_type": result.content_type,
        "bytes": len(result.content),
    }
    try:
        document = json.loads(result.content)
    except (ValueError, RecursionError):
        return summary
    if isinstance(document, dict):
        data = document.get("data")
        summary["status"] = document.get("status")
        summary["data"] = ", ".join(data) if isinstance(data, dict) else None
    return summary


def _document(result: TaskResult) -> object:
    try:
        return json.loads(result.content)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(
            f"the result of task {result.task_id} is not a JSON document",
            cause=f"{len(result.content)} bytes of {result.content_type or 'no declared type'}",
            code=ErrorCode.RESULT_NOT_JSON,
            subject=result.task_id,
        ) from error
