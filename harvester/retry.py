"""Retries: the policy of one request, the one backoff, the one interruptible sleep, and what is worth a retry."""

import re
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from harvester.errors import ConnectionFailed, HarvesterError, Interrupted

_SLICE_SECONDS = 0.2
_LOGGED_IN_FULL = 5
_LONGEST_RETRY_AFTER = 86_400.0
_DELAY_SECONDS = r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?"


class RetryPolicy(NamedTuple):
    """How often and for how long one object or page is requested."""

    attempts: int = 6
    """Requests for one object at most."""
    seconds: float = 30.0
    """No attempt starts later than this after the object's first one; of a big body, after one that brought bytes."""
    base_delay: float = 0.25
    """Seconds before the second attempt; doubles with each one, half of it random."""
    max_delay: float = 8.0
    """Seconds between two attempts at most, a Retry-After of the store included."""
    connect_seconds: float = 10.0
    """Limit for establishing a connection."""
    stall_seconds: int = 15
    """How long a transfer may stay below 16 bytes a second before it counts as broken."""
    total_seconds: float = 900.0
    """Limit for an object, besides the time its size takes at ``min_bytes_per_second``; for a page, in all."""
    min_bytes_per_second: float = 1024.0
    """Bytes a second of one object on the slowest link that is supported."""

    def delay(self, attempt: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait after failed attempt ``attempt``, at least ``retry_after`` where given."""
        delay = backoff_delay(attempt, self.base_delay, self.max_delay)
        return delay if retry_after is None else min(self.max_delay, max(delay, retry_after))


def backoff_delay(attempt: int, first: float, longest: float) -> float:
    """Return the seconds to wait after failed attempt ``attempt``, counted from 1.

    ``first`` doubles with each attempt up to ``longest``; half of the delay is random, so that clients spread.
    """
    # Loaded by the first failure.
    import random

    delay = min(longest, first * 2.0 ** min(attempt - 1, 32))
    return delay * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, protects nothing


class Backoff:
    """The delays between failures in a row, see `backoff_delay`."""

    def __init__(self, first: float, longest: float) -> None:
        """Start with ``first`` seconds."""
        self._first = first
        self._longest = longest
        self._failures = 0

    def delay(self) -> float:
        """Count a failure and return the seconds to wait after it."""
        self._failures += 1
        return backoff_delay(self._failures, self._first, self._longest)

    def reset(self) -> None:
        """Start again with the first delay, after a success."""
        self._failures = 0


def parse_retry_after(text: str, now: datetime) -> float | None:
    """Return the seconds a Retry-After header names, None where it cannot be read.

    Source: RFC 9110, section 10.2.3: ASCII digits, or an HTTP date; some servers send fractions. Bounded to a day.
    """
    text = text.strip()
    if re.fullmatch(_DELAY_SECONDS, text):
        return min(max(0.0, float(text)), _LONGEST_RETRY_AFTER)
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return min(max(0.0, seconds.total_seconds()), _LONGEST_RETRY_AFTER)


def interruptible_sleep(seconds: float, stop_signal: Callable[[], int | None]) -> None:
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


def is_retryable(error: HarvesterError, *, has_worked: bool) -> bool:
    """Return whether a program that runs for weeks goes on after ``error``.

    A network recovers. What a person has to fix (a permission, a login, a full disk) ends a start, so that it is
    noticed at once, but not a program that has worked before: it may be fixed while the program waits.
    """
    return not isinstance(error, Interrupted) and (has_worked or isinstance(error, ConnectionFailed))


class RateLimitedLog:
    """Rate-limits repeated log messages: the first few of a kind in full, then a count at 10, 100, 1,000 …"""

    def __init__(self, log: Callable[[str], None]) -> None:
        """Pass messages on to ``log``."""
        self._log = log
        self._counts: Counter[str] = Counter()

    def __call__(self, kind: str, message: str) -> None:
        """Log a message of a kind, unless there were many."""
        self._counts[kind] += 1
        count = self._counts[kind]
        if count <= _LOGGED_IN_FULL:
            self._log(message)
        elif str(count).strip("0") == "1":
            self._log(f"{kind}: {count:,} by now; the latest: {message}")
