"""The chain of one table: where it ends in the output, and what follows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from harvester.error_codes import ErrorCode
from harvester.errors import ForeignPosition, UsageError
from harvester.tables.exports.export_types import ExportBehind, ExportOptions, ExportReport, TableReport
from harvester.tables.exports.layout import Layout
from harvester.tables.exports.part_building import BuiltPart, PartBuilder, PartLimits, UnreadableObject
from harvester.tables.exports.part_names import BEGINNING
from harvester.tables.outputs import OutputStore
from harvester.tables.row_source import RowSource, SourceObject
from harvester.tables.table_columns import TableName

_NAMED: Final = 10


class TableChain(ABC):
    """What one table holds, and how it goes on."""

    def __init__(
        self,
        source: RowSource,
        store: OutputStore,
        layout: Layout,
        options: ExportOptions,
        table: TableName,
        report: ExportReport,
    ) -> None:
        """Read where the table ends. Raises UsageError for a start of an output that is not empty."""
        self._source = source
        self._store = store
        self._table = table
        self._layout = layout
        self._options = options
        self._report = report
        self._builder = PartBuilder(table, layout, PartLimits(options.part_bytes, options.value_bytes))
        self._unreadable: set[int] = set()
        known = self._read_end()
        if known is not None and options.start is not None:
            raise UsageError(
                f"{store.url} is not empty",
                cause=f"its {table} end at {known}: a start is for a new output",
                code=ErrorCode.EXPORT_NOT_EMPTY,
                subject=store.url,
            )
        self._after = known or options.start or BEGINNING
        """Where the table ends, and what is written next begins."""
        self._start = self._after
        """After which position the next rows begin; older only after a restore."""
        self._totals = report.tables[table] = TableReport(self._after)

    @abstractmethod
    def _read_end(self) -> str | None:
        """Return the position at which the output's table ends; None for no table."""

    def _earlier_ends(self) -> Iterable[str]:
        """Return positions that the table reached before its end, as far as the output shows them."""
        return ()

    @abstractmethod
    def extend(self) -> None:
        """Write what follows, until there are no further rows."""

    def check(self) -> None:
        """Check that every row after the end of the table can be had, before anything is written."""
        try:
            self._source.check(self._after, self._earlier_ends())
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

    def _objects(self, start: str) -> Iterator[SourceObject]:
        found = self._source.objects(start, self._table)
        return (each for each in found if not each.evicted and each.facts.seq not in self._unreadable)

    def _next_part(self, objects: Iterator[SourceObject]) -> tuple[BuiltPart | None, Iterator[SourceObject]]:
        """Build the next part, without objects that cannot be read; return it with the objects that follow it."""
        while True:
            try:
                built, left = self._builder.next_part(objects, self._start, self._store.scratch())
            except UnreadableObject as error:
                self._leave_out(error.object)
                objects = self._objects(self._start)
            else:
                return built, objects if left is None else chain((left,), objects)

    def _count(self, built: BuiltPart) -> None:
        totals, counts, report = self._totals, built.counts, self._report
        totals.parts += 1
        totals.rows += counts.rows
        totals.objects += counts.objects
        report.oversized += counts.oversized
        report.oversized_rows += counts.oversized_rows[: _NAMED - len(report.oversized_rows)]
        for column, misfits in counts.misfits.items():
            report.misfits[column] = report.misfits.get(column, 0) + misfits

    def _end_at(self, position: str) -> None:
        self._after = self._start = self._totals.position = position

    def _leave_out(self, found: SourceObject) -> None:
        self._unreadable.add(found.facts.seq)
        self._report.unreadable.append(found.path)
