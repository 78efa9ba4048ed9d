"""Given keys, checked and sorted on disk: a list may be longer than memory, in any order, and repeat itself."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Self

from harvester.location import Location
from harvester.storage.base import ObjectRef, RefusedObject
from harvester.storage.page_checks import INVALID_KEY, INVALID_SIZE, MAX_SIZE, OUTSIDE_PREFIX

NAME_NOT_UTF8 = "name_not_utf8"
"""Reason of a key that is no text."""
_LONGEST_KEY = 1024  # bytes, of S3 and Cloud Storage
_LONGEST_PATH = 4096
_CACHE_KIB = 65_536
_COLUMNS = "key BLOB PRIMARY KEY, reason, size, etag, last_modified, storage_class"
_Entry = str | ObjectRef | RefusedObject


def check_given(entry: _Entry, location: Location) -> _Entry:
    """Return an entry of a key list, or as refused if no object of ``location`` can be what it describes."""
    if isinstance(entry, RefusedObject):
        return entry
    key = entry if isinstance(entry, str) else entry.key
    reason = _reason(key, location)
    if not reason and isinstance(entry, ObjectRef):
        if not 0 <= entry.size <= MAX_SIZE:
            reason = INVALID_SIZE
        elif not _is_text(entry.etag):
            reason = INVALID_KEY
        elif not math.isfinite(entry.last_modified):
            return entry._replace(last_modified=0.0)
    if not reason:
        return entry
    # Lone surrogates of any origin become those of undecodable bytes, which every printer escapes.
    return RefusedObject(key.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"), reason)


def _reason(key: str, location: Location) -> str:
    if not _is_text(key):
        return NAME_NOT_UTF8
    longest = _LONGEST_PATH if location.scheme == "file" else _LONGEST_KEY
    if not key or "\0" in key or len(key.encode()) > longest:
        return INVALID_KEY
    if not key.startswith(location.prefix):
        return OUTSIDE_PREFIX
    if location.scheme == "file" and os.path.normpath(key) != key:
        return OUTSIDE_PREFIX
    return ""


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class KeySpool:
    """Entries of a key list in a temporary database; for one thread."""

    def __init__(self, location: Location) -> None:
        """Start empty."""
        self._location = location
        # An empty name is a temporary database, which SQLite removes on close.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._database.execute(f"CREATE TABLE entries({_COLUMNS}) WITHOUT ROWID")
        self.given = 0
        """How many entries were added."""

    def __enter__(self) -> Self:
        """Return the spool."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete what was stored."""
        self._database.close()

    def fill(self, entries: Iterable[_Entry]) -> None:
        """Add entries; of two for one key the later stays."""
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)", self._rows(entries))
        self._database.execute("COMMIT")

    @property
    def distinct(self) -> int:
        """How many different keys there are."""
        (found,) = self._database.execute("SELECT count(*) FROM entries").fetchone()
        return int(found)

    def in_order(self) -> Iterator[_Entry]:
        """Yield the entries in byte order of the key."""
        for row in self._database.execute("SELECT * FROM entries ORDER BY key"):
            key = row[0].decode("utf-8", "surrogatepass")
            if row[1]:
                yield RefusedObject(key, row[1])
            elif row[2] is None:
                yield key
            else:
                yield ObjectRef(key, *row[2:])

    def _rows(self, entries: Iterable[_Entry]) -> Iterator[tuple[object, ...]]:
        for entry in entries:
            self.given += 1
            match check_given(entry, self._location):
                case RefusedObject(key, reason):
                    yield (_stored(key), reason, None, None, None, None)
                case ObjectRef(key, size, etag, last_modified, storage_class):
                    yield (_stored(key), None, size, etag, last_modified, storage_class)
                case str(key):
                    yield (_stored(key), None, None, None, None, None)


def _stored(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")
