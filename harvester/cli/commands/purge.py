"""``purge``: erase results for good."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.consent import require_consent
from harvester.cli.shared.next_steps.cloud_commands import delete_object
from harvester.cli.shared.options.option_errors import options_exclusive
from harvester.cli.shared.options.parameters import DESTINATION, format_option, state_option
from harvester.destination import PurgeReport, purge
from harvester.location import parse_location

_MOST_SHOWN = 20


@click.command(
    "purge",
    epilog="""\b
Examples:
  nimble-harvester purge ./results --task 5f0c1a52-8d7e-4f4b-9a52-1d1f6b7e2a10
  nimble-harvester purge ./results --url 'https://www.example.com/people/*' --yes
""",
)
@click.argument("dest", type=DESTINATION)
@click.option("--key", metavar="KEY", help="The object with this whole key.")
@click.option("--task", "task_id", metavar="ID", help="The objects of this task.")
@click.option("--url", metavar="GLOB", help="The objects with a row whose url matches.")
@click.option("--yes", is_flag=True, help="Erase without asking.")
@state_option
@format_option("table", "json")
def purge_command(
    *,
    dest: Path,
    key: str | None,
    task_id: str | None,
    url: str | None,
    yes: bool,
    state_dir: Path | None,
    output: str,
) -> None:
    """Erase results from DEST for good, for an erasure request.

    Removes landed files, older versions, quarantined bytes, and what the manifest holds of them but the key. A
    tombstone keeps each from landing again and is shown to consumers. The bucket is not touched: the commands that
    delete its objects are printed.
    """
    if sum(each is not None for each in (key, task_id, url)) != 1:
        raise options_exclusive(
            "choose what to purge by one of --key, --task and --url", "--key KEY", "--task ID", "--url URL"
        )
    planned = purge(dest, key=key, task_id=task_id, url=url, state_dir=state_dir, dry_run=True)
    report = planned
    if planned.keys:
        if output == "table":
            _print_keys(planned)
        question = f"Erase {text.count(len(planned.keys), 'object')} ({text.count(planned.files, 'file')}) for good?"
        require_consent(question, str(dest), yes=yes)
        report = purge(dest, key=key, task_id=task_id, url=url, state_dir=state_dir)
    if output == "json":
        print(json.dumps(report.as_document(), indent=2))
    else:
        print(f"{text.count(len(report.keys), 'object')} and {text.count(report.files, 'file')} erased")
        _print_commands(report)
    _print_notes(report)


def _print_keys(report: PurgeReport) -> None:
    for key in report.keys[:_MOST_SHOWN]:
        print(text.printable(key))
    if len(report.keys) > _MOST_SHOWN:
        print(f"and {len(report.keys) - _MOST_SHOWN:,} more")


def _print_commands(report: PurgeReport) -> None:
    delivered = [key for key in report.keys if not key.startswith("nimble-task:")]
    if not delivered:
        return
    print("the objects are still at the source; to delete them there:")
    location = parse_location(report.location)
    for key in delivered:
        print(f"  {delete_object(location, key)}")


def _print_notes(report: PurgeReport) -> None:
    if report.evicted:
        print(
            f"note: {text.count(report.evicted, 'evicted object')} could not be searched: the content is not here",
            file=sys.stderr,
        )
    for path in report.unreadable[:_MOST_SHOWN]:
        print(f"note: {text.printable(path)} could not be read and was not searched", file=sys.stderr)
    if len(report.unreadable) > _MOST_SHOWN:
        print(f"note: nor were {len(report.unreadable) - _MOST_SHOWN:,} more", file=sys.stderr)
