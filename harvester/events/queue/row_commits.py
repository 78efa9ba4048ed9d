"""Messages that are held until the rows they announced are committed to an output."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harvester.queues import QueueMessage

_LEASE_SHARE = 0.25
_LONGEST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RowCommits:
    """How rows are committed to an output before their messages are deleted."""

    commit: Callable[[], None]
    """Writes the rows of everything that has landed; raises HarvesterError where it cannot."""
    after_bytes: int
    """Rows are committed when so many bytes were announced since the last time, if not before by time."""


class SettledBatch(NamedTuple):
    """What becomes of the messages of a batch once everything they announced is safe."""

    all: list[QueueMessage]
    """Every message of it."""
    done: list[QueueMessage]
    """Messages that are deleted."""
    unreached: list[QueueMessage]
    """Messages that return to the queue, because the worker was stopped before them."""
    left: Counter[str]
    """Messages that are left in the queue, by reason."""
    gone: set[str]
    """Announced keys that are gone."""
    bytes: int
    """Bytes that they announced."""


class HeldBatches:
    """Settled batches whose rows are not committed yet. Well inside the lease, which is extended meanwhile."""

    def __init__(self, commits: RowCommits | None, lease: float) -> None:
        """Without ``commits`` nothing is held: a batch is due at once."""
        self._commits = commits
        self._longest = min(lease * _LEASE_SHARE, _LONGEST_SECONDS)
        self._batches: list[SettledBatch] = []
        self._since = 0.0

    def __bool__(self) -> bool:
        """Return whether any batch is held."""
        return bool(self._batches)

    def add(self, batch: SettledBatch) -> None:
        """Hold a batch."""
        if not self._batches:
            self._since = time.monotonic()
        self._batches.append(batch)

    def is_due(self) -> bool:
        """Return whether the rows are to be committed now."""
        if self._commits is None:
            return bool(self._batches)
        held = sum(batch.bytes for batch in self._batches)
        return bool(self._batches) and (
            held >= self._commits.after_bytes or time.monotonic() - self._since >= self._longest
        )

    def commit(self) -> Sequence[SettledBatch]:
        """Commit the rows, and return the batches, which are no longer held. Raises what committing raises."""
        if self._commits is not None and self._batches:
            self._commits.commit()
        return self.drop()

    def drop(self) -> Sequence[SettledBatch]:
        """Return the batches, which are no longer held: their messages return when their lease expires."""
        batches, self._batches = self._batches, []
        return batches
