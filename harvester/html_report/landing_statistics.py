"""Sums over landed objects: per span of time, by status, by delay and by size. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from harvester.destination import LandingFacts

MOST_BARS = 200
"""Bars of a chart, where it is the only one of its kind on the page."""
_SPANS = (3600, 6 * 3600, 86400, 7 * 86400, 28 * 86400)
_DELAYS = ((60, "under 1 min"), (300, "1 to 5 min"), (900, "5 to 15 min"), (3600, "15 to 60 min"))
_LONG_DELAYS = ((6 * 3600, "1 to 6 h"), (86400, "6 to 24 h"), (7 * 86400, "1 to 7 days"))
_SIZES = ((10**3, "under 1 kB"), (10**4, "1 to 10 kB"), (10**5, "10 to 100 kB"), (10**6, "100 kB to 1 MB"))
_LARGE_SIZES = ((10**7, "1 to 10 MB"), (10**8, "10 to 100 MB"))
# Classes of which each is 2 % wider than the one before: a quantile is read off them to that precision.
_FINENESS = math.log(1.02)
_MOST_STATUSES = 30


class TimeBar(NamedTuple):
    """What landed in one span of time."""

    start: float
    """Its start, seconds since the epoch."""
    objects: int
    """Objects that landed."""
    bytes: int
    """Their bytes as landed."""


class LandingStatistics(NamedTuple):
    """What landed in a window of time."""

    span: int
    """Seconds of one bar."""
    bars: tuple[TimeBar, ...]
    """From the first to the last span of the window, empty ones included."""
    objects: int
    """All objects."""
    bytes: int
    """All bytes."""
    statuses: tuple[tuple[str, int], ...]
    """Envelopes by their own status, the most frequent first."""
    delays: tuple[tuple[str, int], ...]
    """Objects by the time from delivery to landing."""
    sizes: tuple[tuple[str, int], ...]
    """Objects by their size."""
    median_delay: float | None
    """Seconds from delivery to landing that half of the objects took at most, to 2 %; None without objects."""
    slow_delay: float | None
    """Seconds that 95 of 100 objects took at most."""
    median_size: float | None
    """Bytes that half of the objects have at most, to 2 %."""


def sum_up(facts: Iterable[LandingFacts], since: float, now: float, most_bars: int = MOST_BARS) -> LandingStatistics:
    """Return the sums over objects that landed from ``since`` to ``now``; others are left out.

    A bar is an hour where that makes no more than about ``most_bars``, else a longer span up to four weeks.
    """
    span = next((each for each in _SPANS if (now - since) / each <= most_bars), _SPANS[-1])
    first, last = int(since // span), int(now // span)
    objects: defaultdict[int, int] = defaultdict(int)
    sizes_of: defaultdict[int, int] = defaultdict(int)
    statuses: Counter[str] = Counter()
    delays: Counter[int] = Counter()
    sizes: Counter[int] = Counter()
    log, width = math.log, 1 / _FINENESS
    for landed_at, delivered_at, size, status in facts:
        if not since <= landed_at <= now:
            continue
        bar = int(landed_at // span)
        objects[bar] += 1
        sizes_of[bar] += size
        if status is not None:
            statuses[status] += 1
        # A clock that is behind: delivered after it landed.
        delay = landed_at - delivered_at
        delays[int(log(delay) * width) if delay > 1 else 0] += 1
        sizes[int(log(size) * width) if size > 1 else 0] += 1
    return LandingStatistics(
        span,
        tuple(TimeBar(bar * span, objects[bar], sizes_of[bar]) for bar in range(first, last + 1)),
        sum(objects.values()),
        sum(sizes_of.values()),
        tuple(statuses.most_common(_MOST_STATUSES)),
        _histogram(delays, (*_DELAYS, *_LONG_DELAYS), "over 7 days"),
        _histogram(sizes, (*_SIZES, *_LARGE_SIZES), "over 100 MB"),
        _quantile(delays, 0.5),
        _quantile(delays, 0.95),
        _quantile(sizes, 0.5),
    )


def _histogram(classes: Counter[int], limits: tuple[tuple[int, str], ...], rest: str) -> tuple[tuple[str, int], ...]:
    counts = dict.fromkeys([*(label for _, label in limits), rest], 0)
    for number, count in classes.items():
        value = math.exp((number + 0.5) * _FINENESS)
        counts[next((label for limit, label in limits if value < limit), rest)] += count
    return tuple(counts.items())


def _quantile(classes: Counter[int], share: float) -> float | None:
    """Return the value that a share of what was counted does not exceed."""
    wanted, seen = share * classes.total(), 0
    for number, count in sorted(classes.items()):
        seen += count
        if seen >= wanted:
            return math.exp((number + 0.5) * _FINENESS) if number else 1.0
    return None
