"""``profile``: field statistics of rows, and what has changed in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.heartbeat import with_heartbeat
from harvester.cli.shared.next_steps.result_steps import accept_profile
from harvester.cli.shared.options.option_errors import options_exclusive
from harvester.cli.shared.options.parameters import DESTINATION, DURATION, format_option, state_option
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.reports.output import print_report
from harvester.cli.shared.run_messages import write_reasons
from harvester.cli.shared.verb_metrics import with_metrics
from harvester.metrics import Metric
from harvester.tables import ALL_GROUPS, DEFAULT_TOLERANCE, DEFAULT_WINDOW, ProfileReport, profile, profile_metrics


@click.command(
    "profile",
    epilog="""\b
Examples:
  nimble-harvester profile ./results --accept
  nimble-harvester profile ./results --window 1h
  nimble-harvester profile ./results --against 7d --tolerance 0.2
  nimble-harvester profile ./results --consumer warehouse --format json
  nimble-harvester profile ./results --accept amazon_pdp
""",
)
@click.argument("dest", type=DESTINATION)
@click.option("--window", type=DURATION, help="Profile what landed in this time.  [default: 24h]")
@click.option("--consumer", metavar="NAME", help="Profile what this consumer has not acknowledged instead.")
@click.option("--against", type=DURATION, help="Compare with the window that long ago, not with the accepted profile.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=DEFAULT_TOLERANCE,
    show_default=True,
    help="By how much a fill rate, or the share of a type or status, may change.",
)
@click.option(
    "--accept",
    is_flag=False,
    flag_value=ALL_GROUPS,
    metavar="[AGENT]",
    help="Accept this profile, or that of one agent: what follows is compared with it.",
)
@state_option
@format_option("table", "json")
@quiet_option
@with_metrics("profile")
@with_heartbeat("profile")
def profile_command(
    *,
    dest: Path,
    window: float | None,
    consumer: str | None,
    against: float | None,
    tolerance: float,
    accept: str | None,
    state_dir: Path | None,
    output: str,
    measured: list[Metric],
) -> int:
    """Show field statistics of the rows of DEST, and what has changed in them.

    For each agent: which fields are filled, their types, lengths and ranges; never values. Compared with the profile
    accepted last; findings stay, exit 16, until --accept.
    """
    if consumer is not None and window is not None:
        raise options_exclusive("--consumer and --window exclude each other", "--consumer", "--window")
    report = profile(
        dest,
        consumer=consumer,
        window=DEFAULT_WINDOW if window is None else window,
        against=against,
        tolerance=tolerance,
        accept=accept,
        state_dir=state_dir,
    )
    measured += profile_metrics(report)
    print_report(report, output, _render)
    write_reasons(report.exit_code, [f"  {line}" for line in _fault_lines(report, str(dest))])
    return int(report.exit_code)


def _render(report: ProfileReport) -> str:
    groups = [
        (name, group["rows"], group["objects"], len(group["fields"]), _states(group["statuses"]))
        for name, group in report.groups.items()
    ]
    lines = text.table(("agent or shape", "rows", "objects", "fields", "statuses"), groups) if groups else ["no rows"]
    if report.accepted:
        lines.append(f"accepted: {', '.join(map(text.printable, report.accepted))}")
    elif report.baseline is None:
        lines.append("nothing to compare with yet: no profile was accepted with --accept, or no earlier rows are here")
    lines += _finding_lines(report)
    if report.evicted:
        lines.append(f"note: {text.count(report.evicted, 'object')} evicted, and not profiled")
    return "\n".join([*lines, *_unreadable_lines(report)])


def _finding_lines(report: ProfileReport) -> Iterator[str]:
    for finding in report.findings:
        place = f"{finding.group} {finding.path}".strip()
        yield f"! {finding.kind.replace('_', ' ')}: {text.printable(place)}: {text.printable(finding.detail)}"


def _unreadable_lines(report: ProfileReport) -> Iterator[str]:
    if report.unreadable:
        count = text.count(len(report.unreadable), "landed file")
        yield f"{count} missing or altered, e.g. {text.printable(report.unreadable[0])}"


def _fault_lines(report: ProfileReport, dest: str) -> Iterator[str]:
    yield from _finding_lines(report)
    yield from _unreadable_lines(report)
    if report.findings:
        yield f"if the data is right: {accept_profile(dest)}"


def _states(statuses: dict[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(statuses.items(), key=lambda each: -each[1])[:4])
