"""Poll tasks, batches and runs until they have ended or a deadline has passed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from harvester.error_codes import ErrorCode
from harvester.errors import ConnectionFailed, TimedOut
from harvester.nimble_api.client import NimbleClient
from harvester.nimble_api.fan_out import collect_concurrently, no_signal
from harvester.nimble_api.models import Batch, BatchProgress
from harvester.retry import interruptible_sleep

_Seen = TypeVar("_Seen")
FIRST_INTERVAL = 2.0
"""Seconds between the first two rounds."""
LONGEST_INTERVAL = 15.0
"""Maximum seconds between two rounds."""
TOLERATED_FAILURES = 10
"""Consecutive rounds that may fail, after the client's retries, once every id has been read."""


def next_interval(interval: float) -> float:
    """Return the seconds to wait after having waited ``interval``: half as long again, up to the longest."""
    return min(interval * 1.5, LONGEST_INTERVAL)


def poll_until(
    ids: Sequence[str],
    fetch: Callable[[str], _Seen],
    ended: Callable[[_Seen], bool],
    *,
    timed_out: Callable[[Mapping[str, _Seen]], TimedOut],
    deadline: float | None = None,
    report: Callable[[Mapping[str, _Seen]], object] = lambda _: None,
    stop: Callable[[], int | None] = no_signal,
) -> Mapping[str, _Seen]:
    """Fetch each of ``ids`` until all have ended; return the last values, in the order given.

    ``deadline`` is a value of ``time.monotonic()``; after it the result of ``timed_out``, called with the values that
    have not ended, is raised. ``report`` is called after every round with all values. A ConnectionFailed of ``fetch``
    is tolerated for TOLERATED_FAILURES rounds. ``stop`` is polled; a signal number raises Interrupted.
    """
    known: dict[str, _Seen] = {}
    interval = FIRST_INTERVAL
    failures = 0
    while True:
        open_ids = [each for each in ids if each not in known or not ended(known[each])]
        try:
            known |= collect_concurrently(fetch, open_ids, stop=stop)
            failures = 0
        except ConnectionFailed:
            # A wait of hours tolerates an outage of minutes; without any answer so far the address is wrong.
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
    stop: Callable[[], int | None] = no_signal,
) -> tuple[Batch, ...]:
    """Poll until every batch is completed; return them with their tasks, in the order given; see ``poll_until``."""
    poll_until(
        batch_ids,
        client.progress,
        lambda progress: progress.completed,
        timed_out=_batches_timed_out,
        deadline=deadline,
        report=report,
        stop=stop,
    )
    return tuple(collect_concurrently(client.batch, batch_ids, stop=stop).values())


def _batches_timed_out(waiting: Mapping[str, BatchProgress]) -> TimedOut:
    ids = ", ".join(waiting)
    return TimedOut(
        f"batch {ids} is not completed" if len(waiting) == 1 else f"{len(waiting)} batches are not completed: {ids}",
        cause=", ".join(f"{progress.completed_count} ended ({progress.progress:.0%})" for progress in waiting.values()),
        code=ErrorCode.BATCHES_NOT_COMPLETED,
        parameters={"batches": list(waiting)},
    )
