"""Rows of a manifest are checked before they are used: SQLite holds any type in any column."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar, get_args

from harvester.destination.manifest.database import UnreadableRow
from harvester.destination.manifest.row_types import KnownRow, LandedRow
from harvester.destination.paths import STATE_FOLDER, check_landed_path

_Row = TypeVar("_Row", bound=tuple[Any, ...])
# A plan compares the other columns with what a listing and the disk state: another type differs from both. Every run
# reads every row, so that no more is looked at than must be.
_PLANNED = frozenset({"key", "path", "seq", "status"})
_PATH = KnownRow._fields.index("path")
_STATE = f"{STATE_FOLDER}/"


class _Column(NamedTuple):
    number: int
    name: str
    types: frozenset[type]


@cache
def _columns(row_type: type[tuple[Any, ...]]) -> tuple[_Column, ...]:
    """Return the columns to be checked, with the types that the annotations of the row name."""
    found = []
    for number, (name, hint) in enumerate(row_type.__annotations__.items()):
        if row_type is KnownRow and name not in _PLANNED:
            continue
        types = set(get_args(hint) or (hint,))
        found.append(_Column(number, name, frozenset(types | {int} if float in types else types)))
    return tuple(found)


def checked_rows(row_type: type[_Row], rows: Sequence[tuple[Any, ...]]) -> Iterator[_Row]:
    """Yield rows of the given type. Raises UnreadableRow, before the first, where one holds something else."""
    if not rows:
        return iter(())
    for number, name, types in _columns(row_type):
        if not types.issuperset(map(type, map(itemgetter(number), rows))):
            row = next(row for row in rows if type(row[number]) not in types)
            raise UnreadableRow(f"{name} of {row[0]!r:.200} is of type {type(row[number]).__name__}")
    if row_type is LandedRow:
        _check_landed(rows)
    elif row_type is KnownRow:
        # Where it leads otherwise is checked once a folder, by the tree in which it is looked up.
        paths = list(map(itemgetter(_PATH), rows))
        if "" in paths or f"\0{_STATE}" in "\0".join(["", *paths]):
            for path in paths:
                check_landed_path(path)
    make: Callable[[Iterable[Any]], _Row] = row_type._make  # type: ignore[attr-defined]  # every row type is a NamedTuple
    return map(make, rows)


def checked_row(row_type: type[_Row], row: tuple[Any, ...] | None) -> _Row | None:
    """Return a row of the given type, None for none. Raises UnreadableRow."""
    return None if row is None else next(checked_rows(row_type, (row,)))


def _check_landed(rows: Sequence[tuple[Any, ...]]) -> None:
    # Not loaded by a sync that has nothing to do.
    from harvester.results import Shape

    shapes = {shape.value for shape in Shape} | {None}
    for row in map(LandedRow._make, rows):
        check_landed_path(row.path)
        numbers = (row.size, row.content_size, row.seq, row.rows or 0, row.non_finite or 0)
        if row.shape not in shapes or min(numbers) < 0 or not math.isfinite(row.landed_at + row.last_modified):
            raise UnreadableRow(f"the row of {row.key!r:.200} has values that none can have")


def checked_object(text: str, name: str) -> dict[str, Any]:
    """Return a JSON object that the manifest holds. Raises UnreadableRow for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnreadableRow(f"{name} is no JSON object")
    return found


def checked_number(text: str | None, name: str) -> int:
    """Return a number from 0 that the manifest holds as text, 0 for none. Raises UnreadableRow for anything else."""
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > 18:  # digits that 63 bits hold
        raise UnreadableRow(f"{name} is no number")
    return int(text)
