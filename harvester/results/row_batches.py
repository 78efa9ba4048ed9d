"""What reading a table yields: rows, and in place of broken ones how many and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from harvester.results.record import ContentProblem, ContentReason, ContentRefused

NAMED_ROWS = 10
"""How many broken rows a detail names."""
MAX_ROWS: Final = 10**9
"""Rows of one object: positions have nine digits for them."""
MAX_ROW_BYTES: Final = 256 * 1024**2
"""The longest row of JSON Lines; a longer one is broken."""


class BrokenRows(NamedTuple):
    """Consecutive rows that cannot be read, for one cause."""

    rows: int
    """How many."""
    fault: str
    """What is wrong with them; never their content."""


RowBatch: TypeAlias = list[bytes] | BrokenRows
"""Consecutive rows: the JSON text of each on one line, or how many are broken and why."""


@dataclass(slots=True)
class RowCount:
    """Rows counted so far, and the broken ones among them."""

    rows: int = 0
    """Rows, broken ones included."""
    broken: int = 0
    """Broken rows."""
    non_finite: int = 0
    """Numbers of Parquet rows that are NaN or infinite, and so written as text."""
    first: list[str] = field(default_factory=list)
    """The first few broken rows, each with its reason."""
    _named: int = 0

    def add(self, batch: RowBatch) -> None:
        """Count a batch. Raises ContentRefused past `MAX_ROWS`."""
        if isinstance(batch, BrokenRows):
            self.bad(batch.fault, batch.rows)
        else:
            self.good(len(batch))

    def good(self, count: int = 1) -> None:
        """Count good rows. Raises ContentRefused past `MAX_ROWS`."""
        self.rows += count
        self._check()

    def bad(self, fault: str, count: int = 1) -> None:
        """Count broken rows that share a fault. Raises ContentRefused past `MAX_ROWS`."""
        first = self.rows + 1
        self.rows += count
        self.broken += count
        self._check()
        if count and len(self.first) < NAMED_ROWS:
            self._named += count
            self.first.append(f"row {first}: {fault}" if count == 1 else f"rows {first} to {self.rows}: {fault}")

    def _check(self) -> None:
        if self.rows > MAX_ROWS:
            raise ContentRefused(ContentReason.TOO_LARGE, f"more than {MAX_ROWS:,} rows")

    def problem(self) -> ContentProblem | None:
        """Return what to report, if any row is broken."""
        if not self.broken:
            return None
        more = f"; and {self.broken - self._named} more" if self.broken > self._named else ""
        return ContentProblem(
            ContentReason.BROKEN_ROWS,
            f"{self.broken} of {self.rows} rows broken: {'; '.join(self.first)}{more}",
            quarantine=False,
        )
