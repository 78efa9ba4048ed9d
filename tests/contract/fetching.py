"""Fetching in a test: everything at once, in a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from harvester.storage.base import Fetcher, FetchRequest, FetchResult, ObjectRef, Store, StoreConnection
from harvester.storage.opening import open_fetcher

_LONGEST = 600.0


def fetch_all(
    store: Store,
    refs: Iterable[ObjectRef],
    spool_directory: Path,
    *,
    spool_from: int = 1 << 22,
    renew: Callable[[], StoreConnection] | None = None,
    connection: StoreConnection | None = None,
) -> dict[str, FetchResult]:
    """Fetch ``refs`` and return how each ended, by key; every one must end exactly once."""
    fetcher = open_fetcher(connection or store.connection(), str(spool_directory), spool_from)
    try:
        return drive(fetcher, refs, renew)
    finally:
        fetcher.close()


def drive(
    fetcher: Fetcher, refs: Iterable[ObjectRef], renew: Callable[[], StoreConnection] | None = None
) -> dict[str, FetchResult]:
    """Feed a fetcher as a worker does until all has ended."""
    waiting = [FetchRequest(*ref[:4]) for ref in refs]
    expected = len(waiting)
    waiting.reverse()
    done: dict[str, FetchResult] = {}
    until = time.monotonic() + _LONGEST
    while (waiting or fetcher.in_flight) and time.monotonic() < until:
        for _ in range(min(fetcher.capacity(), len(waiting))):
            fetcher.submit(waiting.pop())
        for fetched in fetcher.poll(0.5):
            assert fetched.request.key not in done
            done[fetched.request.key] = fetched
        if fetcher.needs_credentials and renew is not None:
            fetcher.renew(renew())
    assert len(done) == expected
    assert fetcher.in_flight == 0
    return done
