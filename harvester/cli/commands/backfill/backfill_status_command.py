"""``backfill status``: what is committed."""

from __future__ import annotations

import click

from harvester import text
from harvester.backfill import BackfillStatus, clean, open_planned, read_status
from harvester.cli.shared.options.parameters import format_option, store_options
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.reports.output import print_report
from harvester.cli.shared.run_messages import write_reasons
from harvester.sessions import StoreSettings

_MOST_SHOWN = 20


@click.command(
    "status",
    epilog="""\b
Examples:
  nimble-harvester backfill status s3://warehouse/nimble
  nimble-harvester backfill status ./tables --format json
  nimble-harvester backfill status ./tables --clean
""",
)
@click.argument("out", metavar="OUT")
@click.option("--clean", "cleaning", is_flag=True, help="Remove what attempts stored that no commit names.")
@format_option("table", "json")
@quiet_option
@store_options
def status_command(*, out: str, cleaning: bool, output: str, settings: StoreSettings) -> int:
    """Add up the committed shards of OUT, and name the missing ones.

    The counts are those that one run over all shards would have. The exit code is 3 while a shard is missing or a
    report holds problems. --clean leaves what belongs to shards that are not committed: an attempt may be at work.
    """
    with open_planned(out, settings) as store:
        if cleaning:
            removed = clean(store)
            click.echo(f"{text.count(removed, 'file')} removed", err=True)
        status = read_status(store)
    print_report(status, output, _render)
    write_reasons(status.exit_code, _reasons(status))
    return int(status.exit_code)


def _render(status: BackfillStatus) -> str:
    counts, totals = status.totals.counts, status.totals
    committed = status.shard_count - len(status.missing)
    lines = [f"{committed:,} of {text.count(status.shard_count, 'shard')} committed in {text.printable(status.output)}"]
    if status.missing:
        lines.append(f"missing: {_numbers(status.missing)}")
    if status.claimed:
        lines.append(f"accepted and not yet visible: {_numbers(status.claimed)}; the next attempt completes them")
    names = ("listed", "landed", "ignored", "refused", "quarantined", "failed", "not_attempted")
    lines += [
        "",
        *text.table(("objects", "count"), [(name.replace("_", " "), getattr(counts, name)) for name in names]),
    ]
    if totals.rows:
        lines += ["", *text.table(("table", "rows"), list(totals.rows.items()))]
    lines.append(
        f"{text.count(totals.parts, 'file')} of rows, {text.count(totals.files, 'object')} without rows,"
        f" {text.size(totals.bytes_fetched)} fetched in {text.duration(status.seconds)} of attempts"
    )
    if totals.oversized:
        lines.append(f"{text.count(totals.oversized, 'row')} too long")
    for problem in status.problems[:_MOST_SHOWN]:
        place = f"{problem['outcome']}, {problem['reason']}, shard {problem['shard']}"
        lines.append(f"{text.printable(problem['key'])}: {place}")
    if status.problem_count > _MOST_SHOWN:
        lines.append(f"and {text.count(status.problem_count - _MOST_SHOWN, 'problem')} more")
    return "\n".join(lines)


def _numbers(shards: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, shards[:_MOST_SHOWN]))
    return shown if len(shards) <= _MOST_SHOWN else f"{shown} and {len(shards) - _MOST_SHOWN:,} more"


def _reasons(status: BackfillStatus) -> list[str]:
    reasons = [f"shards are missing: {_numbers(status.missing)}"] if status.missing else []
    if status.problem_count:
        reasons.append(f"{text.count(status.problem_count, 'problem')} in the reports")
    if status.totals.oversized:
        reasons.append(f"{text.count(status.totals.oversized, 'row')} too long")
    return reasons
