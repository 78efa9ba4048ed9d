"""Whether a run that did not end well may end better later is decided by the causes of what failed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.causes import Cause, may_pass
from harvester.errors import EXIT_MEANINGS, AccessDenied, ConnectionFailed, ExitCode
from harvester.transfer import ObjectProblem, ends_better_later

REASONS = st.sampled_from([*(cause.value for cause in Cause), "internal_error"])


def problem(outcome: str, reason: str) -> ObjectProblem:
    return ObjectProblem("p/a", outcome, reason, "", known=False)


@given(st.lists(st.tuples(st.sampled_from(["failed", "quarantined", "refused", "landed"]), REASONS)), st.booleans())
def test_one_object_that_may_be_fetched_later_is_enough(found: list[tuple[str, str]], unattempted: bool) -> None:
    problems = [problem(*each) for each in found]
    expected = unattempted or any(outcome == "failed" and may_pass(reason) for outcome, reason in found)
    assert ends_better_later(ExitCode.PARTIAL, None, problems, unattempted=unattempted) is expected


@pytest.mark.parametrize(
    "code", [each for each, meaning in EXIT_MEANINGS.items() if meaning.retryable is not None], ids=str
)
def test_any_other_exit_code_decides_alone(code: ExitCode) -> None:
    problems = [problem("failed", Cause.THROTTLED)]
    assert ends_better_later(code, None, problems, unattempted=True) is EXIT_MEANINGS[code].retryable


def test_an_error_decides_before_the_objects() -> None:
    throttled, denied = [problem("failed", Cause.THROTTLED)], [problem("failed", Cause.OBJECT_DENIED)]
    assert not ends_better_later(ExitCode.ACCESS_DENIED, AccessDenied("x"), throttled, unattempted=True)
    assert ends_better_later(ExitCode.CONNECTION_FAILED, ConnectionFailed("x"), denied, unattempted=False)
