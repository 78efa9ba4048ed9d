"""Map the state names of Nimble's APIs to a TaskState.

The pages disagree: agent and extract tasks end in ``success``/``error``, crawl pages and the older extract
page in ``completed``/``failed``, job runs in ``SUCCESS``/``FAILED``/``WARNING``. The names are in the facts file of
``policies``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from policies import facts


class TaskState(StrEnum):
    """Meaning of a state name for a client that waits for the result."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTIAL = "partial"
    UNKNOWN = "unknown"

    @property
    def finished(self) -> bool:
        """Whether the state is final; an unknown state is not final."""
        return self in {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.PARTIAL}


_NAMES = facts().api.states

STATES_BY_NAME: Mapping[str, TaskState] = {
    **dict.fromkeys(_NAMES.running, TaskState.RUNNING),
    **dict.fromkeys(_NAMES.succeeded, TaskState.SUCCEEDED),
    **dict.fromkeys(_NAMES.failed, TaskState.FAILED),
    **dict.fromkeys(_NAMES.partial, TaskState.PARTIAL),
}
"""Every documented state name, in lower case. ``skipped`` and ``ignored`` occur in the bodies of results only."""


def task_state(name: str | None) -> TaskState:
    """Return the state for ``name``, ignoring case; UNKNOWN for None and for an undocumented name."""
    return TaskState.UNKNOWN if name is None else STATES_BY_NAME.get(name.strip().lower(), TaskState.UNKNOWN)
