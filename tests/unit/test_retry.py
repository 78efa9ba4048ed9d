"""Backoff, Retry-After, the interruptible sleep, and messages that repeat."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import AccessDenied, ConnectionFailed, DestinationUnusable, Interrupted
from harvester.retry import (
    Backoff,
    RateLimitedLog,
    RetryPolicy,
    backoff_delay,
    interruptible_sleep,
    is_retryable,
    parse_retry_after,
)

NOW = datetime(2026, 1, 24, 12, 0, tzinfo=UTC)


@given(st.integers(1, 10_000))
def test_the_delay_doubles_to_its_bound_and_half_of_it_is_random(attempt: int) -> None:
    full = min(8.0, 0.5 * 2.0 ** min(attempt - 1, 10))
    assert full / 2 <= backoff_delay(attempt, 0.5, 8.0) <= full


def test_delays_differ() -> None:
    assert len({backoff_delay(3, 1.0, 8.0) for _ in range(20)}) > 1


def test_a_backoff_counts_failures_in_a_row() -> None:
    backoff = Backoff(1.0, 4.0)
    bounds = [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (2.0, 4.0)]
    assert all(low <= backoff.delay() <= high for low, high in bounds)
    backoff.reset()
    assert 0.5 <= backoff.delay() <= 1.0


@pytest.mark.parametrize(
    ("retry_after", "low", "high"), [(None, 0.5, 1.0), (0.0, 0.5, 1.0), (3.0, 3.0, 3.0), (60.0, 8.0, 8.0)]
)
def test_the_stores_delay_counts_up_to_the_longest(retry_after: float | None, low: float, high: float) -> None:
    assert low <= RetryPolicy(base_delay=1.0, max_delay=8.0).delay(1, retry_after) <= high


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("999999999", 86_400.0),
        ("9999999999", None),
        ("²", None),
        ("٣", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        ("soon", None),
        ("Sat, 24 Jan 2026 12:00:30 GMT", 30.0),
        ("Sat, 24 Jan 2026 12:00:30", 30.0),
        ("Sat, 24 Jan 2026 11:00:00 GMT", 0.0),
        ("Sat, 24 Jan 2036 11:00:00 GMT", 86_400.0),
        ("Sat, 99 Jan 2026 11:00:00 GMT", None),
        ("Sat, 24 Jan 99999999999 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_or_counts_as_absent(text: str, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} \w{3} \d{1,12} \d+:\d+:\d+ [-+]?\w+", fullmatch=True))
def test_no_retry_after_raises(text: str) -> None:
    seconds = parse_retry_after(text, NOW)
    assert seconds is None or 0.0 <= seconds <= 86_400.0


def test_a_signal_ends_the_sleep_also_one_of_no_length() -> None:
    for seconds in (0.0, 1e9):
        with pytest.raises(Interrupted) as raised:
            interruptible_sleep(seconds, lambda: 15)
        assert raised.value.exit_code == 143
    interruptible_sleep(0.0, lambda: None)


def test_a_signal_that_comes_while_it_sleeps_ends_it() -> None:
    answers = iter([None, None, 2])
    with pytest.raises(Interrupted):
        interruptible_sleep(1e9, lambda: next(answers))


def test_what_is_worth_a_retry() -> None:
    assert is_retryable(ConnectionFailed("x"), has_worked=False)
    assert not is_retryable(AccessDenied("x"), has_worked=False)
    assert is_retryable(AccessDenied("x"), has_worked=True)
    assert is_retryable(DestinationUnusable("x"), has_worked=True)
    assert not is_retryable(Interrupted(15), has_worked=True)


def test_a_message_that_repeats_is_logged_five_times_and_then_counted() -> None:
    logged: list[str] = []
    log = RateLimitedLog(logged.append)
    for number in range(1, 1001):
        log("kind", f"message {number}")
    log("other", "first")
    assert logged == [
        *(f"message {number}" for number in range(1, 6)),
        "kind: 10 by now; the latest: message 10",
        "kind: 100 by now; the latest: message 100",
        "kind: 1,000 by now; the latest: message 1000",
        "first",
    ]
