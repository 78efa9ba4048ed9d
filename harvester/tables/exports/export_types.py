"""Value types of an export: options, reports, errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from harvester.error_codes import ErrorCode
from harvester.errors import ExitCode, HarvesterError, UsageError
from harvester.tables.exports.layout import SEVERAL, Layout
from harvester.tables.exports.part_names import BEGINNING, is_series
from harvester.tables.table_columns import DROPPABLE
from harvester.tables.typed_columns import TypedColumn

EXPORT_SCHEMA: Final = "urn:nimble-harvester:export-report:v1"
ExportFormat = Literal["parquet", "jsonl", "delta"]
Compression = Literal["zstd", "gzip"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How rows are written."""

    format: ExportFormat = "parquet"
    """``parquet``, ``jsonl`` (compressed JSON Lines), or ``delta`` (Delta Lake tables)."""
    compression: Compression = "zstd"
    """Of JSON Lines."""
    columns: tuple[TypedColumn, ...] = ()
    """Typed columns beside those that every table has."""
    drop: tuple[str, ...] = ()
    """Columns that are left out: html, markdown, parsing, rest."""
    part_bytes: int = 128 * 10**6
    """A part is complete when its file has this many bytes."""
    value_bytes: int = 16 * 10**6
    """Rows with more bytes are named and counted, not written."""
    start: str | None = None
    """Position to begin an empty output at; no consumer is moved then."""
    after_restore: bool = False
    """Whether to go on from the newest shared position when the destination was restored."""
    series: str = ""
    """For an output that many destinations write to: the name of the chains of this one, as `is_series` allows."""

    def layout(self, dest_id: str) -> Layout:
        """Return the layout of an output with these options. Raises UsageError for options that no output can have."""
        unknown = sorted(set(self.drop) - set(DROPPABLE))
        if unknown:
            raise UsageError(
                f"column {unknown[0]!r} cannot be left out",
                cause=f"columns that can: {', '.join(DROPPABLE)}",
                code=ErrorCode.EXPORT_COLUMN_REQUIRED,
                subject=unknown[0],
            )
        if self.series and not is_series(self.series):
            raise UsageError(
                f"no name for a series: {self.series[:80]!r}",
                cause="1 to 63 lower-case letters, digits and hyphens",
                code=ErrorCode.EXPORT_SERIES_INVALID,
                subject=self.series,
            )
        written = f"jsonl.{'zst' if self.compression == 'zstd' else 'gz'}" if self.format == "jsonl" else self.format
        return Layout(SEVERAL if self.series else dest_id, written, tuple(sorted(self.drop)), self.columns)


@dataclass(slots=True)
class TableReport:
    """What one table received."""

    position: str = BEGINNING
    """Where its newest part ends."""
    parts: int = 0
    """Parts published by this export."""
    rows: int = 0
    """Rows in them, tombstones included."""
    objects: int = 0
    """Objects in them."""


@dataclass(slots=True)
class ExportReport:
    """The outcome of an export."""

    output: str
    """Where the tables are."""
    format: str
    """``parquet``, ``jsonl.zst``, ``jsonl.gz`` or ``delta``."""
    position: str = BEGINNING
    """Everything up to here is in the output."""
    consumer: str | None = None
    """The consumer of the destination that has been moved there."""
    tables: dict[str, TableReport] = field(default_factory=dict)
    """By table."""
    oversized: int = 0
    """Rows longer than the limit, which are not written."""
    oversized_rows: list[str] = field(default_factory=list)
    """The first of them: key and row number."""
    misfits: dict[str, int] = field(default_factory=dict)
    """By typed column, values that did not fit and are NULL; ``parsing`` and ``rest`` have them as text."""
    unreadable: list[str] = field(default_factory=list)
    """Landed files that are missing or altered, and not written."""

    @property
    def exit_code(self) -> ExitCode:
        """7 with files that cannot be read, 3 with rows that are too long, else 0."""
        return ExitCode.INTEGRITY if self.unreadable else ExitCode.PARTIAL if self.oversized else ExitCode.OK

    def as_document(self) -> dict[str, Any]:
        """Return the report as published JSON has it."""
        return {
            "schema": EXPORT_SCHEMA,
            "output": self.output,
            "format": self.format,
            "position": self.position,
            "consumer": self.consumer,
            "tables": {
                name: {"position": table.position, "parts": table.parts, "rows": table.rows, "objects": table.objects}
                for name, table in self.tables.items()
            },
            "oversized": {"rows": self.oversized, "first": self.oversized_rows},
            "misfits": self.misfits,
            "unreadable": self.unreadable,
        }


class ExportBehind(HarvesterError):
    """The output has not received rows that were evicted since."""

    exit_code = ExitCode.FOREIGN_POSITION
    code = ErrorCode.EXPORT_BEHIND_EVICTED
