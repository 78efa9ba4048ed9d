"""Prove at the end of a run that its counts are true: exit 0 is never assumed."""

from typing import NamedTuple

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError
from harvester.transfer.sync_report import RunCounters


class RowCounts(NamedTuple):
    """Rows of landed objects in the manifest at the end of a run."""

    expected: int
    """Rows before, and one for each key that landed for the first time, less those that were removed."""
    found: int
    """Rows that are there. Fewer mean that two objects were given one path: a path has one row."""


def prove_listing(counters: RunCounters, distinct: int, rows: RowCounts | None, location: str) -> IntegrityError | None:
    """Return the error of a complete listing run whose outcomes are not one for each distinct key, else None."""
    if counters.listed != distinct:
        return _unproved(location, f"{counters.listed:,} objects were counted, and {distinct:,} distinct keys listed")
    return prove_outcomes(counters, rows, location)


def prove_outcomes(counters: RunCounters, rows: RowCounts | None, location: str) -> IntegrityError | None:
    """Return the error of a run that left objects without outcome, or landed two at one path, else None."""
    if counters.settled != counters.listed:
        return _unproved(location, f"{counters.listed:,} objects have {counters.settled:,} outcomes")
    if rows is not None and rows.expected != rows.found:
        return _unproved(
            location, f"{rows.expected:,} landed objects should be recorded, each with its path, and {rows.found:,} are"
        )
    return None


def _unproved(location: str, cause: str) -> IntegrityError:
    return IntegrityError(
        f"the run over {location} does not add up", cause=cause, code=ErrorCode.RUN_NOT_PROVED, subject=location
    )
