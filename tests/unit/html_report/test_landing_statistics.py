"""Sums over landed objects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.destination import LandingFacts
from harvester.html_report.landing_statistics import sum_up

NOW = 1_800_000_000.0
HOUR = 3600.0


def test_objects_and_bytes_per_hour_with_the_empty_hours_between() -> None:
    facts = [
        LandingFacts(NOW - 3.5 * HOUR, NOW - 4 * HOUR, 2000, "success"),
        LandingFacts(NOW - 0.25 * HOUR, NOW - 0.25 * HOUR - 30, 500, "error"),
        LandingFacts(NOW - 0.5 * HOUR, NOW, 0, None),
        LandingFacts(NOW - 6 * HOUR, NOW, 7, "success"),
        LandingFacts(NOW + 1, NOW, 7, "success"),
    ]
    found = sum_up(facts, NOW - 5 * HOUR, NOW)
    assert (found.span, found.objects, found.bytes) == (3600, 3, 2500)
    by_age = {int((NOW - bar.start) // HOUR): (bar.objects, bar.bytes) for bar in found.bars}
    assert by_age == {0: (0, 0), 1: (2, 500), 2: (0, 0), 3: (0, 0), 4: (1, 2000), 5: (0, 0)}
    assert found.statuses == (("success", 1), ("error", 1))
    assert {label: count for label, count in found.delays if count} == {"under 1 min": 2, "15 to 60 min": 1}
    assert {label: count for label, count in found.sizes if count} == {"under 1 kB": 2, "1 to 10 kB": 1}


@pytest.mark.parametrize(("days", "span"), [(7, 3600), (8.3, 3600), (30, 6 * 3600), (180, 86400), (20_000, 28 * 86400)])
def test_the_bars_stay_few(days: float, span: int) -> None:
    found = sum_up((), NOW - days * 86400, NOW)
    assert found.span == span
    assert days > 10_000 or len(found.bars) <= 201
    assert (found.median_delay, found.slow_delay, found.median_size) == (None, None, None)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 10**9)), min_size=1, max_size=50))
def test_a_median_is_right_to_two_percent(given_facts: list[tuple[float, int]]) -> None:
    facts = [LandingFacts(NOW, NOW - delay, size, None) for delay, size in given_facts]
    found = sum_up(facts, NOW - 1, NOW)
    ranked = sorted(max(1.0, NOW - each.last_modified) for each in facts)
    wanted = ranked[(len(ranked) - 1) // 2]
    assert found.median_delay is not None
    assert found.median_delay == pytest.approx(wanted, rel=0.021, abs=1)
    sizes = sorted(max(1, each.content_size) for each in facts)
    assert found.median_size == pytest.approx(sizes[(len(sizes) - 1) // 2], rel=0.021, abs=1)
    assert sum(count for _, count in found.delays) == sum(count for _, count in found.sizes) == len(facts)
