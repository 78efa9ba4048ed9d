"""The rows that a run has not written into the manifest yet."""

from __future__ import annotations

import time
from pathlib import Path

from harvester.destination import LandedRow, Manifest, ProblemRow, VersionRow, remove_inside
from harvester.transfer.proof import RowCounts

_BATCH_ROWS = 1_000
_BATCH_SECONDS = 0.5


class PendingRows:
    """Rows and keys for one `Manifest.record`, and the files that are removed once it is done."""

    def __init__(self, manifest: Manifest, root: Path, *, count_all: bool = True) -> None:
        """Begin with nothing; ``root`` is the destination.

        Without ``count_all`` only rows of this run are counted, for a run over few of many keys; then none may land
        twice.
        """
        self._count_all = count_all
        self._manifest = manifest
        self._root = root
        self.landed: list[LandedRow] = []
        self.problems: list[ProblemRow] = []
        self.solved: list[str] = []
        """Keys whose problem is over."""
        self.versions: list[VersionRow] = []
        self.gone: list[str] = []
        """Keys that a complete listing lacks."""
        self.returned: list[str] = []
        """Keys counted as gone that were listed again."""
        self.removed: list[str] = []
        """Keys whose row is over."""
        self.obsolete: list[str] = []
        """Paths of files that no row names any more."""
        self.new_rows = 0
        """Number of rows by which the manifest grows."""
        self._written_at = time.monotonic()
        self._expected_rows: int | None = None
        self._first_seq = 0
        self.problem_keys: set[str] = set()
        """Keys of the problems written so far; without ``count_all`` only."""

    def is_due(self) -> bool:
        """Return whether there are enough rows for a batch, or the last one is long enough ago."""
        waiting = len(self.landed) + len(self.problems) + len(self.gone) + len(self.returned) + len(self.solved)
        return waiting >= _BATCH_ROWS or (waiting > 0 and time.monotonic() - self._written_at >= _BATCH_SECONDS)

    def write(self) -> None:
        """Write everything, then remove the obsolete files. Raises DestinationUnusable when the disk is full."""
        self._note_expected()
        self._manifest.record(
            self.landed,
            self.problems,
            solved=self.solved,
            versions=self.versions,
            gone=self.gone,
            returned=self.returned,
            removed=self.removed,
        )
        if self.landed:
            self._manifest.reserve_seqs()
        # Only now: a row that still named these files would outlive them.
        for path in self.obsolete:
            remove_inside(self._root, path)
        for batch in (
            self.landed,
            self.problems,
            self.solved,
            self.versions,
            self.gone,
            self.returned,
            self.removed,
            self.obsolete,
        ):
            batch.clear()
        self._written_at = time.monotonic()

    def row_counts(self) -> RowCounts | None:
        """Return how many landed objects should be recorded and how many are; None when this run landed nothing."""
        if self._expected_rows is None:
            return None
        manifest = self._manifest
        found = manifest.count_rows() if self._count_all else manifest.count_landed_since(self._first_seq)
        return RowCounts(self._expected_rows, found)

    def _note_expected(self) -> None:
        if not self._count_all:
            self.problem_keys.update(row.key for row in self.problems)
            if self.landed:
                self._first_seq = self._first_seq or self.landed[0].seq
                self._expected_rows = (self._expected_rows or 0) + len(self.landed)
        elif self.landed and self._expected_rows is None:
            self._expected_rows = self._manifest.count_rows() + self.new_rows
        elif self._expected_rows is not None:
            self._expected_rows += self.new_rows
        self.new_rows = 0
