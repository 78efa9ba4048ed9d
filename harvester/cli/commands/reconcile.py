"""``reconcile``: compare expected tasks with what landed."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from harvester.api import reconcile
from harvester.cli.shared.options.option_errors import option_inapplicable
from harvester.cli.shared.options.parameters import (
    DESTINATION,
    DIRECTORY,
    DURATION,
    api_option,
    format_option,
    state_option,
    store_options,
)
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.reports.reconcile_output import reconciliation_document, render_reconciliation
from harvester.cli.shared.reports.tasks_output import ProgressLine
from harvester.cli.shared.run_messages import write_reasons
from harvester.cli.shared.signals import stop_signals
from harvester.cli.shared.verb_metrics import with_metrics
from harvester.metrics import Metric
from harvester.nimble_api import NimbleClient
from harvester.reconciliation import ReconcileOptions, ReconcileReport, WaitObserver, reconcile_metrics
from harvester.sessions import StoreSettings
from harvester.transfer import SyncOptions

_STANDARD_INPUT = Path("/dev/stdin")


@click.command(
    "reconcile",
    epilog="""\b
Examples:
  nimble-harvester reconcile ./results --batch 4b0a90bf-c951-42e4-95b3-a95a65ba69fc
  nimble-harvester reconcile ./results --batch ID --wait --timeout 2h --rescue
  nimble-harvester reconcile ./results --tasks submitted.jsonl --format json
  nimble-harvester reconcile ./results --run run_42
""",
)
@click.argument("dest", type=DESTINATION)
@click.option("--batch", "batches", multiple=True, metavar="ID", help="Reconcile a batch; may be repeated.")
@click.option("--run", "runs", multiple=True, metavar="ID", help="Reconcile a job run; may be repeated.")
@click.option(
    "--tasks",
    "tasks_file",
    type=DIRECTORY,
    metavar="FILE",
    help="Reconcile the tasks in a file (- for standard input): ids, one per line, or the responses to submissions "
    "(JSON, JSON Lines).",
)
@click.option("--wait", is_flag=True, help="Wait until every expected task has ended.")
@click.option("--timeout", type=DURATION, help="With --wait: maximum time to wait, e.g. 2h; then exit 14.")
@click.option(
    "--grace",
    type=DURATION,
    default="15m",
    show_default=True,
    help="How long after its success a result may be without an object before it counts as missing.",
)
@click.option("--rescue", is_flag=True, help="Fetch missing and invalid results through the results API.")
@state_option
@api_option
@format_option("table", "json", "jsonl")
@store_options
@quiet_option
@with_metrics("reconcile")
def reconcile_command(
    *,
    dest: Path,
    batches: tuple[str, ...],
    runs: tuple[str, ...],
    tasks_file: Path | None,
    output: str,
    settings: StoreSettings,
    state_dir: Path | None,
    max_api_bytes: int,
    measured: list[Metric],
    **chosen: Any,
) -> int:
    """Determine the outcome of every expected task.

    Queries Nimble, lists the bucket that DEST mirrors, reads DEST's manifest, and gives every task exactly one outcome.
    Exits 10 if a charged result has not landed exactly once. Needs NIMBLE_API_KEY.
    """
    if chosen["timeout"] is not None and not chosen["wait"]:
        raise option_inapplicable("--timeout needs --wait", "--timeout", needs="--wait")
    options = ReconcileOptions(
        grace=timedelta(seconds=chosen["grace"]),
        wait=chosen["wait"],
        timeout=chosen["timeout"],
        rescue=chosen["rescue"],
        sync=SyncOptions(state_dir=state_dir),
    )
    progress = ProgressLine()
    with NimbleClient.from_environment(max_response_bytes=max_api_bytes) as client, stop_signals() as received:
        observer = WaitObserver(progress.show, progress.show_ended, progress.show_rescued, received)
        try:
            report = reconcile(
                dest,
                batches=batches,
                runs=runs,
                tasks_file=_STANDARD_INPUT if tasks_file == Path("-") else tasks_file,
                options=options,
                client=client,
                settings=settings,
                observer=observer,
            )
        finally:
            progress.end()
    measured += reconcile_metrics(report)
    _print(report, output)
    if report.error is not None:
        raise report.error
    write_reasons(report.exit_code, [f"  {line}" for line in render_reconciliation(report)])
    return int(report.exit_code)


def _print(report: ReconcileReport, output: str) -> None:
    document = reconciliation_document(report)
    if output == "json":
        print(json.dumps(document, indent=2))
    elif output == "jsonl":
        for event, many in (("task", "tasks"), ("run", "runs"), ("unexpected", "unexpected")):
            for record in document.pop(many):
                print(json.dumps({"event": event, **record}))
        print(json.dumps({"event": "report", **document}))
    else:
        print("\n".join(render_reconciliation(report)))
    sys.stdout.flush()
