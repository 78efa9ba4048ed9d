"""Additive increase, multiplicative decrease: every rule of the limit, at its bounds."""

from __future__ import annotations

import pytest

from harvester.storage.http.concurrency_limiter import ConcurrencyLimiter


def one_round(limiter: ConcurrencyLimiter, now: float, *, completed: int, waited: float) -> int:
    """Complete requests, wait, and return the limit after the update at ``now``."""
    for _ in range(completed):
        limiter.completed()
    limiter.waited(waited)
    limiter.update(now)
    return limiter.limit


def test_it_begins_with_32_and_doubles_to_its_maximum() -> None:
    limiter = ConcurrencyLimiter()
    assert limiter.limit == 32
    assert [one_round(limiter, now, completed=limiter.limit, waited=0.5) for now in (1.0, 2.0, 3.0, 4.0)] == [
        64,
        128,
        256,
        256,
    ]


def test_after_throttling_it_grows_by_4_a_round_to_its_maximum() -> None:
    limiter = ConcurrencyLimiter(maximum=30)
    limiter.throttled(0.0)
    assert [one_round(limiter, now, completed=limiter.limit, waited=0.5) for now in (1.0, 2.0, 3.0, 4.0, 5.0)] == [
        19,
        23,
        27,
        30,
        30,
    ]


@pytest.mark.parametrize(
    ("now", "completed", "waited", "grown"),
    [
        (0.1, 32, 0.02, True),
        (0.0999, 32, 0.02, False),  # too short to measure
        (0.1, 31, 0.02, False),  # the limit was not used up once
        (0.1, 33, 0.02, True),
        (1.0, 32, 0.1001, True),
        (1.0, 32, 0.1, False),  # the worker itself was busy for 90 % of the time
        (1.0, 32, 0.0, False),
    ],
)
def test_a_round_ends_with_time_and_requests_and_counts_when_it_was_spent_waiting(
    now: float, completed: int, waited: float, *, grown: bool
) -> None:
    assert one_round(ConcurrencyLimiter(), now, completed=completed, waited=waited) == (64 if grown else 32)


def test_what_a_round_counted_does_not_count_in_the_next() -> None:
    limiter = ConcurrencyLimiter()
    assert one_round(limiter, 1.0, completed=32, waited=0.9) == 64
    assert one_round(limiter, 2.0, completed=63, waited=0.9) == 64  # goes on
    assert one_round(limiter, 2.1, completed=1, waited=0.0) == 128
    assert one_round(limiter, 3.1, completed=128, waited=0.05) == 128  # ends without growth: hardly any waiting
    assert one_round(limiter, 3.15, completed=128, waited=0.05) == 128  # a new round: 0.05 s
    assert one_round(limiter, 3.2, completed=0, waited=0.0) == 256


def test_throttling_halves_it_and_begins_a_round() -> None:
    limiter = ConcurrencyLimiter(limit=100)
    for _ in range(100):
        limiter.completed()
    limiter.waited(10.0)
    limiter.throttled(50.0)
    assert limiter.limit == 50
    limiter.update(60.0)
    assert limiter.limit == 50  # what completed before does not count
    assert one_round(limiter, 60.0, completed=50, waited=5.0) == 54


def test_what_was_in_flight_together_is_throttled_once() -> None:
    limiter = ConcurrencyLimiter()
    for moment in (100.0, 100.0, 100.2, 100.4999):
        limiter.throttled(moment)
    assert limiter.limit == 16
    limiter.throttled(100.5)
    assert limiter.limit == 8
    limiter.throttled(100.9)
    assert limiter.limit == 8


def test_it_never_falls_below_one_and_recovers() -> None:
    limiter = ConcurrencyLimiter(limit=3)
    limiter.throttled(1.0)
    limiter.throttled(2.0)
    limiter.throttled(3.0)
    assert limiter.limit == 1
    assert one_round(limiter, 4.0, completed=1, waited=0.9) == 5


@pytest.mark.parametrize(
    ("maximum", "first", "then"), [(20, 20, 20), (40, 32, 40), (1, 1, 1), (0, 1, 1), (47, 32, 47), (65, 32, 64)]
)
def test_a_maximum_bounds_it(maximum: int, first: int, then: int) -> None:
    limiter = ConcurrencyLimiter(maximum=maximum)
    assert limiter.limit == first
    assert one_round(limiter, 1.0, completed=40, waited=0.9) == then


def test_the_maximum_is_256() -> None:
    assert ConcurrencyLimiter().maximum == 256
