"""The one table from the words of Nimble's APIs to what they mean.

The pages disagree: agent and extract tasks end in ``success``/``error``, crawl pages and the older extract page in
``completed``/``failed``, job runs in ``SUCCESS``/``FAILED``/``WARNING``. The words themselves are facts about Nimble.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from policies import facts


class TaskState(StrEnum):
    """What a word of the API means for whoever waits for the result."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PARTIAL = "partial"
    UNKNOWN = "unknown"

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen; an unknown word is no proof of an end."""
        return self in {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.PARTIAL}


_WORDS = facts().api.states

STATE_WORDS: Mapping[str, TaskState] = {
    **dict.fromkeys(_WORDS.running, TaskState.RUNNING),
    **dict.fromkeys(_WORDS.succeeded, TaskState.SUCCEEDED),
    **dict.fromkeys(_WORDS.failed, TaskState.FAILED),
    **dict.fromkeys(_WORDS.partial, TaskState.PARTIAL),
}
"""Every documented word, in lower case. ``skipped`` and ``ignored`` occur in the bodies of results only."""


def task_state(word: str | None) -> TaskState:
    """Return what ``word`` means, without regard to case; a word of no documentation, or none, is UNKNOWN."""
    return TaskState.UNKNOWN if word is None else STATE_WORDS.get(word.strip().lower(), TaskState.UNKNOWN)
