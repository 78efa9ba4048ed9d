"""The parts of an output, and the count of their rows and of those that repeat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.tables.direct.key_window import MOST_ROWS, KeyWindow, OutputParts
from harvester.tables.direct.part_reader import WantedKeys
from harvester.tables.exports import PartName, parse_part
from harvester.tables.outputs import OutputStore

FILES_FOLDER: Final = "files/direct/"
"""Where landed objects without rows lie: ``files/direct/VERSION/PATH``."""
_INSERT: Final = "INSERT INTO found VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1"


class RowsInOutput(NamedTuple):
    """The rows of an output."""

    parts: int
    """Committed parts."""
    series: int
    """Series that have parts."""
    rows: int
    """Rows in them; rows that stand for an object without any count."""
    repeated: int
    """Rows that repeat the (key, version, row) of another: after a kill or an expired lease. Views show one."""


def file_name(version: str, path: str) -> str:
    """Return the name of a landed object without rows in an output."""
    return f"{FILES_FOLDER}{quote(version, safe='')}/{path}"


def parts_of(store: OutputStore) -> Iterator[PartName]:
    """Yield the parts of an output. Raises UsageError for tables of Delta, whose rows are not in parts."""
    for name in store.names("data/"):
        if "/_delta_log/" in name:
            raise UsageError(
                f"{store.url} holds tables of Delta",
                cause="what an output holds is learned from parts of Parquet or JSON Lines",
                code=ErrorCode.EXPORT_OUTPUT_UNSUPPORTED,
                subject=store.url,
            )
        part = parse_part(name)
        if part is not None:
            yield part


def count_rows(store: OutputStore, most: int = MOST_ROWS) -> RowsInOutput:
    """Count the rows of an output, and those that repeat another. Raises IntegrityError.

    The parts are read once for every ``most`` distinct rows: memory and temporary files do not grow with the rows.
    """
    parts = OutputParts(store, parts_of(store))
    rows = distinct = 0
    start: str | None = ""
    while start is not None:
        wanted = WantedKeys([("", None)], start)
        with KeyWindow("key BLOB, version, number, times, PRIMARY KEY(key, version, number)", wanted, most) as window:
            window.fill(parts.read(("key", "version", "row_index"), wanted, _identities), _INSERT)
            found, times = window.database.execute("SELECT count(*), sum(times) FROM found").fetchone()
        rows, distinct, start = rows + int(times or 0), distinct + int(found), wanted.end
    series = {part.series for part in parts}
    return RowsInOutput(sum(1 for _ in parts), len(series), rows, rows - distinct)


def _identities(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for key, version, number in rows:
        yield key.encode(), version, -1 if number is None else number
