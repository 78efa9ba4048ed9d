"""``reconcile``: did everything that was promised come home."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from harvester.api import with_facts
from harvester.cli.parameters import DIRECTORY, DURATION, format_option, state_option, store_options
from harvester.cli.tasks_output import ProgressLine
from harvester.mirror import StoreSettings, SyncOptions
from harvester.tasks import (
    NimbleClient,
    Outcome,
    Promise,
    ReconcileOptions,
    ReconcileReport,
    next_step,
    read_tasks_file,
    reconcile,
)

_SHOWN = 20
_WORDS = {
    Outcome.LANDED: "landed",
    Outcome.DELIVERED: "delivered, not landed",
    Outcome.ARRIVING: "arriving",
    Outcome.FAILED_UPSTREAM: "failed upstream",
    Outcome.RUNNING: "running",
    Outcome.MISSING: "missing",
    Outcome.DUPLICATE: "duplicate",
}


@click.command(
    "reconcile",
    epilog="""\b
Examples:
  nimble-harvester reconcile ./results --batch 4b0a90bf-c951-42e4-95b3-a95a65ba69fc
  nimble-harvester reconcile ./results --batch ID --wait --timeout 2h --rescue
  nimble-harvester reconcile ./results --tasks submitted.jsonl --format json
""",
)
@click.argument("dest", type=DIRECTORY)
@click.option("--batch", "batches", multiple=True, metavar="ID", help="Account for a batch; may be repeated.")
@click.option("--run", "runs", multiple=True, metavar="ID", help="Account for a job's run; may be repeated.")
@click.option("--tasks", "tasks_file", type=DIRECTORY, metavar="FILE", help="Account for the tasks in a file.")
@click.option("--wait", is_flag=True, help="Wait until everything promised has ended.")
@click.option("--timeout", type=DURATION, help="Wait no longer than this, e.g. 2h: exit 14.")
@click.option(
    "--grace", type=DURATION, default="15m", show_default=True, help="How long a success may lack its object."
)
@click.option("--rescue", is_flag=True, help="Fetch missing results through the results API.")
@state_option
@format_option("table", "json", "jsonl")
@store_options
def reconcile_command(
    *,
    dest: Path,
    batches: tuple[str, ...],
    runs: tuple[str, ...],
    tasks_file: Path | None,
    output: str,
    settings: StoreSettings,
    state_dir: Path | None,
    **chosen: Any,
) -> int:
    """Account for every task that was promised.

    Asks Nimble, lists the bucket DEST is a copy of, reads DEST's manifest, and puts every task in exactly one class.
    Exits 10 when something paid for is not whole in DEST. Needs NIMBLE_API_KEY.
    """
    promise = Promise(batches, runs)
    if tasks_file is not None:
        promise += Promise.of_file(read_tasks_file(tasks_file))
    options = ReconcileOptions(
        grace=timedelta(seconds=chosen["grace"]),
        wait=chosen["wait"],
        timeout=chosen["timeout"],
        rescue=chosen["rescue"],
        sync=with_facts(SyncOptions(state_dir=state_dir)),
    )
    with NimbleClient.from_environment() as client:
        report = reconcile(dest, promise, client, options, settings=settings, report=ProgressLine().show)
    _print(report, output)
    if report.timed_out is not None:
        raise report.timed_out
    return int(report.exit_code)


def _print(report: ReconcileReport, output: str) -> None:
    document = report.as_document()
    if output == "json":
        print(json.dumps(document, indent=2))
    elif output == "jsonl":
        for task in document.pop("tasks"):
            print(json.dumps({"event": "task", **task}))
        print(json.dumps({"event": "report", **document}))
    else:
        print("\n".join(_lines(report)))
    sys.stdout.flush()


def _lines(report: ReconcileReport) -> list[str]:
    account = report.account
    lines = []
    for outcome in (Outcome.MISSING, Outcome.DELIVERED, Outcome.DUPLICATE, Outcome.FAILED_UPSTREAM):
        members = [task for task in account.tasks if task.outcome is outcome]
        if not members:
            continue
        lines.append(f"{_WORDS[outcome].capitalize()}:")
        for task in members[:_SHOWN]:
            told = ", ".join(filter(None, (task.task.error_type, task.task.error, task.reason.value.replace("_", " "))))
            lines.append(f"  {task.task.id}{'  ' + _clean(told) if told else ''}")
        if len(members) > _SHOWN:
            lines.append(f"  and {len(members) - _SHOWN:,} more: see --format json")
        step = next_step(members[0], report.destination, report.location)
        if step is not None:
            lines.append(f"  next: {step}")
    if report.rescue is not None:
        lines.append(
            f"Rescued: {len(report.rescue.landed):,} landed, {len(report.rescue.quarantined):,} quarantined,"
            f" {len(report.rescue.lost):,} lost"
        )
        lines.extend(f"  {task_id}  {_clean(reason)}" for task_id, reason in report.rescue.lost[:_SHOWN])
    for run in report.runs:
        said = "an untold number of" if run.run.result_count is None else f"{run.run.result_count:,}"
        lines.append(f"Run {run.run.id} {run.verdict.value}: {said} rows produced, {run.rows_landed:,} landed")
    if account.unexpected:
        others = f"{len(account.unexpected):,}"
        lines.append(f"Objects nobody promised here: {others}, e.g. {_clean(account.unexpected[0].key)}")
    if report.unlisted:
        lines.append(f"Tasks that Nimble counts without naming: {report.unlisted:,}")
    if account.expires_at is not None:
        lines.append(f"Nimble keeps missing results until about {account.expires_at:%Y-%m-%d %H:%M}Z")
    counted = ", ".join(f"{number:,} {_WORDS[outcome]}" for outcome, number in account.counts.items() if number)
    lines.append(f"{account.promised:,} promised: {counted or 'nothing'}")
    return lines


def _clean(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
