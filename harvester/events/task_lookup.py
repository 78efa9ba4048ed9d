"""Find the result of a webhook's task through Nimble's API and the store; the webhook itself is not trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from harvester.errors import HarvesterError
from harvester.nimble_api import NimbleClient, TaskState, UnknownId, candidate_keys
from harvester.storage import ObjectRef, Store

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class ResultFound:
    """The result exists."""

    task_id: str
    """The task."""
    ref: ObjectRef
    """Its object."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The look-up must be repeated later."""

    task_id: str
    """The task."""
    reason: str
    """A stable code."""
    detail: str
    """Why, as a message."""


@dataclass(frozen=True, slots=True)
class NoResult:
    """There is no result to land, now or later."""

    task_id: str
    """The task."""
    reason: str
    """A stable code."""
    detail: str
    """Why, as a message."""


LookupResult: TypeAlias = ResultFound | RetryLater | NoResult


def find_result(task_id: str, client: NimbleClient, store: Store) -> LookupResult:
    """Find the result of a task. Raises no HarvesterError."""
    try:
        task = client.task(task_id)
    except UnknownId:
        return NoResult(task_id, "unknown_task", f"Nimble knows no task {task_id} in this account")
    except HarvesterError as error:
        return RetryLater(task_id, "api", f"the state of task {task_id} is not available: {error.one_line()}")
    if task.state is TaskState.FAILED:
        reason = ": ".join(filter(None, (task.error_type, task.error))) or task.raw_state or ""
        return NoResult(task_id, "failed_upstream", f"task {task_id} has failed at Nimble: {reason[:_LONGEST_REASON]}")
    if not task.state.finished:
        return RetryLater(
            task_id, "running", f"task {task_id} is {(task.raw_state or 'in an unknown state')[:_LONGEST_REASON]} still"
        )
    keys = candidate_keys(task, store.location)
    if not keys:
        return NoResult(task_id, "elsewhere", f"task {task_id} was delivered outside {store.location.url}")
    try:
        for key in keys:
            ref = store.head(key)
            if ref is not None:
                return ResultFound(task_id, ref)
    except HarvesterError as error:
        return RetryLater(task_id, "store", error.one_line())
    return RetryLater(task_id, "no_object", f"the result of task {task_id} is not in {store.location.url} yet")
