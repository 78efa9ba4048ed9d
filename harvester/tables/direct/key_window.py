"""A bounded number of rows with the smallest keys, collected from parts that lie in any order."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

from harvester.tables.direct.part_reader import WantedKeys, read_columns_of
from harvester.tables.exports import PartName
from harvester.tables.outputs import OutputStore

MOST_ROWS: Final = 500_000
"""Rows of one window: about 100 MB of a temporary file."""
_BATCH: Final = 16_384
_CACHE_KIB: Final = 16_384


class OutputParts:
    """The parts of an output, with the keys that each may hold, as far as a reader has found them out.

    Some 500 bytes of memory a part.
    """

    def __init__(self, store: OutputStore, parts: Iterable[PartName]) -> None:
        """List them."""
        self.store = store
        self._parts = list(parts)
        self._bounds: dict[str, tuple[str, str]] = {}

    def __iter__(self) -> Iterator[PartName]:
        """Yield each of them."""
        return iter(self._parts)

    def read(
        self,
        columns: Sequence[str],
        wanted: WantedKeys,
        prepare: Callable[[Iterator[tuple[Any, ...]]], Iterator[tuple[Any, ...]]],
    ) -> Iterator[tuple[Any, ...]]:
        """Yield what ``prepare`` makes of the rows of each part, which are those of `read_columns_of`.

        A part that is known to hold no wanted key is not opened.
        """
        for part in self._parts:
            known = self._bounds.get(str(part))
            if known is None or wanted.may_hold(*known):
                yield from prepare(read_columns_of(self.store, part, columns, wanted, self._bounds))


class KeyWindow:
    """Rows of the keys ``start <= key < end`` in a temporary database; ``end`` moves down while they are too many.

    Its memory is that of a page cache, and its file has room for `MOST_ROWS`, unless one key alone has more.
    """

    def __init__(self, columns: str, wanted: WantedKeys, most: int = MOST_ROWS) -> None:
        """Start empty; ``columns`` is SQL for those of a table whose primary key begins with ``key``."""
        self.wanted = wanted
        self._most = most
        self._counted = 0
        self._limit = most + most // 4
        # An empty name is a temporary database, which SQLite removes on close. One thread fills it, another asks it.
        self.database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.database.execute("PRAGMA synchronous = OFF")
        self.database.execute("PRAGMA journal_mode = OFF")
        self.database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self.database.execute(f"CREATE TABLE found({columns}) WITHOUT ROWID")

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete what was stored."""
        self.close()

    def close(self) -> None:
        """Delete what was stored."""
        self.database.close()

    def covers(self, key: str) -> bool:
        """Return whether what is known of a key is here."""
        return key >= self.wanted.start and (self.wanted.end is None or key < self.wanted.end)

    def fill(self, rows: Iterator[tuple[Any, ...]], insert: str) -> None:
        """Insert rows, whose first value is the key as bytes, by a statement of SQL; drop those beyond ``end``."""
        while batch := list(islice(rows, _BATCH)):
            self.database.execute("BEGIN")
            self.database.executemany(insert, batch)
            self.database.execute("COMMIT")
            self._counted += len(batch)
            if self._counted > self._limit:
                self._shrink()
        self._shrink()

    def _shrink(self) -> None:
        self._counted = self._count()
        if self._counted <= self._most:
            return
        find = self.database.execute
        (first,) = find("SELECT min(key) FROM found").fetchone()
        (cut,) = find("SELECT key FROM found ORDER BY key LIMIT 1 OFFSET ?", (self._most // 2,)).fetchone()
        if cut == first:
            (cut,) = find("SELECT min(key) FROM found WHERE key > ?", (first,)).fetchone()
        if cut is not None:
            find("DELETE FROM found WHERE key >= ?", (cut,))
            self.wanted.end = cut.decode()
            self._counted = self._count()
        self._limit = max(self._limit, 2 * self._counted)

    def _count(self) -> int:
        (count,) = self.database.execute("SELECT count(*) FROM found").fetchone()
        return int(count)
