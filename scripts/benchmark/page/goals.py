"""Goals of the benchmark, and when a measurement decides one."""

from __future__ import annotations

from typing import NamedTuple

MAX_SPREAD = 0.10
"""Largest spread of the rounds, as a share of their median, at which a goal is judged."""


class Goal(NamedTuple):
    """A goal and what was measured for it."""

    what: str
    """What is compared."""
    limit: float
    """The goal."""
    measured: float
    """The median."""
    spread: float | None
    """Largest minus smallest value of the rounds, as a share of the median; None for a single round."""
    at_most: bool = False
    """Whether the measurement may be at most the limit; else at least."""
    unit: str = "×"
    """The unit of both."""
    is_noisy: bool = True
    """Whether it is a time, which other load on the machine changes; sizes are judged from one round."""

    @property
    def row(self) -> tuple[str, str, str, str]:
        """The goal, limit, measurement and spread as the table shows them."""
        digits = 2 if self.measured < 50 else 0
        spread = "" if self.spread is None else f"{100 * self.spread:.0f} %"
        sign = "≤" if self.at_most else "≥"
        return self.what, f"{sign} {self.limit:g} {self.unit}", f"{self.measured:.{digits}f} {self.unit}", spread

    def verdict(self, *, quick: bool) -> str:
        """Return whether the goal is reached, or why that is not judged."""
        if quick:
            return "not judged: --quick"
        if self.is_noisy and self.spread is None:
            return "withheld: one round"
        if self.spread is not None and self.spread > MAX_SPREAD:
            return f"withheld: spread above {100 * MAX_SPREAD:.0f} %"
        reached = self.measured <= self.limit if self.at_most else self.measured >= self.limit
        return "yes" if reached else "**no**"
