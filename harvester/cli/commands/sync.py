"""``sync``: land results."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harvester.api import sync, sync_to_output
from harvester.cli.shared.next_steps.result_steps import NO_WILDCARDS, sync_instead, sync_wider, sync_with_outcomes
from harvester.cli.shared.options.direct_options import DirectTarget, direct_options
from harvester.cli.shared.options.option_errors import option_inapplicable
from harvester.cli.shared.options.parameters import (
    DESTINATION,
    MOMENT,
    PLACE,
    RATE,
    cutoff_of,
    days_option,
    format_option,
    keys_option,
    metrics_file_option,
    start_option,
    store_options,
)
from harvester.cli.shared.options.sync_options import Landing, landing_options
from harvester.cli.shared.reports.json_documents import OutputFormat
from harvester.cli.shared.reports.output import print_event, print_report
from harvester.cli.shared.reports.sync_output import exit_reasons, render_report, unstarted_report, write_report
from harvester.cli.shared.run_messages import Messages, message_options
from harvester.cli.shared.signals import stop_signals
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, ExitCode, HarvesterError, UsageError
from harvester.location import Location
from harvester.location_template import LocationTemplate
from harvester.sessions import StoreSettings
from harvester.text import count, printable
from harvester.transfer import ObjectEvent, Observer, SyncOptions, SyncReport

if TYPE_CHECKING:
    from harvester.storage import KeyList


@click.command(
    "sync",
    epilog="""\b
Examples:
  nimble-harvester sync s3://my-bucket/nimble-results/ ./results
  nimble-harvester sync gs://my-bucket/results/ ./results --include '*.gz'
  nimble-harvester sync s3://my-bucket/results/ ./results --schema price.json
  nimble-harvester sync s3://my-bucket/results/ ./out --since 24h --dry-run
  nimble-harvester sync s3://my-bucket/results/ ./results --report run.json
  nimble-harvester sync s3://my-bucket/results/ ./results --keys-from keys.txt
  nimble-harvester sync s3://my-bucket/results/ --export-to s3://warehouse/out
  nimble-harvester sync 's3://my-bucket/{date:%Y/%m/%d}/' ./out --days 2
""",
)
@click.argument("location", type=PLACE)
@click.argument("dest", type=DESTINATION, required=False)
@direct_options
@click.option("--dry-run", is_flag=True, help="Show what would be fetched; write nothing.")
@click.option("--since", type=MOMENT, help="Only objects modified since, e.g. 24h or 2026-01-31T00:00:00Z.")
@click.option("--until", type=MOMENT, help="Only objects modified before.")
@days_option
@start_option
@keys_option
@click.option("--max-objects", type=click.IntRange(1), metavar="N", help="Stop after fetching this many.")
@landing_options
@click.option(
    "--fail-on",
    type=click.Choice(["new", "any"]),
    default="new",
    show_default=True,
    help="Which problems make the run exit 3: those no earlier run has reported, or any.",
)
@click.option(
    "--max-problem-rate",
    type=RATE,
    help="Exit 3 only if more of the listed objects, e.g. 0.1%, have a problem that is not accepted; known ones count.",
)
@click.option("--fail-on-empty", is_flag=True, help="Exit 9 when there is no result.")
@click.option("--fail-on-upstream-error", is_flag=True, help="Exit 3 when an envelope has the status of a failed task.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the JSON report here, however the run ends.",
)
@metrics_file_option
@message_options
@format_option("table", "json", "jsonl")
@store_options
def sync_command(
    *,
    location: Location | LocationTemplate,
    dest: Path | None,
    direct: DirectTarget | None,
    dry_run: bool,
    since: float | None,
    until: float | None,
    keys_from: str | None,
    start_after_backfill: str | None,
    landing: Landing,
    settings: StoreSettings,
    output: OutputFormat,
    report: Path | None,
    metrics_file: Path | None,
    messages: Messages,
    **more: Any,
) -> int:
    """Land every result under LOCATION in DEST.

    Fetches what is new or changed at the source, missing or altered here; decompresses and validates it; accounts for
    every object. LOCATION is s3://, gs:// or file://; DEST is a directory, bound to its LOCATION by the first run. A
    LOCATION such as s3://my-bucket/results/{date:%Y/%m/%d}/ is that of the last --days days; DEST is bound to what
    comes before the date.

    With --export-to nothing is kept here: what OUT holds already is learned from OUT.
    """
    if report is not None and not report.absolute().parent.is_dir():
        raise UsageError(
            f"cannot write the report {report}",
            cause="its folder does not exist",
            code=ErrorCode.FOLDER_MISSING,
            subject=str(report),
            parameters={"folder": str(report.parent)},
        )
    if since is not None and until is not None and since >= until:
        raise UsageError(
            "--since is not before --until", cause="nothing can be modified after the one and before the other"
        )
    started_at = time.time()
    place = direct.out if direct is not None else str(dest)
    base = location if isinstance(location, Location) else location.base
    try:
        options = landing()
        selection = options.selection._replace(since=since, until=until)
        start = cutoff_of(start_after_backfill, location, settings)
        options = dataclasses.replace(options, selection=selection, dry_run=dry_run, start_after=start, **more)
        keys = None if keys_from is None else _keys(keys_from, location, settings)
        result = _run(location, direct or Path(place), options, settings, keys, output, messages)
    except HarvesterError as error:
        result = unstarted_report(base, place, error, started_at, dry_run=dry_run)
    finally:
        messages.clear()
    unwritten = None if report is None else _write(report, result)
    if metrics_file is not None:
        unwritten = _write_metrics(metrics_file, dest, landing, result) or unwritten
    quiet = messages.quiet and result.exit_code is ExitCode.OK
    if not quiet and (output != "table" or result.run or result.counts.listed or result.error is None):
        print_report(result, output, render_report)
    if result.error is None and not result.counts.listed and keys_from is None and isinstance(location, Location):
        _warn_of_similar(location, place, settings, messages)
    if unwritten is not None and result.error is not None:
        messages.log("warning", unwritten.one_line())
    elif unwritten is not None:
        result = dataclasses.replace(result, error=unwritten, exit_code=unwritten.exit_code)
    messages.end(
        result.exit_code,
        error=result.error,
        reasons=_reasons(result, location, direct),
        counts=result.as_document()["counts"],
        retryable=result.retryable,
    )
    return int(result.exit_code)


def _reasons(report: SyncReport, place: Location | LocationTemplate, direct: DirectTarget | None) -> list[str]:
    """Return why a run ends with another code than 0; an output records no problems that could be listed later."""
    reasons = exit_reasons(report)
    if direct is not None and report.problems:
        reasons.append(f"  {sync_with_outcomes(place.url, direct.out)}")
    return reasons


def _keys(source: str, location: Location | LocationTemplate, settings: StoreSettings) -> KeyList:
    if not isinstance(location, Location):
        raise option_inapplicable(
            "keys are given, and a location with dates",
            "--keys-from",
            cause="with --keys-from nothing is listed, of any day",
        )
    # Loaded by the runs that are given keys.
    from harvester.storage import read_key_list

    return read_key_list(source, location, settings)


def _write(path: Path, report: SyncReport) -> DestinationUnusable | None:
    """Write the report; return the error if it cannot be written, so that the outcome of the run is reported too."""
    try:
        write_report(path, report)
    except DestinationUnusable as error:
        return error
    return None


def _write_metrics(path: Path, dest: Path | None, landing: Landing, report: SyncReport) -> DestinationUnusable | None:
    """Write the metrics; return the error if they cannot be written, so that the outcome of the run is reported too."""
    # Loaded by the runs that write metrics.
    from harvester.destination import destination_metrics
    from harvester.metrics import write_metrics_file
    from harvester.transfer import run_metrics

    try:
        known = [] if dest is None else destination_metrics(dest, state_dir=landing().state_dir)
        place = report.destination if dest is None else str(dest.absolute())
        write_metrics_file(path, [*run_metrics(report), *known], {"destination": place, "verb": "sync"})
    except DestinationUnusable as error:
        return error
    return None


def _warn_of_similar(location: Location, dest: str, settings: StoreSettings, messages: Messages) -> None:
    """Warn when keys begin with the name of an empty location, it is a glob, or a folder is named almost like it."""
    # Loaded where nothing was listed.
    from harvester.storage import similar_folder, similar_key

    similar, (folder, glob) = similar_key(location, settings), location.split_glob()
    if similar is not None:
        wider, name = location.above(), location.prefix.rstrip("/").rpartition("/")[2]
        messages.log(
            "warning",
            f"there are keys such as {similar}, which {location} does not hold; to have them:",
            f"  {sync_wider(str(wider), dest, f'{name}*')}",
        )
    elif glob:
        messages.log("warning", f"{NO_WILDCARDS}; to have what matches:", f"  {sync_wider(str(folder), dest, glob)}")
    elif (beside := similar_folder(location, settings)) is not None:
        messages.log("warning", f"{beside} exists; if it is meant:", f"  {sync_instead(str(beside), dest)}")


def _run(
    location: Location | LocationTemplate,
    target: Path | DirectTarget,
    options: SyncOptions,
    settings: StoreSettings,
    keys: KeyList | None,
    output: str,
    messages: Messages,
) -> SyncReport:
    with stop_signals() as received:
        observer = Observer(
            progress=messages.show,
            event=None if messages.quiet else _event_printer(output, dry_run=options.dry_run),
            warning=lambda message: messages.log("warning", message),
            stop_signal=received,
        )
        if isinstance(target, Path):
            return sync(location, target, options, keys=keys, settings=settings, observer=observer)
        return _export(location, target, options, keys, settings, observer, messages)


def _export(
    location: Location | LocationTemplate,
    target: DirectTarget,
    options: SyncOptions,
    keys: KeyList | None,
    settings: StoreSettings,
    observer: Observer,
    messages: Messages,
) -> SyncReport:
    if options.dry_run or options.state_dir is not None:
        raise UsageError("--export-to keeps no state", cause="--dry-run and --state-dir are about what DEST holds")
    done = sync_to_output(
        location, target.out, options, target.export_options(), keys=keys, settings=settings, observer=observer
    )
    messages.log(
        "info", f"{count(done.rows, 'row')} in {count(done.parts, 'file')} of the series {done.series} in {target.out}"
    )
    return dataclasses.replace(done.sync, exit_code=done.exit_code)


def _event_printer(output: str, *, dry_run: bool) -> Callable[[ObjectEvent], None] | None:
    if output == "jsonl":
        return print_event
    return _print_plan if dry_run and output == "table" else None


def _print_plan(event: ObjectEvent) -> None:
    if event.outcome == "not_attempted":
        print(f"would fetch {printable(event.key)} -> {printable(event.path)} ({event.reason})")
