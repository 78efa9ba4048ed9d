"""``export``: rows as tables for a warehouse."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.heartbeat import with_heartbeat
from harvester.cli.shared.options.parameters import DESTINATION, format_option, state_option, store_options
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.options.table_options import table_options
from harvester.cli.shared.reports.output import print_report
from harvester.cli.shared.run_messages import write_reasons
from harvester.cli.shared.verb_metrics import with_metrics
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.metrics import Metric
from harvester.sessions import StoreSettings
from harvester.tables import ExportOptions, ExportReport, export, export_metrics, print_views


@click.command(
    "export",
    epilog="""\b
Examples:
  nimble-harvester export ./results --to ./tables
  nimble-harvester export ./results --to s3://warehouse/nimble --columns prices.json --drop html,markdown
  nimble-harvester export ./results --to ./tables --as jsonl --compression gzip
  nimble-harvester export ./results --to ./tables --print-view | duckdb tables.duckdb
""",
)
@click.argument("dest", type=DESTINATION)
@click.option(
    "--to",
    "outputs",
    required=True,
    multiple=True,
    metavar="OUT",
    help="A directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX; several with --print-view.",
)
@table_options
@click.option("--from", "start", metavar="POSITION", help="Begin an empty OUT here; moves no consumer.")
@click.option(
    "--after-restore",
    is_flag=True,
    help="Go on although DEST was restored from a backup, or rows that OUT lacks were evicted.",
)
@click.option("--print-view", is_flag=True, help="Export nothing; print views of current rows as SQL.")
@state_option
@store_options
@format_option("table", "json")
@quiet_option
@with_metrics("export")
@with_heartbeat("export")
def export_command(
    *,
    dest: Path,
    outputs: tuple[str, ...],
    tables: ExportOptions,
    start: str | None,
    after_restore: bool,
    print_view: bool,
    state_dir: Path | None,
    settings: StoreSettings,
    output: str,
    measured: list[Metric],
) -> int:
    """Write the rows of DEST that OUT does not hold yet as tables, each row once.

    Files appear whole under OUT/data/TABLE/landed_day=DAY/ and are never changed. OUT itself decides how far it is; the
    consumer export:OUT follows it. A killed export is completed by the next one.
    """
    if print_view:
        print(print_views(outputs, settings=settings), end="")
        return 0
    if len(outputs) > 1:
        raise UsageError(
            "several --to go with --print-view only", code=ErrorCode.OPTION_REPEATED, parameters={"option": "--to"}
        )
    (out,) = outputs
    options = dataclasses.replace(tables, start=start, after_restore=after_restore)
    report = export(dest, out, options, settings=settings, state_dir=state_dir)
    measured += export_metrics(report)
    print_report(report, output, _render)
    write_reasons(report.exit_code, [f"  {line}" for line in _fault_lines(report)])
    return int(report.exit_code)


def _render(report: ExportReport) -> str:
    rows = [(name, table.parts, table.rows, table.objects, table.position) for name, table in report.tables.items()]
    return "\n".join([*text.table(("table", "new files", "rows", "objects", "position"), rows), *_fault_lines(report)])


def _fault_lines(report: ExportReport) -> list[str]:
    lines = []
    if report.oversized:
        lines.append(f"{text.count(report.oversized, 'row')} too long, e.g. {text.printable(report.oversized_rows[0])}")
    lines += [
        f"{text.count(count, 'value')} of column {name} did not fit and are NULL"
        for name, count in report.misfits.items()
    ]
    if report.unreadable:
        count = text.count(len(report.unreadable), "landed file")
        lines.append(f"{count} missing or altered, e.g. {text.printable(report.unreadable[0])}")
    return lines
