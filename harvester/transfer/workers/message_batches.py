"""Assignments and outcomes in batches of plain tuples.

pickle writes a plain tuple in a third of the time of a named one, which it takes apart and makes again in Python.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from harvester.storage import FetchRequest
from harvester.transfer.workers.messages import (
    Assignment,
    DestinationFault,
    Failed,
    Landed,
    Outcome,
    Quarantined,
    Refused,
)

PackedAssignments: TypeAlias = list[tuple[Any, ...]]
"""For each assignment the fields of its request, then its other fields."""
PackedOutcomes: TypeAlias = list[tuple[int, tuple[Any, ...]]]
"""For each outcome the number of its kind, and its fields."""

_KINDS: tuple[type[Outcome], ...] = (Landed, Quarantined, Refused, Failed, DestinationFault)
_NUMBERS: Mapping[type, int] = {kind: number for number, kind in enumerate(_KINDS)}


def pack_assignments(assignments: Iterable[Assignment]) -> PackedAssignments:
    """Return a batch for a worker."""
    return [(tuple(request), *others) for request, *others in assignments]


def unpack_assignments(packed: PackedAssignments) -> list[Assignment]:
    """Return the assignments of a batch."""
    return [Assignment(FetchRequest._make(request), *others) for request, *others in packed]


def pack_outcomes(outcomes: Iterable[Outcome]) -> PackedOutcomes:
    """Return a batch for the parent."""
    return [(_NUMBERS[type(outcome)], tuple(outcome)) for outcome in outcomes]


def unpack_outcomes(packed: PackedOutcomes) -> list[Outcome]:
    """Return the outcomes of a batch."""
    return [_KINDS[number]._make(fields) for number, fields in packed]
