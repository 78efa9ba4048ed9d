"""Fetching in a test: everything at once, in a bounded time."""

from __future__ import annotations

import os
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


class Follower:
    """Reads a body out of its file as it arrives; an Arrival."""

    def __init__(self) -> None:
        self._file = -1
        self._read: bytearray | None = None

    def began(self, descriptor: int) -> None:
        self._close()
        self._file = os.dup(descriptor)
        self._read = bytearray()

    def grown(self, written: int) -> None:
        assert self._read is not None
        self._read += os.pread(self._file, written - len(self._read), len(self._read))
        assert len(self._read) == written

    def abandoned(self) -> None:
        self._close()
        self._read = None

    def expect(self, fetched: FetchResult) -> None:
        """Check that it followed just the file that is handed over."""
        self._close()
        if fetched.spool is None:
            assert self._read is None
        elif self._read is not None:
            assert self._read == Path(fetched.spool).read_bytes()

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def drive(
    fetcher: Fetcher, refs: Iterable[ObjectRef], renew: Callable[[], StoreConnection] | None = None
) -> dict[str, FetchResult]:
    """Feed a fetcher as a worker does until all has ended; what follows large bodies saw what the files hold."""
    waiting = [FetchRequest(*ref[:4]) for ref in refs]
    expected = len(waiting)
    waiting.reverse()
    done: dict[str, FetchResult] = {}
    followers: dict[str, Follower] = {}
    until = time.monotonic() + _LONGEST
    while (waiting or fetcher.in_flight) and time.monotonic() < until:
        for _ in range(min(fetcher.capacity(), len(waiting))):
            request = waiting.pop()
            followers[request.key] = Follower()
            fetcher.submit(request, followers[request.key])
        for fetched in fetcher.poll(0.5):
            assert fetched.request.key not in done
            done[fetched.request.key] = fetched
            followers[fetched.request.key].expect(fetched)
        if fetcher.needs_credentials and renew is not None:
            fetcher.renew(renew())
    assert len(done) == expected
    assert fetcher.in_flight == 0
    return done
