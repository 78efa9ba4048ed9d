"""List a location in the background: the first page alone, then, where there is more, key ranges side by side."""

from __future__ import annotations

import contextlib
import queue
import socket
import sqlite3
import threading
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from harvester.errors import HarvesterError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage.base import PAGE_KEYS, ListPage, ObjectRef, RefusedObject, Store
from harvester.storage.opening import open_store
from harvester.storage.page_checks import UnorderedListingError
from harvester.storage.range_pool import KeyRange, RangePool

_THREADS = 8
_PAGES_AHEAD = 4
_PAGES_BEFORE_RANGES = 2


def list_objects(location: Location, settings: StoreSettings | None = None) -> Iterator[ObjectRef]:
    """Yield every object of a location, in the order of the store.

    Raises NoSuchBucket, AccessDenied, ConnectionFailed or ConfigurationError.
    """
    for page in open_store(location, settings).list_pages():
        yield from page.objects


def similar_key(location: Location, settings: StoreSettings | None = None) -> str | None:
    """Return a key that begins with the location's prefix without its last ``/``, None when there is none.

    For a location that turned out empty: how Nimble joins a prefix without a slash is undocumented.
    """
    if location.scheme == "file" or not location.prefix:
        return None
    wider = Location(location.scheme, location.bucket, location.prefix.rstrip("/"))
    try:
        return next((ref.key for ref in list_objects(wider, settings)), None)
    except HarvesterError:
        return None


class ListedPage(NamedTuple):
    """Objects of one key range, in the order of the listing."""

    range: int
    """Number of the range, from 0."""
    start: str
    """No key of the range is smaller."""
    end: str | None
    """Every key of the range is smaller; None when it has no bound, or none that is known yet."""
    refs: list[ObjectRef]
    """The objects."""
    refused: list[RefusedObject]
    """Entries that are no objects."""


class RangeEnd(NamedTuple):
    """A range is listed to its end."""

    range: int
    """Number of the range."""
    start: str
    """No key of the range is smaller."""
    end: str | None
    """Every key of the range is smaller; None when it has no bound."""


class OrderLost(NamedTuple):
    """The store does not list in byte order: everything is listed again, as range 0, in no order.

    What was listed before comes again. No range that had not ended will end, but for range 0 at last.
    """

    before: str
    """The key that was listed first."""
    key: str
    """The smaller or equal key that followed it."""


class ListingEnd(NamedTuple):
    """Everything is listed."""


class ListingFailed(NamedTuple):
    """The listing broke off."""

    error: Exception
    """A HarvesterError, or a bug."""


Listed: TypeAlias = ListedPage | RangeEnd | OrderLost | ListingEnd | ListingFailed


class _Stopped(Exception):
    """The reader has stopped reading."""


class BackgroundListing:
    """Lists in background threads, a bounded number of pages ahead of the reader."""

    def __init__(self, store: Store) -> None:
        """Start listing."""
        self._store = store
        self._pages: queue.Queue[Listed] = queue.Queue(_PAGES_AHEAD)
        self._stopping = threading.Event()
        self._wake, self._waker = socket.socketpair()
        self._wake.settimeout(0)
        self._waker.settimeout(0)
        self._thread = threading.Thread(target=self._run, name="listing", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return a file descriptor that becomes readable when there is something to take."""
        return self._wake.fileno()

    def take(self) -> Listed | None:
        """Return what was listed next, or None when nothing is ready."""
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)
        try:
            return self._pages.get_nowait()
        except queue.Empty:
            return None

    def stop(self) -> None:
        """Stop listing; pages on their way are dropped."""
        self._stopping.set()
        self._thread.join(timeout=1)
        self._wake.close()
        self._waker.close()

    def _run(self) -> None:
        try:
            try:
                self._list_all()
            except UnorderedListingError as lost:
                self._put(OrderLost(lost.before, lost.key))
                self._list_unordered()
            self._put(ListingEnd())
        except _Stopped:
            return
        except Exception as error:  # noqa: BLE001  # carried to the thread that reads, which raises it
            try:
                self._put(ListingFailed(error))
            except _Stopped:
                return

    def _put(self, listed: Listed) -> None:
        while not self._stopping.is_set():
            try:
                self._pages.put(listed, timeout=0.2)
            except queue.Full:
                continue
            # Full: the reader will wake anyway. Closed: it has left.
            with contextlib.suppress(OSError):
                self._waker.send(b"!")
            return
        raise _Stopped

    def _list_unordered(self) -> None:
        for page in self._store.list_pages():
            self._put(ListedPage(0, "", None, *page))
        self._put(RangeEnd(0, "", None))

    def _list_all(self) -> None:
        pages = iter(self._store.list_pages(ordered=True))
        pool = RangePool(self._store.location.prefix, self._store.list_folders)
        for number, page in enumerate(pages, 1):
            self._put_page(pool, pool.first, page)
            if number == _PAGES_BEFORE_RANGES or len(page.objects) >= PAGE_KEYS:
                self._list_ranges(pool, pages)
                return
        self._put(RangeEnd(0, "", None))

    def _list_ranges(self, pool: RangePool, pages: Iterator[ListPage]) -> None:
        errors: list[Exception] = []

        def work(walked: KeyRange | None, pages: Iterator[ListPage]) -> None:
            try:
                while walked is not None:
                    for page in pages:
                        if self._put_page(pool, walked, page):
                            break
                    self._put(RangeEnd(walked.number, walked.start, pool.finish(walked)))
                    walked, pages = self._next_range(pool)
            except Exception as error:  # noqa: BLE001  # the first one is raised below, in the listing's own thread
                errors.append(error)
                pool.stop()

        def help_out() -> None:
            work(*self._next_range(pool))

        others = _THREADS - 1 if self._store.starts_anywhere else 0
        threads = [threading.Thread(target=help_out, name=f"listing-{n}", daemon=True) for n in range(others)]
        for thread in threads:
            thread.start()
        work(pool.first, pages)
        for thread in threads:
            thread.join()
        if errors:
            raise min(errors, key=_precedence)

    def _next_range(self, pool: RangePool) -> tuple[KeyRange | None, Iterator[ListPage]]:
        walked = pool.take() if self._store.starts_anywhere else None
        if walked is None:
            return None, iter(())
        return walked, self._store.list_pages(walked.start, walked.end, ordered=True)

    def _put_page(self, pool: RangePool, walked: KeyRange, page: ListPage) -> bool:
        """Hand a page to the reader; return whether it was the last of its range."""
        refs, ended = pool.advance(walked, page.objects)
        self._put(ListedPage(walked.number, walked.start, walked.end, refs, page.refused))
        return ended


def _precedence(error: Exception) -> int:
    """Return 0 for the error that decides over others of the same listing."""
    return 0 if isinstance(error, UnorderedListingError) else 1 if isinstance(error, HarvesterError) else 2


class LateKeys:
    """Objects of a listing without order: stored on disk, read back in byte order.

    Clouds list in byte order; some S3-compatible servers walk a directory tree instead.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._database: sqlite3.Connection | None = None
        self._added = 0
        self._duplicates = 0

    @property
    def duplicates(self) -> int:
        """How many additions were of a key that had been added before; known also when it is closed."""
        if self._database is not None:
            (distinct,) = self._database.execute("SELECT count(*) FROM refs").fetchone()
            self._duplicates = self._added - int(distinct)
        return self._duplicates

    def add(self, ref: ObjectRef) -> None:
        """Store an object; a key that is added twice is one object."""
        if self._database is None:
            # An empty name is a temporary database, which SQLite removes on close.
            self._database = sqlite3.connect("", isolation_level=None)
            self._database.execute("PRAGMA synchronous = OFF")
            self._database.execute(
                "CREATE TABLE refs(key TEXT PRIMARY KEY, size, etag, last_modified, storage_class) WITHOUT ROWID"
            )
        self._added += 1
        self._database.execute("INSERT OR REPLACE INTO refs VALUES (?, ?, ?, ?, ?)", tuple(ref))

    def in_order(self) -> Iterator[ObjectRef]:
        """Yield the objects in byte order of the key."""
        if self._database is not None:
            for row in self._database.execute("SELECT * FROM refs ORDER BY key"):
                yield ObjectRef._make(row)

    def close(self) -> None:
        """Delete what was stored."""
        if self._database is not None:
            self._duplicates = self.duplicates
            self._database.close()
            self._database = None
