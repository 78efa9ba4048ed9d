"""A run whose counts do not add up is an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import IntegrityError
from harvester.transfer.proof import RowCounts, prove_listing, prove_outcomes
from harvester.transfer.sync_report import RunCounters

LOCATION = "s3://bucket/r/"
numbers = st.integers(0, 5)


@given(numbers, numbers, numbers, numbers, numbers, numbers)
def test_one_outcome_for_each_distinct_key(
    landed: int, unchanged: int, refused: int, quarantined: int, failed: int, ignored: int
) -> None:
    total = landed + unchanged + refused + quarantined + failed + ignored
    counters = RunCounters()
    counters.listed, counters.landed, counters.unchanged = total, landed, unchanged
    counters.refused, counters.quarantined, counters.failed = refused, quarantined, failed
    counters.ignored["excluded"] = ignored
    assert prove_listing(counters, total, RowCounts(7, 7), LOCATION) is None
    assert prove_outcomes(counters, None, LOCATION) is None
    for wrong in (total - 1, total + 1):
        assert isinstance(prove_listing(counters, wrong, None, LOCATION), IntegrityError)
        counters.listed = wrong
        assert isinstance(prove_outcomes(counters, None, LOCATION), IntegrityError)
        assert isinstance(prove_listing(counters, wrong, None, LOCATION), IntegrityError)
        counters.listed = total


@pytest.mark.parametrize(("expected", "found"), [(2, 1), (1, 2)])
def test_two_objects_at_one_path_are_an_error(expected: int, found: int) -> None:
    error = prove_outcomes(RunCounters(), RowCounts(expected, found), LOCATION)
    assert error is not None
    assert (error.exit_code, error.subject) == (7, LOCATION)
    assert f"{expected} landed objects" in error.cause
