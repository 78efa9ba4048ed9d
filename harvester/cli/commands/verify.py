"""``verify``: is everything still as it was landed."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.heartbeat import with_heartbeat
from harvester.cli.shared.options.parameters import (
    DESTINATION,
    PLACE,
    days_option,
    format_option,
    state_option,
    store_options,
)
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.options.sync_options import read_schema, schema_bytes_option, schema_steps_option
from harvester.cli.shared.run_messages import write_reasons
from harvester.destination import FileMark, Verification
from harvester.location import Location
from harvester.location_template import LocationTemplate
from harvester.sessions import StoreSettings


@click.command(
    "verify",
    epilog="""\b
Marks:
  = same       - missing here   + not in the manifest
  * differs    ! unreadable     . evicted
  x does not conform to --schema
\b
Examples:
  nimble-harvester verify ./results
  nimble-harvester verify ./results --remote --combined
  nimble-harvester verify ./results --schema price.json
  nimble-harvester verify ./out --location 's3://b/{date:%Y/%m/%d}/' --days 2
""",
)
@click.argument("dest", type=DESTINATION)
@click.option(
    "--location",
    type=PLACE,
    help="Only this part of the source: a folder in it, or one with dates, s3://my-bucket/results/{date:%Y/%m/%d}/.",
)
@days_option
@click.option("--remote", is_flag=True, help="Compare it with the source's listing too.")
@click.option(
    "--schema",
    "schema_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Check each result against this JSON Schema too, as sync does.",
)
@schema_bytes_option
@schema_steps_option
@click.option("--combined", is_flag=True, help="Print every path with its mark, also those that are the same.")
@state_option
@format_option("table", "json")
@store_options
@quiet_option
@with_heartbeat("verify")
def verify_command(
    *,
    dest: Path,
    location: Location | LocationTemplate | None,
    remote: bool,
    schema_file: Path | None,
    max_schema_bytes: int,
    max_schema_steps: int,
    combined: bool,
    state_dir: Path | None,
    output: str,
    settings: StoreSettings,
) -> int:
    """Compare every landed file of DEST with its manifest.

    Reads every file. Any difference exits 7; sync fetches again what is missing or differs. A result that does not
    conform to --schema exits 3.
    """
    verification = Verification(
        dest,
        remote=remote,
        state_dir=state_dir,
        settings=settings,
        schema=read_schema(schema_file, max_schema_bytes),
        max_schema_steps=max_schema_steps,
        place=location,
    )
    entries = []
    for mark, path, detail in verification:
        if output == "json":
            if combined or mark not in (FileMark.SAME, FileMark.EVICTED):
                entries.append({"mark": mark.value, "path": path, "detail": detail})
        elif combined:
            print(f"{mark.value} {text.printable(path)}")
        elif mark not in (FileMark.SAME, FileMark.EVICTED):
            print(f"{mark.value} {text.printable(path)}  ({text.printable(detail)})")
    report = verification.report()
    counts = [f"{number:,} {mark.name.lower()}" for mark in FileMark if (number := report.counts.get(mark, 0))]
    summary = f"{dest}: {', '.join(counts) or 'nothing has landed'}"
    if output == "json":
        print(json.dumps({**report.as_document(), "entries": entries}, indent=2))
    else:
        click.echo(summary, err=combined)
    if verification.holder is not None and report.exit_code:
        click.echo(
            f"warning: process {verification.holder.process} works on {dest}: what it lands meanwhile can show as a "
            "difference; verify again when it has ended",
            err=True,
        )
    if output == "json" or not combined:
        write_reasons(report.exit_code, [f"  {summary}"])
    return int(report.exit_code)
