"""Known pages are listed side by side, handed on in order, and given up where most have changed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from harvester.storage.base import PAGE_KEYS, ComparedPage, KnownPage, KnownPages, ListPage, ObjectRef
from harvester.storage.known_pages import KnownPagesListing, ListedThrough
from harvester.storage.listed import Listed, ListedPage, RangeEnd, UnchangedPage


class Pages:
    """Answers from a set of changed pages, by their last key."""

    def __init__(self, changed: frozenset[str] = frozenset(), *, is_last: bool = True) -> None:
        self.changed = changed
        self.is_last = is_last
        self.limits: list[int] = []
        self.listed: list[tuple[str, str | None, int]] = []
        self._lock = threading.Lock()

    def list_pages(
        self,
        start: str = "",
        end: str | None = None,
        *,
        ordered: bool = False,
        prefix: str = "",
        page_keys: int = PAGE_KEYS,
    ) -> Iterator[ListPage]:
        assert ordered
        assert not prefix
        with self._lock:
            self.listed.append((start, end, page_keys))
        yield ListPage([ObjectRef(f"{start}+", 1, "e", 1.0)], [], b"digest")

    def compare_page(self, page: KnownPage, limit: int) -> ComparedPage:
        with self._lock:
            self.limits.append(limit)
        if page.last == "broken":
            raise ZeroDivisionError
        return ComparedPage(page.last not in self.changed, self.is_last, lambda: ListPage([], []))


def known(count: int, keys: int = 7) -> list[KnownPage]:
    names = ["", *(f"{number:03}" for number in range(count))]
    return [KnownPage(after, last, keys, b"") for after, last in itertools.pairwise(names)]


def run(listing: Pages, pages: list[KnownPage]) -> tuple[list[Listed], ListedThrough]:
    put: list[Listed] = []
    through = KnownPagesListing(listing, KnownPages(b"", pages), put.append).run()
    return put, through


def test_pages_come_in_order_each_with_its_number() -> None:
    listing, pages = Pages(), known(40)
    put, through = run(listing, pages)
    assert [(each.range, each.page) for each in put if isinstance(each, UnchangedPage)] == [*enumerate(pages)]
    assert through == ListedThrough("039", is_last=True)
    assert sorted(listing.limits) == [7] * 39 + [PAGE_KEYS]
    assert not listing.listed


def test_a_changed_page_is_a_range_of_its_own() -> None:
    listing = Pages(frozenset({"002"}), is_last=False)
    put, through = run(listing, known(5))
    changed = put[2:4]
    assert changed == [
        ListedPage(2, "001\0", "002\0", [ObjectRef("001\0+", 1, "e", 1.0)], [], b"digest"),
        RangeEnd(2, "001\0", "002\0"),
    ]
    assert through == ListedThrough("004")
    assert listing.listed == [("001\0", "002\0", PAGE_KEYS)]


def test_a_full_page_that_has_changed_is_listed_in_halves() -> None:
    listing = Pages(frozenset({"000"}))
    run(listing, known(2, keys=960))
    assert listing.listed == [("", "000\0", 550)]


def test_what_lies_between_two_pages_is_listed() -> None:
    listing, pages = Pages(), known(4)
    del pages[1]
    put, _ = run(listing, pages)
    assert KnownPages(b"", pages).ranges == 4
    assert [type(each) for each in put] == [UnchangedPage, ListedPage, RangeEnd, UnchangedPage, UnchangedPage]
    assert listing.listed == [("000\0", "001\0", PAGE_KEYS)]


def test_the_caller_lists_on_before_a_last_page_that_has_changed() -> None:
    put, through = run(Pages(frozenset({"003"})), known(4))
    assert len(put) == 3
    assert through == ListedThrough("002")


def test_known_pages_are_given_up_where_most_have_changed() -> None:
    pages = known(200)
    listing = Pages(frozenset(page.last for page in pages))
    _, through = run(listing, pages)
    assert len(listing.limits) < 30
    assert through.key in {page.last for page in pages[:30]}


@pytest.mark.parametrize("count", [1, 30])
def test_an_error_ends_every_thread(count: int) -> None:
    pages = [*known(count), KnownPage(f"{count - 1:03}", "broken", 7, b"")]
    with pytest.raises(ZeroDivisionError):
        run(Pages(), pages)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pages-")]
