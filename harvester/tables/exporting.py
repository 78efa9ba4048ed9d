"""Export the rows of a destination as tables: exactly once, in whole files, by any number of exports at once.

The output decides how far it is: the name of its newest part is the position to go on from. What follows is built in a
local file, claimed, and published under the claimed name. A kill at any point leaves a claim at most, which the next
export completes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from harvester.error_codes import ErrorCode
from harvester.errors import ExitCode, ForeignPosition, HarvesterError, UsageError
from harvester.extras import PARQUET, require_extra
from harvester.sessions import StoreSettings
from harvester.tables.claims import Claim, make_claim, read_claim
from harvester.tables.current_view import current_view
from harvester.tables.destination_rows import open_rows
from harvester.tables.layout import Layout, read_layout, settle_layout
from harvester.tables.output_store import OutputStore, open_output
from harvester.tables.part_building import BuiltPart, PartBuilder, PartLimits, UnreadableObject
from harvester.tables.part_names import BEGINNING, PartName, chain_end, parse_part
from harvester.tables.row_source import RowSource, SourceObject
from harvester.tables.table_columns import DROPPABLE, TableName
from harvester.tables.typed_columns import TypedColumn

EXPORT_SCHEMA: Final = "urn:nimble-harvester:export-report:v1"
Format = Literal["parquet", "jsonl"]
Compression = Literal["zstd", "gzip"]
_SUFFIXES: Final = {"parquet": "parquet", "jsonl.zst": "jsonl.zst", "jsonl.gz": "jsonl.gz"}
_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How rows are written."""

    format: Format = "parquet"
    """``parquet``, or ``jsonl``: compressed JSON Lines."""
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

    def layout(self, dest_id: str) -> Layout:
        """Return the layout of an output with these options. Raises UsageError for columns that cannot be dropped."""
        unknown = sorted(set(self.drop) - set(DROPPABLE))
        if unknown:
            raise UsageError(
                f"column {unknown[0]!r} cannot be left out",
                cause=f"columns that can: {', '.join(DROPPABLE)}",
                code=ErrorCode.EXPORT_COLUMN_REQUIRED,
                subject=unknown[0],
            )
        written = self.format if self.format == "parquet" else f"jsonl.{'zst' if self.compression == 'zstd' else 'gz'}"
        return Layout(dest_id, written, tuple(sorted(self.drop)), self.columns)


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
    """``parquet``, ``jsonl.zst`` or ``jsonl.gz``."""
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


def export_rows(source: RowSource, store: OutputStore, options: ExportOptions | None = None) -> ExportReport:
    """Write the rows that the output does not hold yet.

    Raises ForeignPosition when the output is at a position of another history, ExportBehind when rows it does not hold
    were evicted, UsageError for an output of another destination or layout, IntegrityError for a damaged output.
    """
    options = options or ExportOptions()
    until = source.newest()
    layout = settle_layout(store, options.layout(source.dest_id))
    report = ExportReport(store.url, layout.format)
    chains = [_Chain(source, store, layout, options, table, report) for table in TableName]
    for chain in chains:
        chain.check()
    for chain in chains:
        chain.extend()
    report.position = until
    if options.start is None:
        consumer = f"export:{store.url}"
        source.acknowledge(consumer, until)
        report.consumer = consumer
    return report


class _Chain:
    """The parts of one table."""

    def __init__(
        self,
        source: RowSource,
        store: OutputStore,
        layout: Layout,
        options: ExportOptions,
        table: TableName,
        report: ExportReport,
    ) -> None:
        self._source = source
        self._store = store
        self._table = table
        self._format = layout.format
        self._options = options
        self._report = report
        self._builder = PartBuilder(table, layout, PartLimits(options.part_bytes, options.value_bytes))
        self._unreadable: set[int] = set()
        known = chain_end(store.names(f"data/{table}/"), table)
        if known is not None and options.start is not None:
            raise UsageError(
                f"{store.url} is not empty",
                cause=f"its {table} end at {known}: a start is for a new output",
                code=ErrorCode.EXPORT_NOT_EMPTY,
                subject=store.url,
            )
        self._after = known or options.start or BEGINNING
        """Where the newest part ends, and the next begins."""
        self._start = self._after
        """After which position the next rows begin; older only after a restore."""
        self._totals = report.tables[table] = TableReport(self._after)

    def check(self) -> None:
        """Check that every row after the newest part can be had, before anything is written."""
        try:
            self._source.check(self._after)
        except ForeignPosition as error:
            if not self._options.after_restore:
                raise
            self._start = error.shared
        evicted = next((each for each in self._source.objects(self._start, self._table) if each.evicted), None)
        if evicted is not None and not self._options.after_restore:
            raise ExportBehind(
                f"{self._store.url} is behind what was evicted",
                cause=f"its {self._table} end at {self._after}; {evicted.facts.key} landed after and was evicted",
                subject=self._store.url,
                parameters={"position": self._after, "key": evicted.facts.key},
            )

    def extend(self) -> None:
        """Publish parts until there are no further rows."""
        objects = self._objects(self._start)
        while True:
            claim = read_claim(self._store, self._table, self._after)
            if claim is not None:
                self._complete(claim)
                objects = self._objects(self._start)
                continue
            try:
                built, left = self._builder.next_part(objects, self._start, self._store.scratch())
            except UnreadableObject as error:
                self._leave_out(error.object)
                objects = self._objects(self._start)
                continue
            if built is None:
                return
            part = PartName(self._table, built.day, self._after, built.last, _SUFFIXES[self._format])
            if make_claim(self._store, self._table, Claim(part, self._start)):
                self._publish(built, part)
                objects = _before(left, objects)
            else:
                built.file.unlink(missing_ok=True)

    def _objects(self, start: str) -> Iterator[SourceObject]:
        found = self._source.objects(start, self._table)
        return (each for each in found if not each.evicted and each.facts.seq not in self._unreadable)

    def _complete(self, claim: Claim) -> None:
        """Publish a claimed part, as the export that claimed it would have."""
        part = claim.part
        while True:
            try:
                built = self._builder.claimed_part(
                    self._objects(claim.start), claim.start, part.last, part.day, self._store.scratch()
                )
            except UnreadableObject as error:
                self._leave_out(error.object)
            else:
                break
        self._publish(built, part)

    def _publish(self, built: BuiltPart, part: PartName) -> None:
        if self._store.publish(built.file, str(part)):
            totals, counts, report = self._totals, built.counts, self._report
            totals.parts += 1
            totals.rows += counts.rows
            totals.objects += counts.objects
            report.oversized += counts.oversized
            report.oversized_rows += counts.oversized_rows[: _NAMED - len(report.oversized_rows)]
            for column, misfits in counts.misfits.items():
                report.misfits[column] = report.misfits.get(column, 0) + misfits
        self._after = self._start = self._totals.position = part.last

    def _leave_out(self, found: SourceObject) -> None:
        self._unreadable.add(found.facts.seq)
        self._report.unreadable.append(found.path)


def _before(first: SourceObject | None, objects: Iterator[SourceObject]) -> Iterator[SourceObject]:
    if first is not None:
        yield first
    yield from objects


def export(
    destination: Path | str,
    to: str,
    options: ExportOptions | None = None,
    *,
    settings: StoreSettings | None = None,
    state_dir: Path | None = None,
) -> ExportReport:
    """Write the rows of a destination that an output does not hold yet: a directory, ``s3://`` or ``gs://``.

    Raises what `export_rows` and `open_output` raise, and ConfigurationError when the destination was never synced.
    """
    require_extra(PARQUET)
    with open_rows(Path(destination), state_dir) as source, open_output(to, settings) as store:
        return export_rows(source, store, options)


def print_views(outputs: Sequence[str], *, settings: StoreSettings | None = None) -> str:
    """Return the SQL of the views of current rows over outputs of one layout, for the tables that have parts.

    Raises UsageError for an output without a layout, or of layouts that differ.
    """
    layouts, tables = [], set()
    for output in outputs:
        with open_output(output, settings) as store:
            layouts.append(read_layout(store))
            tables |= {part.table for name in store.names("data/") if (part := parse_part(name)) is not None}
    first = layouts[0]
    if any(layout._replace(dest_id=first.dest_id) != first for layout in layouts):
        raise UsageError(
            "the outputs have different layouts",
            cause="one view needs one format and the same columns",
            code=ErrorCode.EXPORT_OF_ANOTHER_LAYOUT,
            subject=", ".join(outputs),
        )
    return "\n".join(current_view(table, outputs, first) for table in TableName if table in tables)
