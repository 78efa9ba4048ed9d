"""The index of a shard from the environment of an engine."""

from __future__ import annotations

import pytest

from harvester.backfill.engines.index_variables import INDEX_VARIABLES, array_index
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError


@pytest.mark.parametrize("variable", INDEX_VARIABLES)
def test_each_engine_names_the_shard(variable: str) -> None:
    assert array_index({variable: "7", "HOME": "/"}, 8) == 7
    assert array_index({variable: "0"}, 1) == 0


def test_without_a_variable_there_is_none() -> None:
    assert array_index({}, 8) is None
    assert array_index({"JOB_COMPLETION_INDEX": ""}, 8) is None


@pytest.mark.parametrize("text", ["8", "-1", "1.0", "x", "٣", " 1", "9" * 30])
def test_what_is_no_index_of_the_plan_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        array_index({"JOB_COMPLETION_INDEX": text}, 8)
    assert caught.value.code is ErrorCode.NO_SUCH_SHARD


def test_two_variables_are_refused_even_if_they_agree() -> None:
    with pytest.raises(UsageError) as caught:
        array_index({"JOB_COMPLETION_INDEX": "1", "SLURM_ARRAY_TASK_ID": "1"}, 8)
    assert caught.value.code is ErrorCode.SHARD_AMBIGUOUS
    assert caught.value.what == "JOB_COMPLETION_INDEX and SLURM_ARRAY_TASK_ID are both set"
