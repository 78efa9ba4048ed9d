"""Names of parts: each table of an export is a chain, in which a part begins where the one before it ended."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError
from harvester.tables.table_columns import TableName

BEGINNING: Final = "0"
_POSITION: Final = r"[0-9a-v]{13}-[0-9]{12}-(?:[0-9]{9}|end)"
_SERIES: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_PART = re.compile(
    rf"data/([a-z_]+)/landed_day=([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})"
    rf"/(?:({_SERIES})_)?(0|{_POSITION})-({_POSITION})\.([a-z.]+)",
    re.ASCII,
)


class PartName(NamedTuple):
    """One committed file of a table."""

    table: str
    """Value of `TableName`."""
    day: str
    """The UTC day on which its rows landed: ``2026-11-30``."""
    after: str
    """The position after which its rows begin; ``0`` for the beginning."""
    last: str
    """The position of its end."""
    suffix: str
    """``parquet``, ``jsonl.zst`` or ``jsonl.gz``."""
    series: str = ""
    """The series it belongs to; empty in an output of one destination."""

    def __str__(self) -> str:
        """Return the name below the output."""
        series = f"{self.series}_" if self.series else ""
        return f"data/{self.table}/landed_day={self.day}/{series}{self.after}-{self.last}.{self.suffix}"


def parse_part(name: str) -> PartName | None:
    """Return the part that a name below the output is; None for any other file."""
    found = _PART.fullmatch(name)
    if found is None:
        return None
    table, day, series, after, last, suffix = found.groups()
    return PartName(table, day, after, last, suffix, series or "")


def is_series(name: str) -> bool:
    """Return whether a series can have this name: 1 to 63 lower-case letters, digits and hyphens."""
    return re.fullmatch(_SERIES, name, re.ASCII) is not None


def chain_end(names: Iterable[str], table: TableName) -> str | None:
    """Return where the newest part of a table without series ends; None without parts.

    Raises IntegrityError for a broken chain.
    """
    following: dict[str, str] = {}
    for name in names:
        part = parse_part(name)
        if part is None or part.table != table or part.series:
            continue
        if part.after in following:
            raise _broken(table, f"two parts follow {part.after}")
        following[part.after] = part.last
    if not following:
        return None
    starts = following.keys() - set(following.values())
    if len(starts) != 1:
        raise _broken(table, f"it has {len(starts)} beginnings")
    (position,) = starts
    passed = 0
    while position in following:
        position, passed = following[position], passed + 1
    if passed != len(following):
        raise _broken(table, f"{len(following) - passed} parts are apart from it")
    return position


def _broken(table: TableName, cause: str) -> IntegrityError:
    return IntegrityError(
        f"the parts of {table} are no chain",
        cause=f"{cause}: parts were removed, renamed or added by other programs",
        code=ErrorCode.EXPORT_DAMAGED,
        subject=table,
    )
