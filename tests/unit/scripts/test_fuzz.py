"""A bounded number of fuzz cases of every parser; scripts/soak --fuzz runs for as long as asked."""

from __future__ import annotations

from itertools import islice

import pytest

from scripts.soak_test.fuzz import failure_of, generated, run_for
from scripts.soak_test.fuzz_targets import TARGETS, Target, Violation

CASES = 1500


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_generated_input_breaks_a_parser(target: Target) -> None:
    for body in islice(generated(target, 1), CASES):
        assert failure_of(target, body) == "", body


def test_the_same_seed_generates_the_same_inputs() -> None:
    first, again = (list(islice(generated(TARGETS[0], 7), 50)) for _ in range(2))
    assert first == again
    assert len(set(first)) > 40


def test_a_failing_input_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def check(body: bytes) -> None:
        if body != b"seed":
            raise Violation("differs")

    assert run_for(60, 1, (Target("example", check, (b"seed",), (b"x",)),)) == 1
    assert "FAILED example, case 2 of seed 1: Violation: differs" in capsys.readouterr().out
