"""Unknown ids cause a bounded number of questions to the API."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harvester.events.lookup_budget import UNKNOWN_PER_SECOND, LookupBudget


class Time:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_known_ids_cost_nothing() -> None:
    time = Time()
    budget = LookupBudget(time)
    for _ in range(1000):
        assert budget.available(64) == 64
        budget.spend(0)


def test_tokens_return_up_to_the_burst() -> None:
    time = Time()
    budget = LookupBudget(time)
    assert budget.available(1000) == 100
    budget.spend(100)
    assert budget.available(64) == 0
    time.now += 1
    assert budget.available(64) == UNKNOWN_PER_SECOND
    time.now += 0.1
    assert budget.available(64) == UNKNOWN_PER_SECOND
    time.now += 1000
    assert budget.available(1000) == 100


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 200)), max_size=50))
def test_unknown_ids_never_exceed_the_rate_and_the_burst(rounds: list[tuple[float, int]]) -> None:
    time = Time()
    budget = LookupBudget(time)
    unknown = 0
    for seconds, wanted in rounds:
        time.now += seconds
        count = budget.available(min(wanted, 64))
        budget.spend(count)
        unknown += count
    assert unknown <= 100 + (time.now - 50.0) * UNKNOWN_PER_SECOND + 1e-6
