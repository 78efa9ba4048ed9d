"""``report``: destinations as one HTML file."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

import click

from harvester import text
from harvester.cli.shared.next_steps import access_step, problem_step
from harvester.cli.shared.next_steps.fix_commands import advised_commands
from harvester.cli.shared.options.option_errors import option_required
from harvester.cli.shared.options.parameters import DESTINATION, DIRECTORY, DURATION, state_option, store_options
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.errors import ExitCode
from harvester.html_report import AccessRequest, HtmlReportOptions, ReportWording, write_html_report
from harvester.sessions import StoreSettings


@click.command(
    "report",
    epilog="""\b
Examples:
  nimble-harvester report ./results
  nimble-harvester report ./results ./more --out deliveries.html --window 30d
  nimble-harvester report ./results --mode async --baseline ./access
""",
)
@click.argument("dest", type=DESTINATION, nargs=-1, required=True)
@click.option(
    "--out",
    type=DIRECTORY,
    default="report.html",
    show_default=True,
    metavar="FILE",
    help="Write the report here; an existing file is replaced.",
)
@click.option("--window", type=DURATION, default="7d", show_default=True, help="Show what happened in this time.")
@click.option(
    "--mode",
    type=click.Choice(["async", "jobs"]),
    help="Also explain, from the bucket's settings, what Nimble may do in this delivery mode.",
)
@click.option("--baseline", type=DIRECTORY, metavar="DIR", help="Show what changed since explain --save DIR.")
@state_option
@store_options
@quiet_option
def report_command(
    *,
    dest: tuple[Path, ...],
    out: Path,
    window: float,
    mode: Literal["async", "jobs"] | None,
    baseline: Path | None,
    state_dir: Path | None,
    settings: StoreSettings,
) -> int:
    """Write the report of each DEST as one HTML file that loads nothing.

    Runs, objects and bytes over time, outcomes, statuses, delays, sizes, problems by cause with the next command,
    consumers and their lag, fill rates, and with --mode the access of Nimble. Needs the extra [report].
    """
    if baseline is not None and mode is None:
        raise option_required(
            "--baseline needs --mode",
            "--mode async",
            "--mode jobs",
            cause="a baseline is compared with what Nimble may do now in one delivery mode",
        )
    wording = ReportWording(problem_step, functools.partial(advised_commands, settings=settings), access_step)
    access = None if mode is None else AccessRequest(mode, baseline, settings)
    written = write_html_report(dest, out, HtmlReportOptions(window, access, wording, state_dir))
    print(f"{written.path}: {text.size(written.bytes)}")
    for error in written.access_errors:
        raise error
    return int(ExitCode.OK)
