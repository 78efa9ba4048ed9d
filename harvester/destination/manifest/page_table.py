"""The pages of the last listing, all of which had landed: with them a run recognises what has not changed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

from harvester.destination.page_files import PageFiles
from harvester.storage import KnownPage

_SECRET_BYTES = 32
_PAGES_OF_A_TRANSACTION = 50


class PageTable:
    """Reads and writes known pages. Triggers drop a page with the first change to a row of its keys."""

    def __init__(
        self, database: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[sqlite3.Connection]]
    ) -> None:
        """Use an open manifest."""
        self._database = database
        self._transaction = transaction

    def secret(self) -> bytes:
        """Return what digests are keyed with; drawn, and written, at the first call."""
        found = self._database.execute("SELECT value FROM settings WHERE name = 'pages_secret'").fetchone()
        if found is not None:
            with contextlib.suppress(ValueError):
                known = bytes.fromhex(found[0])
                if len(known) == _SECRET_BYTES:
                    return known
        drawn = os.urandom(_SECRET_BYTES)
        with self._transaction() as database:
            database.execute("DELETE FROM pages")
            database.execute("INSERT OR REPLACE INTO settings(name, value) VALUES ('pages_secret', ?)", (drawn.hex(),))
        return drawn

    def all(self) -> list[KnownPage]:
        """Return the pages in byte order, without any that overlaps another."""
        found: list[KnownPage] = []
        through = ""
        for row in self._database.execute("SELECT after, last, keys, digest FROM pages ORDER BY after"):
            page = KnownPage(*row)
            if through <= page.after < page.last:
                found.append(page)
                through = page.last
        return found

    def files(self, page: KnownPage) -> PageFiles | None:
        """Return the files of a page as they landed; None where the page is not known any more."""
        found = self._database.execute("SELECT keys, files FROM pages WHERE after = ?", (page.after,)).fetchone()
        return None if found is None or found[0] != page.keys else PageFiles.unpack(found[1], page.keys)

    def forget(self, pages: Iterable[KnownPage]) -> None:
        """Drop pages. Raises DestinationUnusable."""
        with self._transaction() as database:
            database.executemany("DELETE FROM pages WHERE after = ?", ((page.after,) for page in pages))

    def remember(self, pages: Sequence[KnownPage]) -> None:
        """Record pages whose objects were all listed as they landed, with the files that their rows name.

        A page is left out where a row of its keys differs. Raises DestinationUnusable.
        """
        for first in range(0, len(pages), _PAGES_OF_A_TRANSACTION):
            with self._transaction() as database:
                for page in pages[first : first + _PAGES_OF_A_TRANSACTION]:
                    rows = list(self._rows(database, page))
                    if len(rows) == page.keys and not any(unusual for *_, unusual in rows):
                        files = PageFiles.pack((path, size, mtime) for path, size, mtime, _ in rows)
                        database.execute(
                            "INSERT OR REPLACE INTO pages(after, last, keys, digest, files) VALUES (?, ?, ?, ?, ?)",
                            (*page, files),
                        )

    @staticmethod
    def _rows(database: sqlite3.Connection, page: KnownPage) -> Iterator[tuple[str, int, int, int]]:
        """Yield path, size and time of each landed object of a page, and whether its row bars the page."""
        bounds = (page.after, page.last)
        if database.execute("SELECT 1 FROM problems WHERE key > ? AND key <= ? LIMIT 1", bounds).fetchone() is None:
            yield from database.execute(
                "SELECT path, content_size, mtime_ns, evicted OR gone OR size = 0 FROM objects"
                " WHERE key > ? AND key <= ? AND origin = 'delivered' ORDER BY key",
                bounds,
            )
