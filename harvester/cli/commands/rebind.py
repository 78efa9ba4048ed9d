"""``rebind``: the source of a destination has moved."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.consent import require_consent
from harvester.cli.shared.options.parameters import DESTINATION, LOCATION, format_option, state_option, store_options
from harvester.destination import RebindReport, rebind
from harvester.location import Location
from harvester.sessions import StoreSettings

_MOST_SHOWN = 100
_WORDS = {
    "missing": "not at the new location",
    "version": "there in another version",
    "new": "only at the new location",
}


@click.command("rebind", epilog="\b\nExample:\n  nimble-harvester rebind ./results s3://new-bucket/nimble-results/")
@click.argument("dest", type=DESTINATION)
@click.argument("location", type=LOCATION)
@click.option("--yes", is_flag=True, help="Rebind without asking.")
@state_option
@format_option("table", "json")
@store_options
def rebind_command(
    *,
    dest: Path,
    location: Location,
    yes: bool,
    state_dir: Path | None,
    output: str,
    settings: StoreSettings,
) -> None:
    """Bind DEST to LOCATION, where its source has moved.

    Compares the listing with what has landed by key, size and version, and lists what differs. What is the same is not
    fetched again.
    """
    planned = rebind(dest, location, settings=settings, state_dir=state_dir, dry_run=True)
    if output == "table":
        _print_comparison(planned)
    require_consent(f"Bind {dest} to {location.url}?", str(dest), yes=yes)
    report = rebind(dest, location, settings=settings, state_dir=state_dir)
    if output == "json":
        print(json.dumps(report.as_document(), indent=2))
    else:
        print(f"{dest} is bound to {location.url}")


def _print_comparison(report: RebindReport) -> None:
    print(f"{text.count(report.same, 'object')} the same at {report.old} and {report.new}")
    for kind, number in sorted(Counter(each.difference for each in report.differences).items()):
        print(f"{text.count(number, 'object')} {_WORDS[kind]}")
    for each in report.differences[:_MOST_SHOWN]:
        print(f"  {text.printable(each.key)}  ({_WORDS[each.difference]})")
    if len(report.differences) > _MOST_SHOWN:
        print(f"  and {len(report.differences) - _MOST_SHOWN:,} more")
