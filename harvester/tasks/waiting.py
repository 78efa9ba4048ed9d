"""Waiting for batches to complete: at sensible intervals, no longer than asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from harvester.errors import ConnectionFailed, TimedOut
from harvester.tasks.client import NimbleClient
from harvester.tasks.model import Batch, BatchProgress

FIRST_INTERVAL = 2.0
"""Seconds between the first two looks."""
LONGEST_INTERVAL = 15.0
"""Seconds between two looks, at most."""
TOLERATED_FAILURES = 10
"""Looks in a row that may fail, after the client's own retries, once every batch has been seen."""


def next_interval(interval: float) -> float:
    """Return the seconds to wait after having waited ``interval``: half as long again, up to the longest."""
    return min(interval * 1.5, LONGEST_INTERVAL)


def wait_for_batches(
    client: NimbleClient,
    batch_ids: Sequence[str],
    *,
    deadline: float | None = None,
    report: Callable[[Mapping[str, BatchProgress]], object] = lambda _: None,
) -> tuple[Batch, ...]:
    """Look until every batch is completed; return them with their tasks, in the order asked for.

    ``deadline`` is a moment of ``time.monotonic()``. ``report`` is called after every round with the progress of all.
    Raises TimedOut at the deadline, and what the client raises; an outage in between is waited out.
    """
    known: dict[str, BatchProgress] = {}
    interval = FIRST_INTERVAL
    failures = 0
    while True:
        try:
            for batch_id in batch_ids:
                if batch_id not in known or not known[batch_id].completed:
                    known[batch_id] = client.progress(batch_id)
            failures = 0
        except ConnectionFailed:
            # Whoever waits for hours outlives an outage of minutes; one that never got an answer has a wrong address.
            failures += 1
            if len(known) < len(batch_ids) or failures > TOLERATED_FAILURES:
                raise
        report(dict(known))
        if all(progress.completed for progress in known.values()):
            return tuple(client.batch(batch_id) for batch_id in batch_ids)
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            raise _timed_out(known)
        time.sleep(interval if deadline is None else min(interval, max(0.0, deadline - now)))
        interval = next_interval(interval)


def _timed_out(known: Mapping[str, BatchProgress]) -> TimedOut:
    waiting = [progress for progress in known.values() if not progress.completed]
    ids = ", ".join(progress.id for progress in waiting)
    return TimedOut(
        f"batch {ids} is not completed" if len(waiting) == 1 else f"{len(waiting)} batches are not completed: {ids}",
        cause=", ".join(f"{progress.completed_count} ended ({progress.progress:.0%})" for progress in waiting),
        next_step=f"nimble-harvester batches wait {' '.join(progress.id for progress in waiting)}",
    )
