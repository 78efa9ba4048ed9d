"""What an object with a problem is judged under decides when it is tried again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harvester.transfer.options import SyncOptions
from harvester.transfer.workers.worker_limits import (
    MEMORY_EXCEEDED,
    TIME_EXCEEDED,
    WORKER_CRASHED,
    WorkerLimits,
)

OPTIONS = SyncOptions()


@pytest.mark.parametrize("reason", [TIME_EXCEEDED, MEMORY_EXCEEDED, WORKER_CRASHED])
@pytest.mark.parametrize("limits", [WorkerLimits(5.0), WorkerLimits(silent_seconds=60.0), WorkerLimits(memory_bytes=9)])
def test_what_ended_its_worker_is_tried_again_under_other_limits(reason: str, limits: WorkerLimits) -> None:
    others = replace(OPTIONS, worker_limits=limits)
    assert others.fingerprint_of(reason) != OPTIONS.fingerprint_of(reason)
    assert others.fingerprint_of("schema") == OPTIONS.fingerprint_of("schema")


@pytest.mark.parametrize("reason", [TIME_EXCEEDED, MEMORY_EXCEEDED, WORKER_CRASHED, "schema"])
def test_every_problem_is_tried_again_under_another_schema(reason: str) -> None:
    others = replace(OPTIONS, result=OPTIONS.result._replace(user_schema="{}"))
    assert others.fingerprint_of(reason) != OPTIONS.fingerprint_of(reason)
