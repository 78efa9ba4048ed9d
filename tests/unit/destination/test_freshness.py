"""Freshness: which limits a destination does not meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.destination.health.freshness import FreshnessLimits, LandedDelivery, Stale, StaleKind, evaluate_freshness
from harvester.destination.manifest.row_types import Heartbeat

NOW = 1_000_000.0
BEATS = (
    Heartbeat("reconcile", NOW - 10, NOW - 10, 0),
    Heartbeat("sync", NOW - 3600, NOW - 60, 3),
    Heartbeat("watch", NOW - 7200, NOW - 7200, 0),
)
DELIVERIES = (
    LandedDelivery("p/agent-a/1.json", "a", NOW - 100, NOW - 50),
    LandedDelivery("p/agent-a/2.json", "a", NOW - 9000, NOW - 4000),
    LandedDelivery("p/agent-b/1.json", "b", NOW - 20_000, NOW - 19_000),
    LandedDelivery("p/top.json", None, NOW - 300, NOW - 200),
)


def evaluate(limits: FreshnessLimits, beats: tuple[Heartbeat, ...] = BEATS) -> list[tuple[StaleKind, str]]:
    found = evaluate_freshness(beats, DELIVERIES, limits, prefix="p/", now=NOW)
    return [(each.kind, each.subject) for each in found]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (FreshnessLimits(), []),
        (FreshnessLimits(max_age=3600), []),
        (FreshnessLimits(max_age=3599), [(StaleKind.OLD_SUCCESS, "")]),
        (FreshnessLimits(newest_within=100), []),
        (FreshnessLimits(newest_within=99), [(StaleKind.OLD_DELIVERY, "")]),
        (FreshnessLimits(newest_within=300, by="prefix"), [(StaleKind.OLD_DELIVERY, "agent-b/")]),
        (
            FreshnessLimits(newest_within=299, by="prefix"),
            [(StaleKind.OLD_DELIVERY, ""), (StaleKind.OLD_DELIVERY, "agent-b/")],
        ),
        (FreshnessLimits(newest_within=200, by="agent"), [(StaleKind.OLD_DELIVERY, "b")]),
        (FreshnessLimits(newest_within=99, by="agent"), [(StaleKind.OLD_DELIVERY, "a"), (StaleKind.OLD_DELIVERY, "b")]),
        (FreshnessLimits(min_landed=2, window=200), []),
        (FreshnessLimits(min_landed=2, window=199), [(StaleKind.FEW_LANDED, "")]),
        (FreshnessLimits(min_landed=4, window=19_000, max_age=1), [(StaleKind.OLD_SUCCESS, "")]),
    ],
)
def test_limits(limits: FreshnessLimits, expected: list[tuple[StaleKind, str]]) -> None:
    assert evaluate(limits) == expected


def test_a_failed_end_is_no_success_and_other_verbs_do_not_count() -> None:
    beats = (Heartbeat("reconcile", NOW, NOW, 0), Heartbeat("sync", None, NOW, 3))
    assert evaluate(FreshnessLimits(max_age=10), beats) == [(StaleKind.NO_SUCCESS, "")]


def test_nothing_delivered_is_not_fresh() -> None:
    found = evaluate_freshness((), (), FreshnessLimits(newest_within=10, min_landed=1), prefix="", now=NOW)
    assert found == (Stale(StaleKind.NO_DELIVERY, "", 0, 0), Stale(StaleKind.FEW_LANDED, "", 0, 0))


def test_the_age_is_given() -> None:
    (found,) = evaluate_freshness(BEATS, (), FreshnessLimits(max_age=10), prefix="", now=NOW)
    assert found.age == 3600


@given(st.lists(st.floats(0, NOW), min_size=1), st.floats(0, NOW))
def test_only_the_newest_delivery_decides(times: list[float], limit: float) -> None:
    deliveries = [LandedDelivery(f"p/{number}", None, at, at) for number, at in enumerate(times)]
    found = evaluate_freshness((), deliveries, FreshnessLimits(newest_within=limit), prefix="p/", now=NOW)
    assert bool(found) is (NOW - max(times) > limit)
