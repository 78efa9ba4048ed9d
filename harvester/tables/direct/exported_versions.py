"""The newest version of each object in an output, learned from its parts in windows of keys."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import unquote

from harvester.storage import ListingScope, ObjectRef, end_of_prefix
from harvester.tables.direct.exported_rows import FILES_FOLDER, file_name, parts_of
from harvester.tables.direct.key_window import MOST_ROWS, KeyWindow, OutputParts
from harvester.tables.direct.part_reader import WantedKeys
from harvester.tables.outputs import OutputStore

_COLUMNS: Final = ("key", "version", "source", "delivered_at", "landed_at", "position")
_INSERT: Final = (
    "INSERT INTO found VALUES (?, ?, ?) ON CONFLICT(key) DO UPDATE"
    " SET version = excluded.version, rank = excluded.rank WHERE excluded.rank > rank"
)


class ExportedVersions:
    """What an output holds of a listing, in memory and temporary files that do not grow with the output.

    The thread that lists takes its scopes from `windows`, which reads the parts once for each window; another one asks
    `holds` about what was listed. Three windows are kept at most: the one that is listed, the one before it, of which
    some pages may be on their way, and one for keys that are asked for out of order.
    """

    def __init__(self, store: OutputStore, scopes: Sequence[ListingScope], most: int = MOST_ROWS) -> None:
        """Read the first window of the scopes, in byte order. Raises IntegrityError for a part that is none."""
        self._most = most
        self._store = store
        self._ranges = [_bounds(scope) for scope in scopes]
        self._parts = OutputParts(store, parts_of(store))
        self._lock = threading.Lock()
        self._listed: list[KeyWindow] = []
        self._aside: KeyWindow | None = None
        self._files = self._few_files()
        self._listed.append(self._read(min(start for start, _ in self._ranges)))

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete what was stored."""
        with self._lock:
            for window in (*self._listed, self._aside):
                if window is not None:
                    window.close()

    def windows(self, scope: ListingScope) -> Iterator[ListingScope]:
        """Yield what a scope is listed in, one after the other; a window is read when it is asked for."""
        start, end = _bounds(scope)
        while True:
            window = self._window_at(start)
            until = window.wanted.end
            if until is None or (end is not None and until >= end):
                yield scope
                return
            yield scope._replace(end=until)
            start = until
            scope = scope._replace(start=start)

    def holds(self, ref: ObjectRef, path: str) -> bool:
        """Return whether the newest exported version of an object is this one."""
        if not ref.etag:
            return False
        found = self._version(ref.key)
        if found is not None:
            return found == ref.etag
        name = file_name(ref.etag, path)
        return self._store.exists(name) if self._files is None else (ref.etag, path) in self._files

    def _version(self, key: str) -> str | None:
        with self._lock:
            window = next((each for each in self._listed if each.covers(key)), self._aside)
            if window is None or not window.covers(key):
                # Keys out of order, or in no listing: those that follow are most likely asked for next.
                if window is not None:
                    window.close()
                window = self._aside = self._read(key)
            found = window.database.execute("SELECT version FROM found WHERE key = ?", (key.encode(),)).fetchone()
        return None if found is None else str(found[0])

    def _window_at(self, start: str) -> KeyWindow:
        """Return the window that holds a key of the listing; read it without keeping the other thread waiting."""
        newest = self._listed[-1]
        if newest.covers(start):
            return newest
        with self._lock:
            for passed in self._listed[:-1]:
                passed.close()
            self._listed = [newest]
        window = self._read(start)
        with self._lock:
            self._listed = [newest, window]
        return window

    def _read(self, start: str) -> KeyWindow:
        wanted = WantedKeys(self._ranges, start)
        window = KeyWindow("key BLOB PRIMARY KEY, version, rank", wanted, self._most)
        try:
            window.fill(self._parts.read(_COLUMNS, wanted, _ranked), _INSERT)
        except BaseException:
            window.close()
            raise
        return window

    def _few_files(self) -> set[tuple[str, str]] | None:
        """Return version and path of all objects without rows; None where they are too many to be kept in memory."""
        found: set[tuple[str, str]] = set()
        for name in self._store.names(FILES_FOLDER):
            version, _, path = name.removeprefix(FILES_FOLDER).partition("/")
            found.add((unquote(version), path))
            if len(found) > self._most // 10:
                return None
        return found


def _bounds(scope: ListingScope) -> tuple[str, str | None]:
    """Return the least key of a scope, and the least one beyond it; None for no bound."""
    if scope.end is not None or not scope.prefix:
        return max(scope.start, scope.prefix), scope.end
    return max(scope.start, scope.prefix), end_of_prefix(scope.prefix)


def _ranked(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield key, version and rank of the last of the rows of one landed object, which follow one another in a part."""
    last: tuple[Any, ...] = ()
    for row in rows:
        # Alike but for the position, which ends a row.
        if last and row[:-1] != last[:-1]:
            yield _ranked_version(*last)
        last = row
    if last:
        yield _ranked_version(*last)


def _ranked_version(key: str, version: str, *order: Any) -> tuple[bytes, str, str]:
    return key.encode(), version, _rank(*order)


def _rank(source: str, delivered_at: Any, landed_at: Any, position: str) -> str:
    """Return what the newest version of an object is chosen by, as the views of current rows choose it."""
    moments = (f"{each:020d}" if isinstance(each, int) else each or "" for each in (delivered_at, landed_at))
    return "\n".join(("1" if source == "delivered" else "0", *moments, position))
