"""The spacing of requests, at its bounds."""

from __future__ import annotations

import pytest

from harvester.storage.http.request_rate import RequestRate


def starts(rate: RequestRate, *, seconds: float, step: float) -> int:
    """Return how many requests start in a time when there is always one waiting."""
    count, now = 0, 1000.0
    while now < 1000.0 + seconds:
        while rate.allows(now):
            rate.started(now)
            count += 1
            if count > 10_000:
                return count
        now += step
    return count


@pytest.mark.parametrize("per_second", [0.5, 1.0, 7.0, 250.0])
def test_no_more_than_allowed_start(per_second: float) -> None:
    assert starts(RequestRate(per_second), seconds=10.0, step=0.001) <= 10 * per_second + 1
    assert starts(RequestRate(per_second), seconds=10.0, step=0.001) >= 0.75 * 10 * per_second


def test_unused_starts_do_not_add_up() -> None:
    rate = RequestRate(10.0)
    rate.started(0.0)
    assert rate.next_start() == pytest.approx(0.1)
    assert starts(rate, seconds=0.05, step=0.01) == 1


def test_without_a_limit_any_number_starts() -> None:
    assert starts(RequestRate(None), seconds=1.0, step=1.0) > 10_000
