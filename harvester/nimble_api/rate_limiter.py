"""Client-side rate limiter: the key's rate limit, and the pauses that Retry-After demands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class RateLimiter:
    """Space requests evenly across threads; a pause applies to all of them."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Allow ``per_second`` requests in any second; unused slots do not accumulate into bursts."""
        self._spacing = 1.0 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock()
        self._paused_until = self._next

    def acquire(self) -> None:
        """Block until the next request may start."""
        with self._lock:
            start = max(self._clock(), self._next)
            self._next = start + self._spacing
        # Another thread may call pause() while this one sleeps: check again.
        while (delay := max(start, self._paused_until) - self._clock()) > 0:
            self._sleep(delay)

    def pause(self, seconds: float) -> None:
        """Start no request for ``seconds`` from now."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)
            self._next = max(self._next, self._paused_until)
