"""The pages of a listing that a run knows from earlier ones, and those that it remembers for later ones.

A page is remembered when it was listed, checked and found unchanged as a whole, by the planner's ordinary comparison.
The next run compares its digest and looks at each of its files. Whatever is unusual about a run or a page is left to
that ordinary comparison; `harvester.destination.manifest.page_table` drops a page when a row of its keys changes.
"""

import contextlib
from itertools import pairwise
from typing import NamedTuple, Protocol

from harvester.destination import Manifest, PageFiles, Selection
from harvester.errors import DestinationUnusable
from harvester.storage import KnownPage, KnownPages, ListedPage, Store
from harvester.transfer.sync_run import SyncRun

_SMALL_PAGE = 300
_FEW_PAGES = 8


class PageMemory(Protocol):
    """What a run does with pages."""

    @property
    def known(self) -> KnownPages | None:
        """The pages of earlier runs; None where neither they nor digests are wanted."""

    def files(self, page: KnownPage) -> PageFiles | None:
        """Return the files of a page as they landed; None where it is not known any more."""

    def listed(self, page: ListedPage, *, unchanged: bool) -> None:
        """Note a page that was listed, and whether all its objects were unchanged."""

    def compared(self, page: KnownPage, *, unchanged: bool) -> None:
        """Note a known page that the store lists as before, and whether all its files were unchanged."""

    def give_up(self) -> None:
        """Remember nothing: the listing is in no order."""

    def save(self) -> None:
        """Remember, at the end of a complete listing; a manifest that cannot be written keeps what it has."""


def open_page_memory(run: SyncRun, *, is_first: bool) -> PageMemory:
    """Return the memory of a run; one that is empty, and stays so, for a run that is not about all objects alike.

    ``is_first``: nothing has landed before.
    """
    options = run.options
    is_usual = not (options.dry_run or run.plans_all or options.max_objects) and options.selection == Selection()
    if is_first or run.keys is not None or not is_usual or run.store.digested(b"") is None:
        return NoPages()
    return ListedPages(run.manifest, run.store)


class NoPages:
    """A memory that holds nothing."""

    known: KnownPages | None = None

    def files(self, page: KnownPage) -> None:
        """Return None."""

    def listed(self, page: ListedPage, *, unchanged: bool) -> None:
        """Do nothing."""

    def compared(self, page: KnownPage, *, unchanged: bool) -> None:
        """Do nothing."""

    def give_up(self) -> None:
        """Do nothing."""

    def save(self) -> None:
        """Do nothing."""


class _Noted(NamedTuple):
    """A page of this run's listing."""

    first: str
    """Its first key; of a known page what precedes that."""
    last: str
    """Its last key."""
    keys: int
    """How many keys it holds."""
    digest: bytes
    """The digest of its entries; empty where it is not to be remembered."""
    known: KnownPage | None
    """The page as it is remembered already."""


class ListedPages:
    """The memory of a run over everything."""

    def __init__(self, manifest: Manifest, store: Store) -> None:
        """Read what earlier runs remembered."""
        self._table = manifest.pages()
        self._store = store
        self._noted: list[_Noted] = []
        self._in_order = True
        self._remembered = self._table.all()
        self.known = KnownPages(self._table.secret(), self._remembered if _are_worth_it(self._remembered) else [])

    def files(self, page: KnownPage) -> PageFiles | None:
        """See PageMemory.files."""
        return self._table.files(page)

    def listed(self, page: ListedPage, *, unchanged: bool) -> None:
        """See PageMemory.listed."""
        if page.refs:
            first, last = page.refs[0].key, page.refs[-1].key
            self._noted.append(_Noted(first, last, len(page.refs), page.digest if unchanged else b"", None))

    def compared(self, page: KnownPage, *, unchanged: bool) -> None:
        """See PageMemory.compared."""
        # Of several pages after one key one would be listed; after this one's is this one.
        self._noted.append(_Noted(page.after, page.last, page.keys, page.digest if unchanged else b"", page))

    def give_up(self) -> None:
        """See PageMemory.give_up."""
        self._in_order = False

    def save(self) -> None:
        """See PageMemory.save."""
        kept: set[KnownPage] = set()
        found: list[KnownPage] = []
        if self._in_order and self._store.starts_anywhere:
            after = ""
            for noted in sorted(self._noted, key=lambda noted: (noted.first, noted.last)):
                page = KnownPage(after, noted.last, noted.keys, noted.digest)
                if page == noted.known:
                    kept.add(page)
                elif noted.digest and after.isprintable() and noted.last.isprintable():
                    found.append(page)
                after = noted.last
        with contextlib.suppress(DestinationUnusable):
            if len(kept) < len(self._remembered):
                self._table.forget(page for page in self._remembered if page not in kept)
            self._table.remember(found)


def _are_worth_it(pages: list[KnownPage]) -> bool:
    """Return whether listing by these pages takes about as few requests as listing without them."""
    gaps = sum(after.after != before.last for before, after in pairwise(pages))
    small = len(pages) > _FEW_PAGES and sum(page.keys for page in pages) < _SMALL_PAGE * len(pages)
    return not small and gaps <= len(pages) // 2
