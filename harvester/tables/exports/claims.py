"""Claims: what follows a position is claimed once, before its part appears.

Two exports that start at one position with other part sizes would write overlapping parts. Before a part is published,
the position it begins at is claimed by create-if-absent, with the position of its end. An export that finds a claim
writes exactly the claimed rows under exactly the claimed name; publishing is create-if-absent too.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError
from harvester.tables.exports.part_names import PartName, parse_part
from harvester.tables.outputs import OutputStore
from harvester.tables.table_columns import TableName


class Claim(NamedTuple):
    """The part that follows a position."""

    part: PartName
    """Its name."""
    start: str
    """The position after which its rows begin; that of the name, except after a restore of the destination."""


def read_claim(store: OutputStore, table: TableName, after: str, series: str = "") -> Claim | None:
    """Return the claim on what follows a position; None if there is none. Raises IntegrityError for a damaged one."""
    return _read(store, table, series, f"{_folder(table, series)}{after}.json")


def newest_claim(store: OutputStore, table: TableName, series: str) -> Claim | None:
    """Return the newest claim of a series; None if there is none. Raises IntegrityError for a damaged one."""
    # Positions of one history are in the order of their text.
    name = max(store.names(_folder(table, series)), default=None)
    return None if name is None else _read(store, table, series, name)


def _read(store: OutputStore, table: TableName, series: str, name: str) -> Claim | None:
    content = store.read(name)
    if content is None:
        return None
    try:
        document = json.loads(content)
        part, start = parse_part(document["part"]), document["start"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise _damaged(store, name) from error
    if part is None or not isinstance(start, str) or (part.table, part.series, _name(part)) != (table, series, name):
        raise _damaged(store, name)
    return Claim(part, start)


def make_claim(store: OutputStore, claim: Claim) -> bool:
    """Claim what follows a position; return False if it has been claimed."""
    document = {"part": str(claim.part), "start": claim.start}
    return store.create(_name(claim.part), json.dumps(document).encode() + b"\n")


def _folder(table: str, series: str) -> str:
    return f"claims/{table}/{series}/" if series else f"claims/{table}/"


def _name(part: PartName) -> str:
    return f"{_folder(part.table, part.series)}{part.after}.json"


def _damaged(store: OutputStore, name: str) -> IntegrityError:
    path = f"{store.url}/{name}"
    return IntegrityError(f"{path} is no claim", code=ErrorCode.EXPORT_DAMAGED, subject=path)
