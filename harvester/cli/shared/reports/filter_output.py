"""What a filter of rows names that no landed object has."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from harvester import text
from harvester.destination import RowFilter, landed_rows

_SHOWN = 10


def print_unknown_names(dest: Path, wanted: RowFilter, *, state_dir: Path | None) -> None:
    """Print to standard error which agents and statuses of a filter no landed object is known to have.

    Reads the whole manifest where the filter names any.
    """
    if not wanted.agents and not wanted.statuses:
        return
    agents, statuses = set(), set()
    for row in landed_rows(dest, state_dir=state_dir):
        agents.add(row.agent or "")
        statuses.add((row.status or "").lower())
    unknown_statuses = [each for each in wanted.statuses if each.lower() not in statuses]
    _print("agent", [each for each in wanted.agents if each not in agents], agents)
    _print("status", unknown_statuses, statuses)


def _print(noun: str, unknown: Collection[str], known: Collection[str]) -> None:
    if not unknown:
        return
    names = sorted(filter(None, known))
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    there = f"known are {', '.join(names[:_SHOWN])}{more}" if names else "none names any"
    click.echo(text.printable(f"no landed object is known to have the {noun} {', '.join(unknown)}: {there}"), err=True)
