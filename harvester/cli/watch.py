"""``watch``: results come home because they arrive."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Literal

import click

from harvester.cli.arrivals import print_event, render_landing
from harvester.cli.landing_options import Landing, landing_options
from harvester.cli.parameters import DESTINATION, DIRECTORY, DURATION, LOCATION, format_option, store_options
from harvester.cli.progress import Progress
from harvester.cli.signals import stop_signals
from harvester.errors import UsageError
from harvester.events import (
    ListingWatchOptions,
    QueueWatchOptions,
    WatchReport,
    watch_listing,
    watch_queue,
)
from harvester.location import Location
from harvester.mirror import Observer, StoreSettings, SyncReport

_DEFAULT_INTERVAL = 30.0


@click.command(
    "watch",
    epilog="""\b
Examples:
  nimble-harvester watch s3://my-bucket/results/ ./results --every 30s
  nimble-harvester watch s3://my-bucket/results/ ./results --once
  nimble-harvester watch s3://my-bucket/results/ ./worker-1 --queue https://sqs.eu-west-1.amazonaws.com/111122223333/results
  nimble-harvester watch gs://my-bucket/results/ ./results --queue projects/my-project/subscriptions/results
""",
)
@click.argument("location", type=LOCATION)
@click.argument("dest", type=DESTINATION)
@click.option("--every", type=DURATION, help="List LOCATION this often.  [default: 30s]")
@click.option(
    "--queue",
    metavar="QUEUE",
    help="Take the bucket's events from this SQS queue (URL or ARN) or Pub/Sub subscription, instead of listing.",
)
@click.option("--once", is_flag=True, help="End after one look, or when the queue has nothing more to give.")
@click.option("--idle-exit", type=DURATION, help="End when nothing has come for this long, e.g. 10m.")
@click.option(
    "--lease",
    type=DURATION,
    default="2m",
    show_default=True,
    help="How long a message is kept from other workers; extended while it is worked on.",
)
@click.option(
    "--beside",
    type=DIRECTORY,
    multiple=True,
    metavar="DEST",
    help="DEST of another worker on the same queue: what lies there is not landed here; may be repeated.",
)
@click.option(
    "--foreign",
    type=click.Choice(["leave", "delete"]),
    default="leave",
    show_default=True,
    help="What to do with messages about another bucket or prefix.",
)
@landing_options
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of messages on standard error.",
)
@format_option("table", "json", "jsonl")
@store_options
def watch_command(
    *,
    location: Location,
    dest: Path,
    every: float | None,
    queue: str | None,
    once: bool,
    idle_exit: float | None,
    lease: float,
    beside: tuple[Path, ...],
    foreign: Literal["leave", "delete"],
    landing: Landing,
    settings: StoreSettings,
    output: Literal["table", "json", "jsonl"],
    log_format: str,
) -> int:
    """Bring results home as they arrive, until stopped.

    Lists LOCATION every 30 seconds; with --queue it lists nothing and works off the bucket's event notifications. DEST
    is held all the time. Any number of `watch --queue`, each with a DEST of its own, may share one queue.
    """
    _check(every, queue, lease)
    _check_only_with_queue(queue)
    options = landing()
    progress = Progress(as_json=log_format == "json")
    with stop_signals() as received:
        observer = Observer(
            progress=progress.show,
            event=print_event if output == "jsonl" else None,
            warning=lambda message: progress.say("warning", message),
            stop_signal=received,
        )
        if queue is None:
            report = watch_listing(
                location,
                dest,
                options,
                ListingWatchOptions(every or _DEFAULT_INTERVAL, once, idle_exit),
                settings=settings,
                observer=observer,
                looked=lambda look: _tell(look, progress),
            )
        else:
            report = watch_queue(
                location,
                dest,
                queue,
                options,
                QueueWatchOptions(lease, foreign, beside, once, idle_exit),
                settings=settings,
                observer=observer,
            )
    progress.clear()
    if report.landing.runs or output != "table":
        _print(report, output)
    if report.landing.error is not None:
        if log_format != "json":
            raise report.landing.error
        progress.say("error", str(report.landing.error).replace("\n", "; "))
    return int(report.landing.exit_code)


def _check(every: float | None, queue: str | None, lease: float) -> None:
    if every is not None and queue is not None:
        raise UsageError(
            "--every and --queue exclude each other",
            cause="with a queue nothing is listed; what a lost event has left behind is found by sync",
            next_step="run nimble-harvester sync LOCATION DEST now and then, while the watch is stopped",
        )
    if not 10 <= lease <= 12 * 3600:
        raise UsageError(
            f"a lease of {lease:g} s cannot be", cause="it is 10 seconds to 12 hours", next_step="--lease 2m"
        )
    if every is not None and every < 1:
        raise UsageError(f"listing every {every:g} s", cause="a listing costs money and time", next_step="--every 30s")


def _check_only_with_queue(queue: str | None) -> None:
    context = click.get_current_context()
    for name in ("lease", "beside", "foreign"):
        # Variables may be set for every watch of a machine; what is typed is meant for this one.
        if queue is None and context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise UsageError(
                f"--{name} is about the messages of a queue",
                cause="without --queue the location is listed, and there are none",
                next_step=f"add --queue QUEUE, or leave out --{name}",
            )


def _tell(look: SyncReport, progress: Progress) -> None:
    if look.idle or look.error is not None:
        return
    counts = look.counts
    moment = time.strftime("%H:%M:%S")
    progress.say(
        "info", f"{moment} {counts.landed:,} landed, {counts.quarantined:,} quarantined, {counts.failed:,} failed"
    )


def _print(report: WatchReport, output: str) -> None:
    if output == "json":
        json.dump(report.as_document(), sys.stdout, indent=2, ensure_ascii=False)
        print()
    elif output == "jsonl":
        print(json.dumps({"event": "report", **report.as_document()}, ensure_ascii=False))
    else:
        messages = report.messages
        if report.queue is not None:
            parts = [
                f"{number:,} {name}"
                for name, number in (
                    ("deleted", messages.deleted),
                    ("left", messages.left),
                    ("released", messages.released),
                    ("not finished", messages.lost),
                )
                if number or name == "deleted"
            ]
            print(f"{messages.received:,} messages received: {', '.join(parts)}")
            for reason, number in messages.left_by_reason:
                print(f"  left: {number:,} × {reason}")
            for name, number in messages.other_events:
                print(f"  announce no object: {number:,} × {name if name.isprintable() else '?'}")
            if messages.beside:
                print(f"  landed by another worker: {messages.beside:,}")
            if messages.gone:
                print(f"  announced and gone: {messages.gone:,}")
        print(render_landing(report.landing))
    sys.stdout.flush()
