"""``evict``: free the disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.heartbeat import with_heartbeat
from harvester.cli.shared.next_steps.result_steps import list_consumers
from harvester.cli.shared.options.option_errors import option_required, options_exclusive
from harvester.cli.shared.options.parameters import DESTINATION, DURATION, format_option, state_option
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.destination import EvictReport, evict, evict_quarantine, evict_versions


@click.command(
    "evict",
    epilog="""\b
Examples:
  nimble-harvester evict ./results --consumed
  nimble-harvester evict ./results --older-than 7d
  nimble-harvester evict ./results --through POSITION --dry-run
  nimble-harvester evict ./results --quarantine --older-than 30d
""",
)
@click.argument("dest", type=DESTINATION)
@click.option("--consumed", is_flag=True, help="What every consumer has acknowledged to its end.")
@click.option("--through", metavar="POSITION", help="What landed up to this position.")
@click.option("--older-than", type=DURATION, help="What landed longer ago than this, e.g. 7d.")
@click.option("--unacknowledged", is_flag=True, help="Also what some consumer has not acknowledged.")
@click.option("--quarantine", is_flag=True, help="Instead of results, the quarantined bytes; with --older-than.")
@click.option("--versions", is_flag=True, help="Instead of results, the older versions kept; with --older-than.")
@click.option("--dry-run", is_flag=True, help="Print what would be freed; remove nothing.")
@state_option
@format_option("table", "json")
@quiet_option
@with_heartbeat("evict")
def evict_command(
    *,
    dest: Path,
    consumed: bool,
    through: str | None,
    older_than: float | None,
    unacknowledged: bool,
    quarantine: bool,
    versions: bool,
    dry_run: bool,
    state_dir: Path | None,
    output: str,
) -> None:
    """Free the disk of results that were consumed.

    Removes landed files from DEST; no later sync fetches them again unless the source changes. What a consumer has not
    acknowledged is left, unless --unacknowledged is given. Works while a sync or watch holds DEST.
    """
    if quarantine or versions:
        report = _evict_state(
            dest,
            older_than,
            quarantine=quarantine,
            other=consumed or through is not None or unacknowledged or (quarantine and versions),
            state_dir=state_dir,
            dry_run=dry_run,
        )
    else:
        report = evict(
            dest,
            consumed=consumed,
            through=through,
            older_than=older_than,
            unacknowledged=unacknowledged,
            state_dir=state_dir,
            dry_run=dry_run,
        )
    if output == "json":
        print(json.dumps(report.as_document(), indent=2))
    else:
        verb = "would be freed" if dry_run else "freed"
        print(f"{text.count(report.objects, 'file')}, {text.size(report.bytes)} {verb}")
    if report.unacknowledged and not consumed:
        print(
            f"note: {text.count(report.unacknowledged, 'object')} left: not acknowledged by every consumer"
            f" ({list_consumers(dest)})",
            file=sys.stderr,
        )
    if report.outside:
        print(
            f"note: {text.count(report.outside, 'file')} left alone: changed since it landed, or behind a link",
            file=sys.stderr,
        )


def _evict_state(
    dest: Path, older_than: float | None, *, quarantine: bool, other: bool, state_dir: Path | None, dry_run: bool
) -> EvictReport:
    if older_than is None:
        raise option_required("--quarantine and --versions need --older-than", "--older-than 30d")
    if other:
        raise options_exclusive(
            "--quarantine and --versions go with --older-than only",
            "--quarantine --older-than 30d",
            "--versions --older-than 30d",
        )
    chosen = evict_quarantine if quarantine else evict_versions
    return chosen(dest, older_than=older_than, state_dir=state_dir, dry_run=dry_run)
