"""What an output holds: format, columns, and the destination its rows are of. Recorded in the output itself."""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.tables.outputs import OutputStore
from harvester.tables.typed_columns import TypedColumn, parse_columns

LAYOUT_SCHEMA: Final = "urn:nimble-harvester:export-layout:v1"
LAYOUT_FOLDER: Final = "layout/"
"""Where the layouts of an output are recorded."""
SEVERAL: Final = ""
"""In place of an id, of an output to which several destinations write a series each."""


class Layout(NamedTuple):
    """The layout of an output."""

    dest_id: str
    """Id of the destination, or `SEVERAL`."""
    format: str
    """``parquet``, ``jsonl.zst``, ``jsonl.gz`` or ``delta``."""
    dropped: tuple[str, ...]
    """Columns that are left out."""
    typed: tuple[TypedColumn, ...]
    """Typed columns."""

    def to_json(self) -> bytes:
        """Return the recorded form."""
        document = {
            "schema": LAYOUT_SCHEMA,
            "dest_id": self.dest_id,
            "format": self.format,
            "dropped": self.dropped,
            "columns": [column._asdict() for column in self.typed],
        }
        return json.dumps(document, indent=1).encode() + b"\n"


def plan_layout(store: OutputStore, wanted: Layout) -> tuple[Layout, str]:
    """Return the layout of an output, and the name to create its `Layout.to_json` under; no name if it is recorded.

    It is that of a new output, or the known one, to which columns may be added. Raises UsageError for an output of
    another destination, format or other columns, IntegrityError for a layout that cannot be read.
    """
    names = sorted(store.names(LAYOUT_FOLDER))
    following = f"{LAYOUT_FOLDER}{len(names) + 1:06d}.json"
    if not names:
        return wanted, following
    known = _parsed(store.read(names[-1]), f"{store.url}/{names[-1]}")
    _check(store, known, wanted)
    added = tuple(column for column in wanted.typed if column not in known.typed)
    return (known._replace(typed=known.typed + added), following) if added else (known, "")


def read_layout(store: OutputStore) -> Layout:
    """Return the newest layout of an output. Raises UsageError where nothing was exported, IntegrityError."""
    names = sorted(store.names(LAYOUT_FOLDER))
    if not names:
        raise UsageError(f"{store.url} holds no export", code=ErrorCode.EXPORT_OF_ANOTHER_LAYOUT, subject=store.url)
    return _parsed(store.read(names[-1]), f"{store.url}/{names[-1]}")


def _check(store: OutputStore, known: Layout, wanted: Layout) -> None:
    if known.dest_id != wanted.dest_id:
        raise UsageError(
            f"{store.url} holds the export of another destination",
            cause=f"it holds {_rows_of(known)}, this export has {_rows_of(wanted)}",
            code=ErrorCode.EXPORT_OF_ANOTHER_DESTINATION,
            subject=store.url,
        )
    differs = (
        f"its format is {known.format}" if known.format != wanted.format
        else "it leaves out other columns" if set(known.dropped) != set(wanted.dropped)
        else "typed columns may be added, not changed or removed"
        if not set(known.typed) <= set(wanted.typed)
        else ""
    )  # fmt: skip
    if differs:
        raise UsageError(
            f"{store.url} has another layout",
            cause=f"{differs}; another layout needs another output",
            code=ErrorCode.EXPORT_OF_ANOTHER_LAYOUT,
            subject=store.url,
        )


def _rows_of(layout: Layout) -> str:
    return "series of several destinations" if layout.dest_id == SEVERAL else f"rows of {layout.dest_id}"


def _parsed(content: bytes | None, path: str) -> Layout:
    try:
        document: Any = json.loads(content or b"")
        if document["schema"] != LAYOUT_SCHEMA:
            raise ValueError
        return Layout(
            str(document["dest_id"]),
            str(document["format"]),
            tuple(map(str, document["dropped"])),
            parse_columns(document["columns"]),
        )
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError, UsageError) as error:
        raise IntegrityError(
            f"{path} is no layout of an export", code=ErrorCode.EXPORT_DAMAGED, subject=path
        ) from error
