"""Fill rates side by side, also of edited documents."""

from __future__ import annotations

from typing import Any

import pytest

from harvester.html_report.fill_rates import FillRate, compare_fill_rates


def profile(**fields: object) -> dict[str, Any]:
    return {"agent": {"fields": {path: {"fill_rate": rate} for path, rate in fields.items()}}}


def test_the_largest_changes_come_first() -> None:
    rates, left_out = compare_fill_rates(profile(a=1.0, b=0.5, gone=0.7), profile(a=0.9, b=0.5, new=0.2), 3)
    assert rates == (
        FillRate("agent", "gone", 0.7, None),
        FillRate("agent", "new", None, 0.2),
        FillRate("agent", "a", 1.0, 0.9),
    )
    assert left_out == 1
    assert [round(rate.change, 3) for rate in rates] == [-0.7, 0.2, -0.1]


@pytest.mark.parametrize(
    "edited",
    [
        None,
        {},
        {"agent": 1},
        {"agent": {"fields": []}},
        {"agent": {"fields": {"a": 1}}},
        profile(a="x"),
        profile(a=None),
    ],
)
def test_what_is_no_profile_has_no_rates(edited: dict[str, Any] | None) -> None:
    assert compare_fill_rates(edited, edited, 10) == ((), 0)


def test_a_share_stays_a_share() -> None:
    rates, _ = compare_fill_rates(profile(a=-3), profile(a=700), 10)
    assert rates == (FillRate("agent", "a", 0.0, 1.0),)
