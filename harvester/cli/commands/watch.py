"""``watch``: land results as they arrive."""

from __future__ import annotations

import dataclasses
import functools
import time
from pathlib import Path
from typing import Literal

import click

from harvester.api import watch, watch_to_output
from harvester.cli.shared.options.direct_options import DirectTarget, direct_options
from harvester.cli.shared.options.option_errors import option_inapplicable
from harvester.cli.shared.options.parameters import (
    DESTINATION,
    DIRECTORY,
    DURATION,
    PLACE,
    cutoff_of,
    days_option,
    format_option,
    metrics_file_option,
    start_option,
    store_options,
)
from harvester.cli.shared.options.sync_options import Landing, landing_options
from harvester.cli.shared.reports.json_documents import OutputFormat
from harvester.cli.shared.reports.landing_output import end_landing, message_lines
from harvester.cli.shared.reports.output import print_event, print_report
from harvester.cli.shared.reports.sync_output import render_landing
from harvester.cli.shared.run_messages import Messages, message_options
from harvester.cli.shared.signals import stop_signals
from harvester.error_codes import ErrorCode
from harvester.errors import ExitCode, UsageError
from harvester.events import ListingWatchOptions, MetricsOptions, QueueWatchOptions, WatchReport
from harvester.location import Location
from harvester.location_template import LocationTemplate
from harvester.sessions import StoreSettings
from harvester.transfer import Observer, SyncOptions, SyncReport

_DEFAULT_INTERVAL = 30.0


@click.command(
    "watch",
    epilog="""\b
Examples:
  nimble-harvester watch s3://my-bucket/results/ ./results --every 30s
  nimble-harvester watch s3://my-bucket/results/ ./results --once
  nimble-harvester watch s3://my-bucket/results/ ./worker-1 --queue https://sqs.eu-west-1.amazonaws.com/111122223333/results
  nimble-harvester watch gs://my-bucket/results/ ./results --queue projects/my-project/subscriptions/results
  nimble-harvester watch s3://my-bucket/results/ --queue $QUEUE --export-to s3://warehouse/out
""",
)
@click.argument("location", type=PLACE)
@click.argument("dest", type=DESTINATION, required=False)
@direct_options
@days_option
@start_option
@click.option("--every", type=DURATION, help="List LOCATION this often.  [default: 30s]")
@click.option(
    "--queue",
    metavar="QUEUE",
    help="Take the bucket's events from this SQS queue (URL or ARN) or Pub/Sub subscription, instead of listing.",
)
@click.option("--once", is_flag=True, help="End after one listing, or when the queue is empty.")
@click.option("--idle-exit", type=DURATION, help="End after this long without a new object or message, e.g. 10m.")
@click.option(
    "--lease",
    type=DURATION,
    default="2m",
    show_default=True,
    help="Visibility timeout of a message; extended while it is processed.",
)
@click.option(
    "--beside",
    type=DIRECTORY,
    multiple=True,
    metavar="DEST",
    help="DEST of another worker on the same queue: what has landed there is not landed here; may be repeated.",
)
@click.option(
    "--foreign",
    type=click.Choice(["leave", "delete"]),
    default="leave",
    show_default=True,
    help="What to do with messages about another bucket or prefix.",
)
@click.option(
    "--event-bucket",
    metavar="NAME",
    help="With --queue: the bucket's own name, as events carry it, if LOCATION names an access-point alias.",
)
@click.option(
    "--full-listing-every",
    type=DURATION,
    help="With --queue: list LOCATION at the start and then this often, e.g. 24h, for objects of lost events.",
)
@metrics_file_option
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics and /healthz here; 0 for a free port."
)
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="Address of --metrics-port.")
@landing_options
@message_options
@format_option("table", "json", "jsonl")
@store_options
def watch_command(
    *,
    location: Location | LocationTemplate,
    dest: Path | None,
    direct: DirectTarget | None,
    every: float | None,
    queue: str | None,
    once: bool,
    idle_exit: float | None,
    lease: float,
    beside: tuple[Path, ...],
    foreign: Literal["leave", "delete"],
    event_bucket: str | None,
    full_listing_every: float | None,
    metrics_file: Path | None,
    metrics_port: int | None,
    metrics_host: str,
    start_after_backfill: str | None,
    landing: Landing,
    settings: StoreSettings,
    output: OutputFormat,
    messages: Messages,
) -> int:
    """Land results as they arrive, until stopped.

    Lists LOCATION every 30 seconds; with --queue it lists nothing and processes the bucket's event notifications. DEST
    is locked meanwhile. Any number of `watch --queue`, each with a separate DEST, may share one queue. With
    --export-to nothing is kept here: a message is deleted after the file with its rows is in OUT.
    """
    _check_only_with_queue(queue)
    watching: ListingWatchOptions | QueueWatchOptions
    if queue is None:
        watching = ListingWatchOptions(_DEFAULT_INTERVAL if every is None else every, once, idle_exit)
    elif every is None:
        watching = QueueWatchOptions(
            queue, lease, foreign, beside, once, idle_exit, event_bucket or "", full_listing_every
        )
    else:
        raise option_inapplicable(
            "--every and --queue exclude each other",
            "--every",
            cause="with a queue nothing is listed; objects of lost events are found by a full listing",
            instead="--full-listing-every 24h",
        )
    options = dataclasses.replace(landing(), start_after=cutoff_of(start_after_backfill, location, settings))
    with stop_signals() as received:
        observer = Observer(
            progress=messages.show,
            event=functools.partial(print_event, at_once=True) if output == "jsonl" and not messages.quiet else None,
            warning=lambda message: messages.log("warning", message),
            stop_signal=received,
        )
        metrics = MetricsOptions(metrics_file, metrics_port, metrics_host)
        if direct is not None:
            report = _watch_to_output(location, direct, options, watching, settings, observer, metrics)
        else:
            report = watch(
                location,
                Path(str(dest)),
                options,
                watching=watching,
                settings=settings,
                observer=observer,
                on_listing=lambda report: _log_run(report, messages),
                metrics=metrics,
            )
    messages.clear()
    quiet = messages.quiet and report.landing.exit_code is ExitCode.OK
    if not quiet and (report.landing.runs or output != "table"):
        print_report(report, output, _render)
    return end_landing(report.landing, messages)


def _watch_to_output(
    location: Location | LocationTemplate,
    direct: DirectTarget,
    options: SyncOptions,
    watching: ListingWatchOptions | QueueWatchOptions,
    settings: StoreSettings,
    observer: Observer,
    metrics: MetricsOptions,
) -> WatchReport:
    if not (isinstance(location, Location) and isinstance(watching, QueueWatchOptions)):
        raise UsageError(
            "--export-to needs a queue, and a location without dates",
            cause="what a listing finds is written to an output by sync",
            code=ErrorCode.OUTPUT_NEEDS_A_QUEUE,
            subject=str(location),
            parameters={"output": direct.out},
        )
    if watching.beside or options.state_dir is not None:
        raise UsageError("--export-to keeps no state", cause="--beside and --state-dir are about what DEST holds")
    return watch_to_output(
        location,
        direct.out,
        options,
        direct.export_options(),
        watching=watching,
        settings=settings,
        observer=observer,
        metrics=metrics,
    )


def _check_only_with_queue(queue: str | None) -> None:
    context = click.get_current_context()
    for name in ("lease", "beside", "foreign", "event_bucket", "full_listing_every"):
        option = name.replace("_", "-")
        # Environment variables may apply to every watch of a machine; a typed option applies to this one.
        if queue is None and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise option_inapplicable(
                f"--{option} applies to the messages of a queue",
                f"--{option}",
                cause="without --queue the location is listed",
                needs="--queue QUEUE",
            )


def _log_run(report: SyncReport, messages: Messages) -> None:
    messages.begin_run()
    if report.idle or report.error is not None:
        return
    counts = report.counts
    moment = time.strftime("%H:%M:%S")
    messages.log(
        "info", f"{moment} {counts.landed:,} landed, {counts.quarantined:,} quarantined, {counts.failed:,} failed"
    )


def _render(report: WatchReport) -> str:
    lines = [] if report.queue is None else message_lines(report.messages)
    return "\n".join([*lines, render_landing(report.landing)])
