"""Where the rows of an export come from: the objects of a destination, in the order they landed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol

from harvester.tables.table_columns import ObjectFacts, TableName


class SourceObject(NamedTuple):
    """One landed object, or a tombstone."""

    facts: ObjectFacts
    """What its rows have in common."""
    end: str
    """The position of its end."""
    path: str
    """Where it lies, relative to the destination; empty for a tombstone."""
    size: int
    """Bytes as landed."""
    evicted: bool
    """Whether its file was freed."""
    rows: Callable[[], Iterator[tuple[int, bytes]]]
    """Returns its rows with their numbers, broken ones left out. Raises OSError or HarvesterError."""


class RowSource(Protocol):
    """The rows of one destination."""

    @property
    def dest_id(self) -> str:
        """The id of the destination."""

    def check(self, position: str, passed: Iterable[str] = ()) -> None:
        """Raise ForeignPosition for a position of another history; ``passed`` came before it."""

    def newest(self) -> str:
        """Return the end of everything that has landed; ``0`` for nothing."""

    def objects(self, after: str, table: TableName) -> Iterator[SourceObject]:
        """Yield the objects of a table, and every tombstone, with rows after a position, oldest first."""

    def acknowledge(self, consumer: str, position: str) -> None:
        """Record that a consumer has everything up to a position, creating it; never moves it backwards."""
