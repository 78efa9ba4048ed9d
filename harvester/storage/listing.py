"""List a location in the background: the first page alone, then, where there is more, key ranges side by side."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence

from harvester.errors import HarvesterError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage.base import PAGE_KEYS, DigestedListing, KnownPages, ListPage, ObjectRef, Store
from harvester.storage.keys import (
    KeyList,
    KeyPrefixes,
    KeyRange,
    KeySelection,
    KnownVersions,
    ListingScope,
    key_after,
    listing_scopes,
)
from harvester.storage.listed import Listed, ListedKeys, ListedPage, ListingEnd, ListingFailed, OrderLost, RangeEnd
from harvester.storage.opening import open_store
from harvester.storage.page_checks import UnorderedListingError
from harvester.storage.range_pool import ListedRange, RangePool

_THREADS = 8
_PAGES_AHEAD = 4
_LONGEST_STOP = 1.0  # seconds for a page that nobody waits for any more
_PAGES_BEFORE_RANGES = 2
_SIMILAR = 0.8
"""How similar a folder's name is to one that it may be meant by."""


def list_objects(
    location: Location, settings: StoreSettings | None = None, keys: KeyRange | KeyPrefixes | None = None
) -> Iterator[ObjectRef]:
    """Yield every object of a location, or those among ``keys``, in the order of the store.

    Raises NoSuchBucket, AccessDenied, ConnectionFailed or ConfigurationError.
    """
    for page in list_pages(location, settings, keys):
        yield from page.objects


def list_pages(
    location: Location, settings: StoreSettings | None = None, keys: KeyRange | KeyPrefixes | None = None
) -> Iterator[ListPage]:
    """Yield the same page by page, with the entries that are no objects. Raises like ``list_objects``."""
    from harvester.results import read_ahead

    store = open_store(location, settings)
    for scope in listing_scopes(location.prefix, keys):
        pages = store.list_pages(scope.start, scope.end, prefix=scope.prefix)
        # A directory is read by the processor alone.
        yield from read_ahead(pages, _LONGEST_STOP) if store.starts_anywhere else pages


def list_keys(location: Location, keys: KeyList, settings: StoreSettings | None = None) -> Iterator[ListedKeys]:
    """Yield what became of given keys, in byte order of the key. Raises like ``list_objects``."""
    from harvester.storage.keys import ask_each

    for asked in ask_each(open_store(location, settings), keys, _nothing_known):
        if isinstance(asked, ListedKeys):
            yield asked


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


def similar_folder(location: Location, settings: StoreSettings | None = None) -> Location | None:
    """Return the location beside an empty one whose folder is named almost like it, None when there is none."""
    if location.scheme == "file" or not location.prefix:
        return None
    try:
        folders = open_store(location, settings).list_folders(location.above().prefix)
    except HarvesterError:
        return None
    found = closest_folder(location.prefix, folders)
    return None if found is None else location._replace(prefix=found)


def closest_folder(wanted: str, folders: Iterable[str]) -> str | None:
    """Return the folder that ``wanted`` misspells, compared without case; None where none is similar."""
    # Loaded where nothing was listed.
    from difflib import get_close_matches

    bare = wanted.rstrip("/")
    others = {each.rstrip("/").lower(): each for each in folders if each.rstrip("/") != bare}
    similar = get_close_matches(bare.lower(), others, n=1, cutoff=_SIMILAR)
    return others[similar[0]] if similar else None


@contextlib.contextmanager
def _nothing_known() -> Iterator[Callable[[ObjectRef], bool]]:
    yield lambda _: False


def _whole(scope: ListingScope) -> Iterable[ListingScope]:
    return (scope,)


class _Stopped(Exception):
    """The reader has stopped reading."""


class BackgroundListing:
    """Lists in background threads, a bounded number of pages ahead of the reader."""

    def __init__(
        self,
        store: Store,
        keys: KeySelection | None = None,
        known: KnownVersions = _nothing_known,
        pages: KnownPages | None = None,
        windows: Callable[[ListingScope], Iterable[ListingScope]] = _whole,
    ) -> None:
        """Start listing everything, or ``keys``; keys of a `KeyList` are asked for one by one.

        Each scope is listed in its ``windows``, one after the other, which the listing's own thread iterates.

        ``known`` opens the function that returns whether another version of an object of a `KeyList` is known. With
        ``pages``, those that the store lists as before are not parsed, and the others have digests.
        """
        self._store = store
        self._known_pages = pages
        self._digested = None if pages is None or keys is not None else store.digested(pages.secret)
        self._keys = keys
        self._windows = windows
        self._known = known
        self._pages: queue.Queue[Listed] = queue.Queue(_PAGES_AHEAD)
        self._stopping = threading.Event()
        # Files instead of descriptors: one that is closed is never that of another file.
        reading, writing = os.pipe()
        self._wake, self._waker = os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)
        for end in (reading, writing):
            os.set_blocking(end, False)
        self._thread = threading.Thread(target=self._run, name="listing", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return a file descriptor that becomes readable when there is something to take."""
        return self._wake.fileno()

    def take(self) -> Listed | None:
        """Return what was listed next, or None when nothing is ready."""
        self._wake.read(4096)
        try:
            return self._pages.get_nowait()
        except queue.Empty:
            return None

    def stop(self) -> None:
        """Stop listing; pages in flight are dropped."""
        self._stopping.set()
        self._thread.join(timeout=_LONGEST_STOP)
        self._wake.close()
        self._waker.close()

    def _run(self) -> None:
        try:
            if isinstance(self._keys, KeyList):
                self._ask_each(self._keys)
            else:
                self._list(listing_scopes(self._store.location.prefix, self._keys))
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
            # Full: the reader wakes anyway. Closed, which is a ValueError here: it has ended.
            with contextlib.suppress(OSError, ValueError):
                self._waker.write(b"!")
            return
        raise _Stopped

    def _ask_each(self, keys: KeyList) -> None:
        # Loaded by the runs that are given keys.
        from harvester.storage.keys import ask_each

        for asked in ask_each(self._store, keys, self._known):
            self._put(asked)

    def _list(self, scopes: Sequence[ListingScope]) -> None:
        try:
            number, rest = 0, scopes
            if self._digested is not None and self._known_pages is not None and self._known_pages.pages:
                number, rest = self._list_known(self._digested, self._known_pages)
            for scope in rest:
                for window in self._windows(scope):
                    number = self._list_scope(window, number)
        except UnorderedListingError as lost:
            self._put(OrderLost(lost.before, lost.key))
            self._list_unordered(scopes)

    def _list_known(self, listing: DigestedListing, known: KnownPages) -> tuple[int, Sequence[ListingScope]]:
        """List by known pages; return the number of the next range, and what is left to be listed."""
        # Loaded by the runs that know pages.
        from harvester.storage.known_pages import KnownPagesListing

        through, is_last = KnownPagesListing(listing, known, self._put).run()
        number = known.ranges
        rest = ListingScope(self._store.location.prefix, key_after(through) if through else "")
        if not is_last:
            return number, (rest,)
        self._put(RangeEnd(number, rest.start, None))
        return number + 1, ()

    def _list_unordered(self, scopes: Sequence[ListingScope]) -> None:
        for scope in scopes:
            for page in self._store.list_pages(scope.start, scope.end, prefix=scope.prefix):
                self._put(ListedPage(0, "", None, *page))
        self._put(RangeEnd(0, "", None))

    def _list_scope(self, scope: ListingScope, number: int) -> int:
        """List one after the other, or in ranges side by side from ``number``; return the next range's number."""
        pool = RangePool(scope.prefix, self._store.list_folders, start=scope.start, end=scope.end, number=number)
        pages = iter(self._pages_of(scope, pool.first))
        for count, page in enumerate(pages, 1):
            self._put_page(pool, pool.first, page)
            if count == _PAGES_BEFORE_RANGES or len(page.objects) >= PAGE_KEYS:
                self._list_ranges(scope, pool, pages)
                return pool.next_number
        self._put(RangeEnd(number, scope.start, scope.end))
        return pool.next_number

    def _pages_of(self, scope: ListingScope, walked: ListedRange) -> Iterator[ListPage]:
        lists = self._digested or self._store
        return lists.list_pages(walked.start, walked.end, ordered=True, prefix=scope.prefix)

    def _list_ranges(self, scope: ListingScope, pool: RangePool, pages: Iterator[ListPage]) -> None:
        errors: list[Exception] = []

        def work(walked: ListedRange | None, pages: Iterator[ListPage]) -> None:
            try:
                while walked is not None:
                    for page in pages:
                        if self._put_page(pool, walked, page):
                            break
                    self._put(RangeEnd(walked.number, walked.start, pool.finish(walked)))
                    walked, pages = self._next_range(scope, pool)
            except Exception as error:  # noqa: BLE001  # the first one is raised below, in the listing's own thread
                errors.append(error)
                pool.stop()

        def help_out() -> None:
            work(*self._next_range(scope, pool))

        others = _THREADS - 1 if self._store.starts_anywhere else 0
        threads = [threading.Thread(target=help_out, name=f"listing-{n}", daemon=True) for n in range(others)]
        for thread in threads:
            thread.start()
        work(pool.first, pages)
        for thread in threads:
            thread.join()
        if errors:
            raise min(errors, key=_precedence)

    def _next_range(self, scope: ListingScope, pool: RangePool) -> tuple[ListedRange | None, Iterator[ListPage]]:
        walked = pool.take() if self._store.starts_anywhere else None
        if walked is None:
            return None, iter(())
        return walked, self._pages_of(scope, walked)

    def _put_page(self, pool: RangePool, walked: ListedRange, page: ListPage) -> bool:
        """Hand a page to the reader; return whether it was the last of its range."""
        refs, ended = pool.advance(walked, page.objects)
        digest = page.digest if len(refs) == len(page.objects) else b""
        self._put(ListedPage(walked.number, walked.start, walked.end, refs, page.refused, digest))
        return ended


def _precedence(error: Exception) -> int:
    """Return 0 for the error that decides over others of the same listing."""
    return 0 if isinstance(error, UnorderedListingError) else 1 if isinstance(error, HarvesterError) else 2
