"""``compact``: drop rows that nothing needs any more."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.options.parameters import DESTINATION, DURATION, format_option, state_option
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.destination import compact


@click.command("compact", epilog="\b\nExample:\n  nimble-harvester compact ./results --gone-for 30d")
@click.argument("dest", type=DESTINATION)
@click.option(
    "--gone-for", type=DURATION, required=True, help="Only objects gone at the source for this long, e.g. 30d."
)
@click.option("--dry-run", is_flag=True, help="Print what would be dropped; change nothing.")
@state_option
@format_option("table", "json")
@quiet_option
def compact_command(*, dest: Path, gone_for: float, dry_run: bool, state_dir: Path | None, output: str) -> None:
    """Drop rows of DEST that nothing needs any more.

    Drops objects that are gone at the source, evicted, and passed by every consumer; counts are kept per day.
    """
    report = compact(dest, gone_for=gone_for, state_dir=state_dir, dry_run=dry_run)
    if output == "json":
        print(json.dumps(report.as_document(), indent=2))
    else:
        verb = "would be dropped" if dry_run else "dropped"
        print(f"{text.count(report.objects, 'row')} {verb}, {report.kept:,} kept: not evicted, or not passed by all")
