"""What follows an attempt: a commit, another attempt, or the end of the backfill."""

from __future__ import annotations

import pickle

import pytest

from harvester.backfill.engines.dask_engine import _picklable
from harvester.backfill.engines.engine_rules import FINAL_CODES, Attempts, EngineProgress
from harvester.backfill.shards.shard_run import ShardOutcome
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConnectionFailed, DifferenceFound, ExitCode, ForeignPosition


def failed(shard: int, code: ExitCode) -> ShardOutcome:
    return ShardOutcome(shard, code, committed=False)


def done(shard: int) -> ShardOutcome:
    return ShardOutcome(shard, ExitCode.OK, committed=True)


def test_a_failure_is_repeated_as_often_as_allowed() -> None:
    attempts = Attempts(3, 3, retries=2)
    assert [attempts.takes(failed(0, ExitCode.PARTIAL)) for _ in range(3)] == [True, True, False]
    assert attempts.takes(failed(1, ExitCode.CONNECTION_FAILED))
    assert not attempts.takes(done(1))
    assert [each.shard for each in attempts.failed] == [0]
    assert attempts.stopped_by is None
    assert attempts.exit_code() is ExitCode.PARTIAL


@pytest.mark.parametrize("code", [*FINAL_CODES, ExitCode.BUG])
def test_what_a_person_has_to_change_is_not_repeated(code: ExitCode) -> None:
    attempts = Attempts(3, 3)
    attempts.takes(failed(2, ExitCode.PARTIAL))
    assert not attempts.takes(failed(0, code))
    assert attempts.exit_code() is code
    # A bug concerns one shard, a denied access all.
    assert (attempts.stopped_by is None) == (code is ExitCode.BUG)


def test_a_shard_whose_objects_a_person_has_to_see_to_is_not_repeated() -> None:
    attempts = Attempts(3, 3)
    assert not attempts.takes(failed(0, ExitCode.PARTIAL)._replace(retryable=False))
    assert not attempts.takes(failed(1, ExitCode.DIFFERENCE)._replace(error=DifferenceFound("x")))
    assert attempts.stopped_by is None


def test_progress_counts_what_was_committed_before() -> None:
    seen: list[EngineProgress] = []
    attempts = Attempts(5, 2, progress=seen.append)
    attempts.takes(failed(3, ExitCode.LOCKED))
    attempts.takes(done(3))
    attempts.takes(done(4))
    assert [(each.committed, each.shards, each.retried) for each in seen] == [
        (3, 5, True),
        (4, 5, False),
        (5, 5, False),
    ]
    assert attempts.exit_code() is ExitCode.OK


@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed("w", cause="c", request_id="r", subject="s", code=ErrorCode.STORE_UNAVAILABLE),
        AccessDenied("w", parameters={"a": [1]}),
        ForeignPosition("1", "0", "dest"),
    ],
)
def test_an_error_comes_back_from_a_worker_with_its_parts(error: ConnectionFailed) -> None:
    again = pickle.loads(pickle.dumps(_picklable(error)))
    assert again.as_document() == error.as_document()
    assert again.exit_code is error.exit_code
