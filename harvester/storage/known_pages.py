"""List by the pages of an earlier listing: each is asked for by the key before it, and compared by its digest.

A new key changes the page that it falls into and no other.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from harvester.storage.base import PAGE_KEYS, ComparedPage, DigestedListing, KnownPage, KnownPages, ListPage
from harvester.storage.keys import key_after
from harvester.storage.listed import Listed, ListedPage, RangeEnd, UnchangedPage

_THREADS = 8
_PAGES_OF_A_THREAD = 3  # a thread and its connection cost about as much as a request
_FULL = PAGE_KEYS * 19 // 20
_CHANGED_BEFORE_GIVING_UP = 8


class ListedThrough(NamedTuple):
    """How far the known pages led."""

    key: str
    """Every key up to this one was listed; empty for none."""
    is_last: bool = False
    """Whether the store stated that no key follows."""


class _Segment(NamedTuple):
    """A range of keys that one thread lists: a known page, or what lies between two."""

    after: str
    """Every key is greater."""
    last: str
    """No key is greater."""
    page: KnownPage | None
    """The page; None between two."""


class KnownPagesListing:
    """Lists known pages side by side, and hands them on in byte order."""

    def __init__(self, listing: DigestedListing, known: KnownPages, put: Callable[[Listed], None]) -> None:
        """Prepare; ``put`` receives what is listed, from one thread at a time."""
        self._listing = listing
        self._segments = _segments(known.pages)
        self._put = put
        self._lock = threading.Lock()
        self._waiting: dict[int, threading.Event] = {}
        self._next = 0
        self._turn = 0
        self._compared = 0
        self._unequal = 0
        self._end = len(self._segments)
        self._through = ListedThrough("")
        self._errors: list[Exception] = []

    def run(self) -> ListedThrough:
        """List what is known, and return how far that led. Raises what listing raises."""
        others = min(_THREADS, len(self._segments) // _PAGES_OF_A_THREAD) - 1
        threads = [threading.Thread(target=self._work, name=f"pages-{n}", daemon=True) for n in range(others)]
        for thread in threads:
            thread.start()
        self._work()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]
        return self._through

    def _work(self) -> None:
        try:
            while (number := self._take()) is not None:
                self._list(number)
        except Exception as error:  # noqa: BLE001  # raised by run, in the listing's own thread
            with self._lock:
                self._errors.append(error)
                waiting = list(self._waiting.values())
            for turn in waiting:
                turn.set()

    def _take(self) -> int | None:
        with self._lock:
            # Where most of the first pages have changed, most of the others have: ranges then cost fewer requests.
            if self._unequal > _CHANGED_BEFORE_GIVING_UP and self._unequal * 2 > self._compared:
                self._end = self._next
            if self._errors or self._next >= self._end:
                return None
            self._next += 1
            return self._next - 1

    def _list(self, number: int) -> None:
        segment = self._segments[number]
        ends = number == len(self._segments) - 1
        compared = self._compare(segment, PAGE_KEYS if ends else segment.page.keys) if segment.page else None
        pages: Iterator[ListPage] = iter(())
        first: ListPage | None = None
        if compared is None and not ends:
            pages = self._pages_of(segment)
            first = next(pages, None)
        if not self._await_turn(number):
            return
        if compared is not None and segment.page is not None:
            self._put(UnchangedPage(number, segment.page, compared.read))
            self._through = ListedThrough(segment.last, compared.is_last and ends)
        elif not ends:
            start, end = key_after(segment.after) if segment.after else "", key_after(segment.last)
            while first is not None:
                self._put(ListedPage(number, start, end, *first))
                first = next(pages, None)
            self._put(RangeEnd(number, start, end))
            self._through = ListedThrough(segment.last)
        else:
            # The caller lists on from here.
            self._through = ListedThrough(segment.after)
        self._end_turn()

    def _compare(self, segment: _Segment, limit: int) -> ComparedPage | None:
        """Ask for a known page; return None when it is listed otherwise now."""
        assert segment.page is not None  # noqa: S101  # the caller has looked; narrows the type
        compared = self._listing.compare_page(segment.page, limit)
        with self._lock:
            self._compared += 1
            self._unequal += not compared.is_equal
        return compared if compared.is_equal else None

    def _pages_of(self, segment: _Segment) -> Iterator[ListPage]:
        # A full page that has grown is remembered as two halves, not as a whole one and a key.
        full = segment.page is not None and segment.page.keys >= _FULL
        return self._listing.list_pages(
            key_after(segment.after) if segment.after else "",
            key_after(segment.last),
            ordered=True,
            page_keys=PAGE_KEYS * 11 // 20 if full else PAGE_KEYS,
        )

    def _await_turn(self, number: int) -> bool:
        with self._lock:
            if self._turn == number or self._errors:
                return not self._errors
            turn = self._waiting[number] = threading.Event()
        turn.wait()
        return not self._errors

    def _end_turn(self) -> None:
        # Only the thread whose turn it is wakes: each of the others would take the interpreter to find that it is not.
        with self._lock:
            self._turn += 1
            turn = self._waiting.pop(self._turn, None)
        if turn is not None:
            turn.set()


def _segments(pages: Sequence[KnownPage]) -> list[_Segment]:
    found = []
    through = ""
    for page in pages:
        if page.after != through:
            found.append(_Segment(through, page.after, None))
        found.append(_Segment(page.after, page.last, page))
        through = page.last
    return found
