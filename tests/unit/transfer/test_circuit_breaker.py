"""A run ends early when going on is pointless, and for no less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.causes import Cause
from harvester.errors import AccessDenied, ConnectionFailed, HarvesterError
from harvester.transfer.circuit_breaker import CircuitBreaker
from harvester.transfer.workers.messages import INTERNAL_ERROR
from tests.unit.transfer.memory_workers import assignment, failed

FATAL = [cause for cause in Cause if cause.fatal]
RETRYABLE = [cause for cause in Cause if cause.retryable]
OWN = [cause for cause in Cause if not cause.fatal and not cause.retryable]


def fail(breaker: CircuitBreaker, cause: str, times: int) -> list[HarvesterError | None]:
    return [breaker.failure(failed(assignment(f"p/{number}"), cause)) for number in range(times)]


@pytest.mark.parametrize("cause", list(Cause))
def test_the_first_hundred_that_all_fail_for_one_cause_end_the_run(cause: Cause) -> None:
    errors = fail(CircuitBreaker(), cause, 100)
    first = next(number for number, error in enumerate(errors, 1) if error is not None)

    assert first == (10 if cause.fatal else 100)
    error = errors[first - 1]
    assert error is not None
    assert error.exit_code is cause.exit_code
    assert error.subject == f"p/{first - 1}"
    assert error.parameters["reason"] == cause.value


@pytest.mark.parametrize("cause", OWN)
def test_a_cause_of_objects_ends_no_run_that_has_landed_something(cause: Cause) -> None:
    breaker = CircuitBreaker()
    breaker.success()

    assert fail(breaker, cause, 300) == [None] * 300
    assert breaker.conclusion() is None


@pytest.mark.parametrize("cause", RETRYABLE)
def test_a_lost_connection_ends_a_run_after_a_hundred_in_a_row(cause: Cause) -> None:
    breaker = CircuitBreaker()
    breaker.success()
    assert fail(breaker, cause, 99) == [None] * 99
    breaker.success()
    assert fail(breaker, cause, 99) == [None] * 99

    assert isinstance(breaker.failure(failed(assignment("p/last"), cause)), HarvesterError)


@pytest.mark.parametrize("cause", FATAL)
def test_a_cause_that_all_objects_share_ends_a_run_after_ten_in_a_row(cause: Cause) -> None:
    breaker = CircuitBreaker()
    breaker.success()
    assert fail(breaker, cause, 9) == [None] * 9
    breaker.failure(failed(assignment("p/other"), Cause.GONE))
    assert fail(breaker, cause, 9) == [None] * 9

    assert isinstance(breaker.failure(failed(assignment("p/last"), cause)), HarvesterError)


@pytest.mark.parametrize("cause", FATAL)
def test_fewer_than_ten_count_where_there_are_no_more(cause: Cause) -> None:
    breaker = CircuitBreaker()
    assert fail(breaker, cause, 3) == [None] * 3

    error = breaker.conclusion()

    assert error is not None
    assert error.exit_code is cause.exit_code
    breaker.success()
    assert breaker.conclusion() is None


def test_the_kind_of_error_follows_the_cause() -> None:
    assert isinstance(fail(CircuitBreaker(), Cause.CREDENTIALS, 10)[-1], AccessDenied)
    assert isinstance(fail(CircuitBreaker(), Cause.NETWORK, 100)[-1], ConnectionFailed)


def test_two_causes_in_turn_end_no_run() -> None:
    breaker = CircuitBreaker()
    for number in range(300):
        assert breaker.failure(failed(assignment(f"p/{number}"), [Cause.NETWORK, Cause.TIMEOUT][number % 2])) is None


def test_a_bug_of_ours_ends_no_run() -> None:
    assert fail(CircuitBreaker(), INTERNAL_ERROR, 300) == [None] * 300


@given(st.lists(st.sampled_from([None, *OWN])))
def test_successes_between_failures_of_objects_end_no_run(ends: list[Cause | None]) -> None:
    breaker = CircuitBreaker()
    breaker.success()
    for number, cause in enumerate(ends):
        if cause is None:
            breaker.success()
        else:
            assert breaker.failure(failed(assignment(f"p/{number}"), cause)) is None
    assert breaker.conclusion() is None
