"""Look up the pending tasks of webhooks and land their results."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harvester.events.event_state import EventState, PendingTask
from harvester.events.lookup_budget import LookupBudget
from harvester.events.task_lookup import LookupResult, NoResult, ResultFound, RetryLater, find_result
from harvester.nimble_api import NimbleClient
from harvester.retry import RateLimitedLog, backoff_delay
from harvester.transfer import ObjectEvent, SyncSession

_BATCH = 64
_LOOKUPS = 8
# Reasons of a look-up that failed, for example a rejected key or a network error.
_UNANSWERED = frozenset({"api", "store"})
_FIRST_RETRY = 2.0
_LONGEST_RETRY = 300.0


class TaskSettler:
    """Settles pending tasks in a session: looks each up, lands its object, or decides when to look it up again."""

    def __init__(self, client: NimbleClient, log: RateLimitedLog, destination: Path, give_up: float) -> None:
        """``give_up``: seconds to retry a task that runs or whose object is missing."""
        self._client = client
        self._log = log
        self._destination = destination
        self._give_up = give_up
        self._outcomes: dict[str, str] = {}
        self.tasks: Counter[str] = Counter()
        """Number of tasks by outcome."""
        self.all_failed = False
        """Whether no task of the last batch could be looked up."""

    def record(self, event: ObjectEvent) -> None:
        """Record the outcome of an object of the session."""
        self._outcomes[event.key] = event.outcome

    @contextlib.contextmanager
    def running(self, session: SyncSession, state: EventState) -> Iterator[Callable[[], bool]]:
        """Yield a function that settles a batch of due tasks and returns False if none is due."""
        budget = LookupBudget()
        with ThreadPoolExecutor(_LOOKUPS) as pool:

            def settle_due() -> bool:
                due = state.due(budget.available(_BATCH))
                if not due:
                    return False
                lookups = list(pool.map(lambda task: find_result(task.task_id, self._client, session.store), due))
                self.all_failed = all(isinstance(each, RetryLater) and each.reason in _UNANSWERED for each in lookups)
                budget.spend(sum(isinstance(each, NoResult) and each.reason == "unknown_task" for each in lookups))
                self._settle(due, lookups, session, state)
                return True

            yield settle_due

    def _settle(
        self, due: Sequence[PendingTask], lookups: Sequence[LookupResult], session: SyncSession, state: EventState
    ) -> None:
        self._outcomes.clear()
        found = [each for each in lookups if isinstance(each, ResultFound)]
        session.land([each.ref for each in found])
        session.make_durable()
        landed: list[str] = []
        dropped: list[str] = []
        later: list[tuple[str, float]] = []
        for task, lookup in zip(due, lookups, strict=True):
            again = lookup
            if isinstance(lookup, ResultFound):
                outcome = self._outcomes.get(lookup.ref.key, "failed")
                if outcome != "failed":
                    self.tasks[outcome] += 1
                    landed.append(task.task_id)
                    continue
                again = RetryLater(task.task_id, "fetch", f"the result of task {task.task_id} could not be fetched")
            if isinstance(again, NoResult):
                self.tasks[again.reason] += 1
                self._log(again.reason, again.detail)
                dropped.append(task.task_id)
            elif isinstance(again, RetryLater):
                delay = self._retry_delay(task, again)
                if delay is None:
                    dropped.append(task.task_id)
                else:
                    later.append((task.task_id, delay))
        state.settle(landed=landed, dropped=dropped, later=later)

    def _retry_delay(self, task: PendingTask, lookup: RetryLater) -> float | None:
        """Return the seconds until the next look-up, None to give up."""
        if time.time() - task.received_at > self._give_up:
            self.tasks["gave_up"] += 1
            self._log("gave up", f"{lookup.detail}; given up, to be found by reconciling {self._destination}")
            return None
        if lookup.reason != "running" and task.tries == 0:
            self._log(lookup.reason, f"{lookup.detail}; retrying")
        return backoff_delay(task.tries + 1, _FIRST_RETRY, _LONGEST_RETRY)
