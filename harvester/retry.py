"""How a program that runs for months meets a failure: say it, wait longer each time, go on."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from harvester.errors import ConnectionFailed, HarvesterError, Interrupted

_SLICE_SECONDS = 0.2
_SAID_IN_FULL = 5


class Backoff:
    """Delays that double from ``first`` to ``longest`` seconds, up to a quarter of each random."""

    def __init__(self, first: float, longest: float) -> None:
        """Begin with ``first``."""
        self._first = first
        self._longest = longest
        self._next = first

    def delay(self) -> float:
        """Return the seconds to wait now."""
        delay = min(self._next, self._longest)
        self._next = min(self._next * 2, self._longest)
        return delay * (1 - 0.25 * random.random())  # noqa: S311  # no secret

    def reset(self) -> None:
        """Begin with the first delay again, as something has gone well."""
        self._next = self._first


def sleep_unless_stopped(seconds: float, stop_signal: Callable[[], int | None]) -> None:
    """Sleep. Raises Interrupted when a signal came before or meanwhile."""
    until = time.monotonic() + seconds
    while True:
        number = stop_signal()
        if number is not None:
            raise Interrupted(number)
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, _SLICE_SECONDS))


def worth_waiting(error: HarvesterError, *, has_worked: bool) -> bool:
    """Return whether to go on after ``error``.

    A network comes back. What only a person can mend (a permission, a login, a full disk) ends a start, so that it is
    seen at once, but not a program that has worked before: the person may mend it while it waits.
    """
    return not isinstance(error, Interrupted) and (has_worked or isinstance(error, ConnectionFailed))


class Sayings:
    """Says what keeps recurring: the first few of a kind in full, then at 10, 100, 1,000 … how many there are."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Say through ``say``."""
        self._say = say
        self._counts: Counter[str] = Counter()

    def __call__(self, kind: str, message: str) -> None:
        """Say a message of a kind, unless there were many."""
        self._counts[kind] += 1
        count = self._counts[kind]
        if count <= _SAID_IN_FULL:
            self._say(message)
        elif str(count).strip("0") == "1":
            self._say(f"{kind}: {count:,} by now; the latest: {message}")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long one object or page is tried for, and how patiently."""

    attempts: int = 6
    """Requests for one object at most."""
    seconds: float = 30.0
    """No attempt starts later than this after the object's first one; of a big body, after one that brought bytes."""
    base_delay: float = 0.25
    """Seconds before the second attempt; doubles with each one, half of it random."""
    max_delay: float = 8.0
    """Seconds between two attempts at most, a Retry-After of the store included."""
    connect_seconds: float = 10.0
    """How long a connection may take to stand."""
    stall_seconds: int = 15
    """How long a transfer may stand still, or crawl below 16 bytes a second, before it counts as broken."""
    patience_seconds: float = 900.0
    """How long an object may take in all, besides the time its size takes at ``slowest_rate``; a page, in all."""
    slowest_rate: float = 1024.0
    """Bytes a second that the slowest link worth waiting for carries of one object."""


def backoff(policy: RetryPolicy, attempts: int, retry_after: str | None = None) -> float:
    """Return the seconds to wait after ``attempts`` failed ones; half of them random, so that workers spread."""
    delay = min(policy.max_delay, policy.base_delay * 2.0 ** (attempts - 1))
    if retry_after and retry_after.isdigit():
        return min(policy.max_delay, max(delay, float(retry_after)))
    return delay * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, guards nothing
