"""``listen``: receive Nimble's webhooks."""

from __future__ import annotations

import functools
import stat
from pathlib import Path

import click

from harvester import text
from harvester.api import listen
from harvester.cli.shared.options.given_files import read_given_text
from harvester.cli.shared.options.option_errors import option_required
from harvester.cli.shared.options.parameters import (
    DESTINATION,
    DIRECTORY,
    DURATION,
    LOCATION,
    SIZE,
    format_option,
    metrics_file_option,
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
from harvester.events import ListenOptions, ListenReport, QueueWatchOptions, ServerCertificate, WebhookOptions
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.transfer import Observer


@click.command(
    "listen",
    epilog="""\b
Examples:
  nimble-harvester listen ./results --port 8080
  nimble-harvester listen ./results --location s3://my-bucket/results/ --secret-file webhook.secret
  curl http://127.0.0.1:8080/healthz
""",
)
@click.argument("dest", type=DESTINATION)
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 for a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--location", type=LOCATION, help="Where the results are delivered, if DEST was never synced.")
@click.option(
    "--secret",
    metavar="TEXT",
    help="Secret that webhooks must carry; better set by NIMBLE_HARVESTER_LISTEN_SECRET or a file.",
)
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Read the secret from the first line of FILE.",
)
@click.option("--max-body", type=SIZE, default="256KiB", show_default=True, help="Refuse longer bodies (413).")
@click.option(
    "--body-timeout", type=DURATION, default="10s", show_default=True, help="Refuse bodies that take longer (408)."
)
@click.option(
    "--max-waiting",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="Answer 503 while this many tasks are pending.",
)
@click.option(
    "--give-up",
    type=DURATION,
    default="24h",
    show_default=True,
    help="How long to retry a task that still runs or whose object is missing.",
)
@click.option("--queue", metavar="QUEUE", help="Take the bucket's events from this queue as well, as `watch` does.")
@click.option(
    "--full-listing-every",
    type=DURATION,
    help="List the location at the start and then this often, e.g. 24h, for results that nothing announced.",
)
@click.option("--tls-cert", type=DIRECTORY, metavar="FILE", help="Serve HTTPS with this certificate chain (PEM).")
@click.option("--tls-key", type=DIRECTORY, metavar="FILE", help="Its private key (PEM), if not in the same file.")
@metrics_file_option
@landing_options
@message_options
@format_option("table", "json", "jsonl")
@store_options
def listen_command(
    *,
    dest: Path,
    port: int,
    host: str,
    location: Location | None,
    secret: str | None,
    secret_file: Path | None,
    max_body: int,
    body_timeout: float,
    max_waiting: int,
    give_up: float,
    queue: str | None,
    full_listing_every: float | None,
    metrics_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    landing: Landing,
    settings: StoreSettings,
    output: OutputFormat,
    messages: Messages,
) -> int:
    """Receive Nimble's webhooks and land the results of their tasks.

    Answers at once, keeps the task's id across restarts, queries Nimble's API for the task and lands its object into
    DEST, which is locked meanwhile. Needs NIMBLE_API_KEY. Also serves /healthz and /metrics.
    """
    if tls_key is not None and tls_cert is None:
        raise option_required("--tls-key needs --tls-cert", "--tls-cert FILE")
    certificate = None if tls_cert is None else ServerCertificate(tls_cert, tls_key)
    chosen = WebhookOptions(_secret(secret, secret_file), max_body, body_timeout)
    for file in filter(None, (secret_file, tls_key or tls_cert)):
        if _is_readable_by_others(file):
            messages.log("warning", f"{file} holds a secret, and other users of this machine may read it: chmod 600")
    with stop_signals() as received:
        observer = Observer(
            event=functools.partial(print_event, at_once=True) if output == "jsonl" and not messages.quiet else None,
            warning=lambda message: messages.log("warning", message),
            stop_signal=received,
        )
        report = listen(
            dest,
            landing(),
            location=location,
            listening=ListenOptions(
                host,
                port,
                chosen,
                max_waiting,
                give_up,
                certificate,
                None if queue is None else QueueWatchOptions(queue),
                full_listing_every,
                metrics_file,
            ),
            settings=settings,
            observer=observer,
            started=lambda address, place: messages.log("info", f"listening on {address} for results in {place.url}"),
        )
    if not (messages.quiet and report.landing.exit_code is ExitCode.OK):
        print_report(report, output, _render)
    return end_landing(report.landing, messages)


def _is_readable_by_others(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False  # what reads the file names the cause


def _secret(secret: str | None, file: Path | None) -> str | None:
    if file is not None:
        secret = read_given_text(file, "secret in").partition("\n")[0].strip()
        if not secret:
            raise UsageError(f"{file} contains no secret", code=ErrorCode.SECRET_UNUSABLE, subject=str(file))
    return secret


def _render(report: ListenReport) -> str:
    lines = []
    for noun, numbers in (("webhook", report.webhooks), ("task", report.tasks)):
        listed = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in sorted(numbers.items()))
        lines.append(f"{text.count(sum(numbers.values()), noun)}{': ' if listed else ''}{listed}")
    if report.waiting:
        lines.append(f"{text.count(report.waiting, 'task')} pending for the next start")
    if report.queue is not None:
        lines += message_lines(report.messages)
    return "\n".join([*lines, render_landing(report.landing)])
