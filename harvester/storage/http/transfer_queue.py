"""Requests that are not in transfer: new ones, those waiting for their next attempt, those waiting for credentials."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import count

from harvester.storage.http.transfer import Transfer


class TransferQueue:
    """Decides which request starts next; times are monotonic seconds."""

    def __init__(self) -> None:
        """Start empty."""
        self._new: deque[Transfer] = deque()
        self._retries: list[tuple[float, int, Transfer]] = []
        self._held: list[Transfer] = []
        self._tickets = count()

    @property
    def new(self) -> int:
        """How many requests could start at once."""
        return len(self._new)

    def append(self, transfer: Transfer) -> None:
        """Add a request behind all others."""
        self._new.append(transfer)

    def prepend(self, transfer: Transfer) -> None:
        """Add a request before all others."""
        self._new.appendleft(transfer)

    def retry_at(self, moment: float, transfer: Transfer) -> None:
        """Add a request whose next attempt starts at ``moment``, before new ones."""
        heapq.heappush(self._retries, (moment, next(self._tickets), transfer))

    def hold(self, transfer: Transfer) -> None:
        """Add a request that waits for credentials."""
        self._held.append(transfer)

    def release_held(self) -> None:
        """Put the requests that waited for credentials before all others, in their order."""
        self._new.extendleft(reversed(self._held))
        self._held.clear()

    def take(self, now: float) -> Transfer | None:
        """Return the request to start next, None where none can start yet."""
        if self._retries and self._retries[0][0] <= now:
            return heapq.heappop(self._retries)[2]
        return self._new.popleft() if self._new else None

    def can_start(self, now: float) -> bool:
        """Return whether ``take`` would return a request."""
        return bool(self._new) or (bool(self._retries) and self._retries[0][0] <= now)

    def next_retry(self) -> float | None:
        """Return when the next attempt of a request starts."""
        return self._retries[0][0] if self._retries else None

    def clear(self) -> Iterator[Transfer]:
        """Remove and yield every request."""
        yield from self._new
        yield from self._held
        yield from (retry[2] for retry in self._retries)
        self._new.clear()
        self._held.clear()
        self._retries.clear()
