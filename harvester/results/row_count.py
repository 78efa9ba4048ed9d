"""Counting rows, and naming the broken ones."""

from __future__ import annotations

from dataclasses import dataclass, field

from harvester.results.record import ContentProblem, ContentReason

NAMED_ROWS = 10
"""How many broken rows a detail names."""


@dataclass(slots=True)
class RowCount:
    """Rows seen so far, and the broken ones among them."""

    rows: int = 0
    """Rows, broken ones included."""
    broken: int = 0
    """Broken rows."""
    first: list[str] = field(default_factory=list)
    """The first few broken rows, each with its reason."""
    _named: int = 0

    def good(self, count: int = 1) -> None:
        """Count good rows."""
        self.rows += count

    def bad(self, why: str) -> None:
        """Count one broken row."""
        self.rows += 1
        self.broken += 1
        if len(self.first) < NAMED_ROWS:
            self._named += 1
            self.first.append(f"row {self.rows}: {why}")

    def bad_range(self, count: int, why: str) -> None:
        """Count ``count`` broken rows that share a cause."""
        first, last = self.rows + 1, self.rows + count
        self.rows += count
        self.broken += count
        if len(self.first) < NAMED_ROWS:
            self._named += count
            self.first.append(f"rows {first} to {last}: {why}")

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
