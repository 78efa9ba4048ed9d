"""How many requests one worker keeps in flight: additive increase, multiplicative decrease (AIMD).

The limit grows while the worker spends its time waiting for the store, and halves when the store throttles. As in TCP
it doubles per round until the store throttles for the first time (slow start), then grows by a constant. A round is as
many completed requests as the limit allows in flight, and at least a tenth of a second.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST_IN_FLIGHT = 256
_FIRST = 32
_INCREASE = 4
_ROUND_SECONDS = 0.1
_WAITING_SHARE = 0.1
_DECREASE_INTERVAL = 0.5


@dataclass(slots=True)
class ConcurrencyLimiter:
    """The limit of one worker; times are monotonic seconds given by the caller."""

    limit: int = _FIRST
    """Requests in flight at most, now."""
    maximum: int = MOST_IN_FLIGHT
    """What the limit never exceeds; the number of open files allows no more than that."""
    _round_began: float = 0.0
    _completed: int = 0
    _waited: float = 0.0
    _decreased: float = float("-inf")
    _slow_start: bool = True

    def __post_init__(self) -> None:
        """Bound the first limit; a maximum below 1 counts as 1."""
        self.maximum = max(1, self.maximum)
        self.limit = min(self.limit, self.maximum)

    def completed(self) -> None:
        """Count a request that brought its object."""
        self._completed += 1

    def waited(self, seconds: float) -> None:
        """Count time in which there was nothing to do but wait for the store."""
        self._waited += seconds

    def throttled(self, now: float) -> None:
        """Halve the limit; requests that were in flight together are throttled together and count once."""
        if now - self._decreased < _DECREASE_INTERVAL:
            return
        self._decreased = now
        self._slow_start = False
        self.limit = max(1, self.limit // 2)
        self._begin_round(now)

    def update(self, now: float) -> None:
        """End the round when it is over, and raise the limit when most of the round was not spent working."""
        elapsed = now - self._round_began
        if elapsed < _ROUND_SECONDS or self._completed < self.limit:
            return
        if self._waited > _WAITING_SHARE * elapsed:
            self.limit = min(self.maximum, self.limit + (self.limit if self._slow_start else _INCREASE))
        self._begin_round(now)

    def _begin_round(self, now: float) -> None:
        self._round_began = now
        self._completed = 0
        self._waited = 0.0
