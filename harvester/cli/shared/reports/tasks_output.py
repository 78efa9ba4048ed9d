"""How tasks, batches and runs are printed: a table for people, JSON and JSON Lines with a schema id for programs."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from harvester import text
from harvester.cli.shared.reports.json_documents import OutputFormat
from harvester.cli.shared.reports.status_line import StatusLine
from harvester.nimble_api import Batch, BatchProgress, BatchSummary, Run, Task, TaskState, unknown_states

Record = Mapping[str, Any]


def schema_id(name: str) -> str:
    """Return the id of the schema ``name`` of this program's output."""
    return f"urn:nimble-harvester:{name}:v1"


def task_record(task: Task) -> Record:
    """Return the task as it is printed."""
    return {
        "id": task.id,
        "state": task.state.value,
        "word": task.raw_state,
        "batch_id": task.batch_id,
        "api_type": task.api_type,
        "created_at": _moment(task.created_at),
        "modified_at": _moment(task.modified_at),
        "status_code": task.status_code,
        "output_url": task.output_url,
        "download_url": task.download_url,
        "error": task.error,
        "error_type": task.error_type,
    }


def progress_record(progress: BatchProgress) -> Record:
    """Return the progress of a batch as it is printed."""
    return {
        "id": progress.id,
        "completed": progress.completed,
        "completed_count": progress.completed_count,
        "progress": progress.progress,
        "completed_at": _moment(progress.completed_at),
    }


def batch_record(batch: Batch) -> Record:
    """Return the batch as it is printed, its tasks left out."""
    return {
        "id": batch.id,
        "completed": batch.completed,
        "completed_count": batch.completed_count,
        "progress": batch.progress,
        "created_at": _moment(batch.created_at),
        "completed_at": _moment(batch.completed_at),
        "promised": len(batch.tasks) + batch.null_tasks,
        "null_tasks": batch.null_tasks,
        "counts": counts_record(batch.counts),
        "unknown_words": list(unknown_states(batch.tasks)),
    }


def summary_record(batch: BatchSummary) -> Record:
    """Return an entry of the list of batches as it is printed."""
    return {
        "id": batch.id,
        "completed": batch.completed,
        "created_at": _moment(batch.created_at),
        "task_ids": list(batch.task_ids),
    }


def run_record(run: Run) -> Record:
    """Return the run as it is printed."""
    return {
        "id": run.id,
        "state": run.state.value,
        "word": run.raw_state,
        "job_id": run.job_id,
        "job_name": run.job_name,
        "triggered_by": run.triggered_by,
        "created_at": _moment(run.created_at),
        "started_at": _moment(run.started_at),
        "finished_at": _moment(run.finished_at),
        "input_count": run.input_count,
        "result_count": run.result_count,
        "match_rate": run.match_rate,
        "error": run.error,
        "error_step": run.error_step,
    }


def counts_record(counts: Mapping[TaskState, int]) -> Record:
    """Return the counts per state as they are printed."""
    return {state.value: number for state, number in counts.items()}


def print_document(name: str, content: Record, *, indent: int | None = 2) -> None:
    """Print one JSON document with its schema id; in ASCII, as a scraped text may hold half a surrogate pair."""
    click.echo(json.dumps({"schema": schema_id(name), **content}, indent=indent))


def print_records(
    output: OutputFormat,
    records: Iterable[Record],
    *,
    one: str,
    many: str,
    columns: Sequence[str],
    also: Callable[[Sequence[Record]], Record] = lambda _: {},
) -> None:
    """Print ``records``: as lines of schema ``one`` while they come, as a document ``many``, or a table of ``columns``.

    ``also`` adds to the document what is true of all of them.
    """
    if output == "jsonl":
        for record in records:
            print_document(one, record, indent=None)
        return
    collected = list(records)
    if output == "json":
        print_document(many, {many.replace("-", "_"): collected, **also(collected)})
    else:
        print_table(columns, [[record.get(column) for column in columns] for record in collected])


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print aligned columns; on a terminal, a line ends where the terminal does."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in text.table(columns, rows, width=width):
        click.echo(line)


def print_counts(counts: Mapping[TaskState, int]) -> None:
    """Print the number of tasks per state to standard error."""
    counted = ", ".join(f"{number} {state.value}" for state, number in counts.items() if number)
    click.echo(f"{text.count(sum(counts.values()), 'task')}{': ' + counted if counted else ''}", err=True)


def print_unknown(names: Sequence[str]) -> None:
    """Print undocumented state names to standard error."""
    if names:
        shown = ", ".join(text.printable(name) for name in names)
        click.echo(f"unknown state {shown}: not documented, treated as not ended", err=True)


class ProgressLine:
    """How far the work is, on standard error: redrawn on a terminal, else a line every 30 seconds."""

    def __init__(self) -> None:
        """Print the first line at once."""
        self._line = StatusLine()
        self._last = float("-inf")

    def show(self, known: Mapping[str, BatchProgress]) -> None:
        """Show the progress of all batches waited for; the last one is always printed."""
        done = all(progress.completed for progress in known.values())
        ended = sum(progress.completed_count for progress in known.values())
        share = sum(progress.progress for progress in known.values()) / len(known)
        completed = sum(progress.completed for progress in known.values())
        line = f"{text.count(ended, 'task')} ended, {share:.0%}, {completed} of {len(known)} batches completed"
        self._print(line, done=done)

    def show_ended(self, noun: str, ended: int, total: int) -> None:
        """Show how many of the tasks or runs have ended."""
        self._print(f"{ended:,} of {text.count(total, noun)} ended", done=ended == total)

    def show_rescued(self, done: int, total: int) -> None:
        """Show how many results were requested."""
        self._print(f"{done:,} of {text.count(total, 'result')} requested", done=done == total)

    def end(self) -> None:
        """Remove the redrawn line."""
        self._line.clear()

    def _print(self, line: str, *, done: bool) -> None:
        now = time.monotonic()
        if self._line.active and not done:
            self._line.draw(line)
        elif done or now - self._last >= 30:
            self._last = now
            self._line.clear()
            click.echo(line, err=True)


def _moment(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return text.rfc3339_of(moment)
