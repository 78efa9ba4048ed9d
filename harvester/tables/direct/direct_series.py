"""The series of parts that one process writes from its scratch destination."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Final
from urllib.parse import quote

from harvester import text
from harvester.destination import LandedRow, NoFollowTree, OpenDestination, is_text, remove_inside, share_destination
from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.extras import PARQUET, require_extra
from harvester.tables.destination_rows import TABLE_OF, open_rows
from harvester.tables.direct.exported_rows import file_name
from harvester.tables.exports import ExportOptions, ExportReport, export_rows, plan_layout
from harvester.tables.outputs import OutputStore
from harvester.tables.table_columns import TableName

QUARANTINE_FOLDER: Final = "quarantine/direct/"
"""Where the bytes of invalid objects lie: ``quarantine/direct/VERSION/NAME``."""
_FREED_AT_ONCE: Final = 1_000
KEPT_ROWS: Final = 50_000
"""So many committed objects, the newest, stay known, with about 490 bytes each: one that is announced or listed again
is not landed again."""


class DirectSeries:
    """Commits what has landed in a scratch destination, and frees its files. For one thread at a time."""

    def __init__(
        self, destination: Path, store: OutputStore, options: ExportOptions | None = None, kept: int = KEPT_ROWS
    ) -> None:
        """Begin a series of a random name. Raises UsageError for an output or options that take no series.

        Of ``kept`` objects, the newest, a row stays in the scratch manifest; of twice as many at most.
        """
        self._kept = kept
        require_extra(PARQUET, feature="an export")
        options = options or ExportOptions()
        if options.format == "delta":
            raise UsageError(
                "without a destination rows are not exported as delta",
                cause="each process writes a series of parts, parquet or jsonl, from which the next one learns what is"
                " there; a Delta table has one writer, which exports a destination",
                code=ErrorCode.EXPORT_FORMAT_UNSUPPORTED,
                subject=options.format,
            )
        self.name = f"direct-{token_hex(8)}"
        """The name of the series."""
        self._options = replace(options, series=self.name)
        self._destination = destination
        self._store = store
        self._freed = self._dropped = 0
        self.rows = 0
        """Rows committed so far."""
        self.parts = 0
        """Parts committed so far."""
        self.files = 0
        """Landed objects without rows that were stored as files so far."""
        self.oversized = 0
        """Rows that are too long, and were not written."""
        self.misfits: Counter[str] = Counter()
        """By typed column, values that did not fit and are NULL."""
        self._oversized_row = ""
        # The first commit records it; what is refused is refused before anything lands.
        plan_layout(store, self._options.layout(""))

    def commit(self) -> None:
        """Write what has landed since the last time; when this returns, its messages may be deleted.

        Raises what `export_rows` raises, and IntegrityError for a landed file that is missing.
        """
        with open_rows(self._destination) as source:
            report = export_rows(source, self._store, self._options)
        if report.unreadable:
            raise IntegrityError(
                "a landed file is missing before it was exported",
                code=ErrorCode.FILES_DAMAGED,
                subject=report.unreadable[0],
            )
        self._count(report)
        self._store_files_and_free()

    def _count(self, report: ExportReport) -> None:
        self.rows += sum(table.rows for table in report.tables.values())
        self.parts += sum(table.parts for table in report.tables.values())
        self.oversized += report.oversized
        self.misfits.update(report.misfits)
        self._oversized_row = self._oversized_row or next(iter(report.oversized_rows), "")

    def warnings(self) -> list[str]:
        """Return what rows lack in the output, or are missing there, for people."""
        lines = []
        if self.oversized:
            count = text.count(self.oversized, "row")
            lines.append(f"{count} too long and not written, e.g. {text.printable(self._oversized_row)}")
        lines += [
            f"{text.count(count, 'value')} of column {name} did not fit and are NULL"
            for name, count in sorted(self.misfits.items())
        ]
        return lines

    def _store_files_and_free(self) -> None:
        """Store landed objects without rows, then free the files of everything that is in the output."""
        with share_destination(self._destination) as opened:
            tree = NoFollowTree(opened.root)
            batch: list[LandedRow] = []
            for row in opened.manifest.landed_by_seq(self._freed):
                if not row.evicted:
                    if not _has_rows(row):
                        self._store_file(tree, row)
                    batch.append(row)
                self._freed = row.seq
                if len(batch) >= _FREED_AT_ONCE:
                    self._free(opened, batch)
            self._free(opened, batch)
            if self._freed - self._dropped >= 2 * self._kept:
                self._dropped = self._freed - self._kept
                opened.manifest.drop_freed(self._dropped)
            self._store_quarantined(opened, tree)

    @staticmethod
    def _free(opened: OpenDestination, batch: list[LandedRow]) -> None:
        opened.manifest.evict(batch)
        for row in batch:
            remove_inside(opened.root, row.path)
        batch.clear()

    def _store_quarantined(self, opened: OpenDestination, tree: NoFollowTree) -> None:
        """Store the bytes of invalid objects below ``quarantine/``, and free them."""
        for problem in list(opened.manifest.problems()):
            if problem.path is None or problem.outcome != "quarantined":
                continue
            name = problem.path.rpartition("/")[2]
            self._store_copy(tree, problem.path, f"{QUARANTINE_FOLDER}{quote(problem.etag, safe='')}/{name}")
            opened.manifest.forget_quarantined([problem.key])
            remove_inside(opened.root, problem.path)

    def _store_file(self, tree: NoFollowTree, row: LandedRow) -> None:
        path = row.path if is_text(row.path) else row.digest
        self.files += self._store_copy(tree, row.path, file_name(row.version, path))

    def _store_copy(self, tree: NoFollowTree, path: str, name: str) -> bool:
        source, copy = tree.whole_path(path), self._store.scratch()
        try:
            os.link(source, copy, follow_symlinks=False)
        except OSError:
            # Another file system, or one without links.
            shutil.copyfile(source, copy, follow_symlinks=False)
        return self._store.publish(copy, name)


def _has_rows(row: LandedRow) -> bool:
    return isinstance(TABLE_OF.get(row.shape or ""), TableName)
