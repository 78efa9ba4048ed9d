"""How fast to ask: within the key's rate limit, and not at all while the server asks for a pause."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pacer:
    """Spaces requests evenly, for all threads that share it; a pause one of them was told holds for all."""

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Allow ``per_second`` requests; never more within any second, as there is no burst to catch up with."""
        self._spacing = 1.0 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock()
        self._paused_until = self._next

    def wait(self) -> None:
        """Return when the next request may start."""
        with self._lock:
            start = max(self._clock(), self._next)
            self._next = start + self._spacing
        # A pause can be told to another thread while this one sleeps: look again.
        while (delay := max(start, self._paused_until) - self._clock()) > 0:
            self._sleep(delay)

    def pause(self, seconds: float) -> None:
        """Let no request start for ``seconds`` from now."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)
            self._next = max(self._next, self._paused_until)
