"""``consumers``: named readers and their acknowledged positions."""

from __future__ import annotations

import json
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.options.parameters import DESTINATION, format_option, row_filter_options, state_option
from harvester.cli.shared.reports.filter_output import print_unknown_names
from harvester.destination import (
    CONSUMERS_SCHEMA,
    ConsumerStatus,
    RowFilter,
    acknowledge,
    create_consumer,
    forget_consumer,
    list_consumers,
    rewind_consumer,
)


@click.group("consumers")
def consumers() -> None:
    """Create, list, acknowledge, rewind and forget the consumers of DEST."""


@consumers.command(
    "create", epilog="\b\nExample:\n  nimble-harvester consumers create ./results warehouse --shape jsonl"
)
@click.argument("dest", type=DESTINATION)
@click.argument("name")
@click.option("--after", default="0", metavar="POSITION", help="Where it starts; 0 for everything.")
@row_filter_options
@state_option
def create_command(
    *,
    dest: Path,
    name: str,
    after: str,
    include: tuple[str, ...],
    shapes: tuple[str, ...],
    statuses: tuple[str, ...],
    agents: tuple[str, ...],
    state_dir: Path | None,
) -> None:
    """Create consumer NAME of DEST.

    Its filter is fixed: rows outside it count as passed, for this consumer only.
    """
    wanted = RowFilter(include=include, shapes=shapes, statuses=statuses, agents=agents)
    print(_line(create_consumer(dest, name, wanted, after=after, state_dir=state_dir)))
    print_unknown_names(dest, wanted, state_dir=state_dir)


@consumers.command("list")
@click.argument("dest", type=DESTINATION)
@state_option
@format_option("table", "json")
def list_command(*, dest: Path, state_dir: Path | None, output: str) -> None:
    """List the consumers of DEST: position, rows and objects behind, last acknowledgement."""
    found = list_consumers(dest, state_dir=state_dir)
    if output == "json":
        document = {
            "schema": CONSUMERS_SCHEMA,
            "destination": str(dest),
            "consumers": [each.as_document() for each in found],
        }
        print(json.dumps(document, indent=2))
    elif found:
        rows = [
            (
                each.name,
                each.position,
                f"{each.rows_behind:,}",
                f"{each.objects_behind:,}",
                f"{each.superseded:,}",
                "never" if each.acknowledged_at is None else text.moment(each.acknowledged_at),
            )
            for each in found
        ]
        columns = ("consumer", "position", "rows behind", "objects behind", "superseded", "acknowledged")
        print("\n".join(text.table(columns, rows)))
    else:
        print(f"{dest} has no consumers")


@consumers.command("ack")
@click.argument("dest", type=DESTINATION)
@click.argument("name")
@click.argument("position")
@state_option
def ack_command(*, dest: Path, name: str, position: str, state_dir: Path | None) -> None:
    """Acknowledge everything up to POSITION for consumer NAME.

    It never moves backwards. Works while a sync or watch holds DEST.
    """
    print(_line(acknowledge(dest, name, position, state_dir=state_dir)))


@consumers.command("rewind")
@click.argument("dest", type=DESTINATION)
@click.argument("name")
@click.argument("position", default="0")
@state_option
def rewind_command(*, dest: Path, name: str, position: str, state_dir: Path | None) -> None:
    """Set consumer NAME back to POSITION, by default to the beginning."""
    print(_line(rewind_consumer(dest, name, position, state_dir=state_dir)))


@consumers.command("forget")
@click.argument("dest", type=DESTINATION)
@click.argument("name")
@state_option
def forget_command(*, dest: Path, name: str, state_dir: Path | None) -> None:
    """Remove consumer NAME: nothing is kept for it any more."""
    forget_consumer(dest, name, state_dir=state_dir)


def _line(status: ConsumerStatus) -> str:
    behind = f"{text.count(status.rows_behind, 'row')} in {text.count(status.objects_behind, 'object')} behind"
    return f"{status.name} is at {status.position}, {behind}"
