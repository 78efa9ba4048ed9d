"""What a webhook's task comes to: asked of Nimble's API, then of the store. Nothing of the webhook is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from harvester.errors import HarvesterError
from harvester.nimble_api import NimbleClient, NotThere, TaskState, candidate_keys
from harvester.storage import ObjectRef, Store

_LONGEST_REASON = 200


@dataclass(frozen=True, slots=True)
class Found:
    """The result lies there."""

    task_id: str
    """The task."""
    ref: ObjectRef
    """Its object."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Look again later."""

    task_id: str
    """The task."""
    reason: str
    """A stable code."""
    words: str
    """Why, for people."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is nothing to bring home, now or later."""

    task_id: str
    """The task."""
    reason: str
    """A stable code."""
    words: str
    """Why, for people."""


Lookup: TypeAlias = Found | NotYet | Nothing


def look_up(task_id: str, client: NimbleClient, store: Store) -> Lookup:
    """Return what a task comes to. Raises nothing of what the API or the store may say."""
    try:
        task = client.task(task_id)
    except NotThere:
        return Nothing(task_id, "unknown_task", f"Nimble knows no task {task_id} of this account")
    except HarvesterError as error:
        return NotYet(task_id, "api", f"Nimble cannot be asked about {task_id}: {'; '.join(error.lines())}")
    if task.state is TaskState.FAILED:
        told = ": ".join(filter(None, (task.error_type, task.error))) or task.word or ""
        return Nothing(task_id, "failed_upstream", f"task {task_id} has failed at Nimble: {told[:_LONGEST_REASON]}")
    if not task.state.finished:
        return NotYet(
            task_id, "running", f"task {task_id} is {(task.word or 'in an unknown state')[:_LONGEST_REASON]} still"
        )
    keys = candidate_keys(task, store.location)
    if not keys:
        return Nothing(task_id, "elsewhere", f"task {task_id} was delivered to another place than {store.location.url}")
    try:
        for key in keys:
            ref = store.head(key)
            if ref is not None:
                return Found(task_id, ref)
    except HarvesterError as error:
        return NotYet(task_id, "store", error.one_line())
    return NotYet(task_id, "no_object", f"the result of task {task_id} is not in {store.location.url} yet")
