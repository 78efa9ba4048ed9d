"""``evict``: free the disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.parameters import DESTINATION, DURATION, format_option, state_option
from harvester.destination import evict
from harvester.errors import UsageError


@click.command(
    "evict",
    epilog="""\b
Examples:
  nimble-harvester evict ./results --older-than 7d
  nimble-harvester evict ./results --through 1200 --dry-run
""",
)
@click.argument("dest", type=DESTINATION)
@click.option("--through", type=click.IntRange(0), metavar="SEQ", help="What landed up to this sequence number.")
@click.option("--older-than", type=DURATION, help="What landed longer ago than this, e.g. 7d.")
@click.option("--dry-run", is_flag=True, help="Print what would be freed; remove nothing.")
@state_option
@format_option("table", "json")
def evict_command(
    *, dest: Path, through: int | None, older_than: float | None, dry_run: bool, state_dir: Path | None, output: str
) -> None:
    """Free the disk of results that were consumed.

    Removes landed files from DEST; no later sync fetches them again unless the source changes.
    """
    if through is None and older_than is None:
        raise UsageError(
            "nothing chosen to evict",
            parameters={"advice": f"nimble-harvester evict {dest} --older-than 7d, or --through SEQ"},
        )
    report = evict(dest, through=through, older_than=older_than, state_dir=state_dir, dry_run=dry_run)
    if output == "json":
        print(json.dumps(report.as_document(), indent=2))
    else:
        verb = "would be freed" if dry_run else "freed"
        print(f"{text.count(report.objects, 'file')}, {text.size(report.bytes)} {verb}")
    if report.outside:
        print(
            f"note: {text.count(report.outside, 'file')} left alone: a link, or what is no folder, lies above",
            file=sys.stderr,
        )
