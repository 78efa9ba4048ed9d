"""How many requests a second one worker starts, where the caller limits them."""

from __future__ import annotations


class RequestRate:
    """Spaces the starts of requests evenly; times are monotonic seconds given by the caller."""

    def __init__(self, per_second: float | None) -> None:
        """Allow ``per_second`` starts in any second; None for any number. Unused starts do not add up to bursts."""
        self._spacing = 0.0 if per_second is None else 1.0 / per_second
        self._next = float("-inf")

    def allows(self, now: float) -> bool:
        """Return whether a request may start."""
        return now >= self._next

    def started(self, now: float) -> None:
        """Count a start."""
        if self._spacing:
            self._next = max(self._next, now) + self._spacing

    def next_start(self) -> float:
        """Return from when on the next request may start."""
        return self._next
