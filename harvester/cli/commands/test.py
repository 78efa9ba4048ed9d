"""``test``: Nimble's Test Connection with the caller's credentials."""

from __future__ import annotations

from typing import Literal

import click

from harvester.access import ProbeReport, probe_connection, worst_exit_code
from harvester.cli.shared.next_steps.error_steps import step_for
from harvester.cli.shared.options.parameters import LOCATION, format_option, store_options
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.reports.json_documents import json_text
from harvester.cli.shared.reports.output import print_text
from harvester.error_codes import ErrorCode
from harvester.errors import ExitCode, UsageError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.text import printable, wrap

WantedAccess = Literal["read", "write", "both"]

_MARKS = {"ok": "ok", "failed": "FAILED", "skipped": "skipped"}


@click.command(
    "test",
    epilog="""\b
Examples:
  nimble-harvester test s3://my-bucket/output/ --access write
  nimble-harvester test s3://my-bucket/results/ --access both --deep
  nimble-harvester test --input s3://my-bucket/input/ --output s3://my-bucket/output/
  nimble-harvester test gs://my-bucket/results/ --format json
\b
Exit codes: 0 every chip is green, 4 access denied, 5 no such bucket, 6 connection failed,
8 no usable credentials or clock. Of several locations: the one most in need of a person.
""",
)
@click.argument("location", type=LOCATION, nargs=-1)
@click.option(
    "--access",
    type=click.Choice(["read", "write", "both"]),
    default="read",
    show_default=True,
    help="What to test of each LOCATION; write leaves an empty object there.",
)
@click.option("--input", "inputs", type=LOCATION, multiple=True, help="A job's input path: tested for read.")
@click.option("--output", "outputs", type=LOCATION, multiple=True, help="A job's output path: tested for write.")
@click.option("--deep", is_flag=True, help="Also read a byte, begin and abort an upload, read back what was written.")
@format_option("table", "json", "jsonl")
@store_options
@quiet_option
def test_command(
    *,
    location: tuple[Location, ...],
    access: WantedAccess,
    inputs: tuple[Location, ...],
    outputs: tuple[Location, ...],
    deep: bool,
    settings: StoreSettings,
    output: str,
) -> int:
    """Test the connection to each LOCATION as Nimble's form does.

    The same requests and the same five chips, with your credentials; each step with its outcome, time and request id,
    and what a green chip leaves unproven.
    """
    wanted: list[tuple[Location, WantedAccess]] = [
        *((each, access) for each in location),
        *((each, "read") for each in inputs),
        *((each, "write") for each in outputs),
    ]
    if not wanted:
        raise UsageError(
            "no location to test",
            cause="give LOCATION, or a job's --input and --output",
            code=ErrorCode.NO_LOCATION_TO_TEST,
        )
    reports = []
    for place, kind in wanted:
        report = probe_connection(place, kind, deep=deep, settings=settings)
        reports.append(report)
        if output == "table":
            print_text(("\n" if len(reports) > 1 else "") + _render(report))
        elif output == "jsonl":
            print_text(json_text(report.as_document()))
    code = worst_exit_code([report.exit_code for report in reports])
    if output == "json":
        print_text(json_text(_document(reports, code), indent=2))
    if output == "table" and len(reports) > 1:
        green = sum(report.ok for report in reports)
        print_text(f"\n{'go' if code is ExitCode.OK else 'no-go'}: {green} of {len(reports)} green")
    for report in reports:
        if not report.ok:
            _print_failure(report)
    return int(code)


def _document(reports: list[ProbeReport], code: ExitCode) -> dict[str, object]:
    return {
        "schema": "urn:nimble-harvester:test:v1",
        "go": code is ExitCode.OK,
        "exit_code": int(code),
        "reports": [report.as_document() for report in reports],
    }


def _render(report: ProbeReport) -> str:
    lines = [report.location.url]
    lines += [f"  {access:<5}  {chip.text}" for access, chip in report.chips]
    lines.append("")
    access = ""
    for step in report.steps:
        if len(report.chips) > 1 and step.access != access:
            access = step.access
            lines.append(f"  {access}")
        label = step.operation if step.documented else f"{step.operation} *"
        time = f"{step.milliseconds:,.0f} ms" if step.outcome != "skipped" else ""
        lines.append(f"    {_MARKS[step.outcome]:<8}{label:<27}{time:>9}  {printable(step.request_id)}".rstrip())
        detail = ": ".join(filter(None, (step.code, step.note)))
        if detail:
            lines.append(wrap(printable(detail), first=" " * 12))
    if any(not step.documented for step in report.steps):
        lines.append("    * no step of Nimble's own test")
    lines.append("\n  not proven")
    lines += [wrap(each, first="    - ") for each in report.not_proven]
    return "\n".join(lines)


def _print_failure(report: ProbeReport) -> None:
    cause = f"{report.cause} (request id {report.request_id})" if report.request_id else report.cause
    click.echo(f"error: {report.location.url}: {report.chip.text}", err=True)
    step = step_for(report.code, report.location.url, report.parameters) if report.code else ""
    for line in (cause, step):
        if line:
            click.echo(f"  {printable(line)}", err=True)
