"""Waiting for what was promised to end: looks at sensible intervals, for no longer than asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from harvester.error_codes import ErrorCode
from harvester.errors import ConnectionFailed, TimedOut
from harvester.nimble_api.client import NimbleClient
from harvester.nimble_api.fan_out import ask_all, never
from harvester.nimble_api.models import Batch, BatchProgress
from harvester.retry import interruptible_sleep

_Seen = TypeVar("_Seen")
FIRST_INTERVAL = 2.0
"""Seconds between the first two looks."""
LONGEST_INTERVAL = 15.0
"""Seconds between two looks, at most."""
TOLERATED_FAILURES = 10
"""Looks in a row that may fail, after the client's own retries, once everything has been seen."""


def next_interval(interval: float) -> float:
    """Return the seconds to wait after having waited ``interval``: half as long again, up to the longest."""
    return min(interval * 1.5, LONGEST_INTERVAL)


def wait_for(
    ids: Sequence[str],
    look: Callable[[str], _Seen],
    ended: Callable[[_Seen], bool],
    *,
    timed_out: Callable[[Mapping[str, _Seen]], TimedOut],
    deadline: float | None = None,
    report: Callable[[Mapping[str, _Seen]], object] = lambda _: None,
    stop: Callable[[], int | None] = never,
) -> Mapping[str, _Seen]:
    """Look at each of ``ids`` until all have ended; return what was seen last, in the order given.

    ``deadline`` is a moment of ``time.monotonic()``: past it, what ``timed_out`` makes of those that have not ended is
    raised. ``report`` is called after every round with all of them. An outage in between is waited out; whatever else
    ``look`` raises is raised. ``stop`` raises Interrupted.
    """
    known: dict[str, _Seen] = {}
    interval = FIRST_INTERVAL
    failures = 0
    while True:
        open_ids = [each for each in ids if each not in known or not ended(known[each])]
        try:
            known |= ask_all(look, open_ids, stop=stop)
            failures = 0
        except ConnectionFailed:
            # Whoever waits for hours outlives an outage of minutes; one that never got an answer has a wrong address.
            failures += 1
            if len(known) < len(set(ids)) or failures > TOLERATED_FAILURES:
                raise
        report(dict(known))
        waiting = {each: seen for each, seen in known.items() if not ended(seen)}
        if not waiting and len(known) == len(set(ids)):
            return {each: known[each] for each in ids}
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            raise timed_out(waiting)
        interruptible_sleep(interval if deadline is None else min(interval, max(0.0, deadline - now)), stop)
        interval = next_interval(interval)


def wait_for_batches(
    client: NimbleClient,
    batch_ids: Sequence[str],
    *,
    deadline: float | None = None,
    report: Callable[[Mapping[str, BatchProgress]], object] = lambda _: None,
    stop: Callable[[], int | None] = never,
) -> tuple[Batch, ...]:
    """Look until every batch is completed; return them with their tasks, in the order asked for; see ``wait_for``."""
    wait_for(
        batch_ids,
        client.progress,
        lambda progress: progress.completed,
        timed_out=_batches_timed_out,
        deadline=deadline,
        report=report,
        stop=stop,
    )
    return tuple(ask_all(client.batch, batch_ids, stop=stop).values())


def _batches_timed_out(waiting: Mapping[str, BatchProgress]) -> TimedOut:
    ids = ", ".join(waiting)
    return TimedOut(
        f"batch {ids} is not completed" if len(waiting) == 1 else f"{len(waiting)} batches are not completed: {ids}",
        cause=", ".join(f"{progress.completed_count} ended ({progress.progress:.0%})" for progress in waiting.values()),
        code=ErrorCode.BATCHES_NOT_COMPLETED,
        parameters={"batches": list(waiting)},
    )
