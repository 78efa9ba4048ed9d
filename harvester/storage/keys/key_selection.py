"""The keys that a run is about, where it is not about all keys of its location."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeAlias

from harvester.storage.base import ObjectRef, RefusedObject


class KeyRange(NamedTuple):
    """The keys ``after < key <= through``, in byte order of whole keys; ranges that meet share no key."""

    after: str = ""
    """Every key of the range is greater; empty for no bound."""
    through: str | None = None
    """The greatest key that the range may hold; None for no bound."""

    def holds(self, key: str) -> bool:
        """Return whether ``key`` belongs to the range."""
        return key > self.after and (self.through is None or key <= self.through)


class KeyList:
    """Keys that are given instead of being listed, in any order; a key that is given twice is one object."""

    def __init__(
        self,
        entries: Iterable[str | ObjectRef | RefusedObject],
        skipped: Counter[str] | None = None,
        begun_at: float | None = None,
    ) -> None:
        """Take keys from ``entries``; ``skipped`` is counted while they are read."""
        self.entries = entries
        """Read once by each run. Of a whole key the store is asked for size and version; an object is taken as
        described; what is refused is counted as refused."""
        self.skipped: Counter[str] = Counter() if skipped is None else skipped
        """Entries of the source that are no objects, by reason, counted while it is read."""
        self.begun_at = begun_at
        """When the listing of the whole location began that the entries come from, seconds since the epoch; None where
        it is not known, or they are chosen keys."""


class KeyPrefixes(NamedTuple):
    """The keys that begin with one of some prefixes, each of which is a folder and none of which begins another."""

    prefixes: tuple[str, ...]
    """Whole prefixes, below the location's own, each ending in ``/``."""


KeySelection: TypeAlias = KeyRange | KeyList | KeyPrefixes
"""Part of the keys of a location."""


KnownVersions: TypeAlias = Callable[[], AbstractContextManager[Callable[[ObjectRef], bool]]]
"""Opens, in the thread that uses it, a function that returns whether another version of an object is known."""


class ListingScope(NamedTuple):
    """The keys of one listing: those below a prefix with ``start <= key < end``."""

    prefix: str
    """What every key begins with."""
    start: str = ""
    """No key is smaller."""
    end: str | None = None
    """Every key is smaller; None for no bound."""


def key_after(key: str) -> str:
    """Return the least key that is greater than ``key``."""
    return f"{key}\0"


def end_of_prefix(prefix: str) -> str:
    """Return the least key that is greater than every key below a prefix that ends in ``/``."""
    return prefix[:-1] + chr(ord("/") + 1)


def listing_scopes(prefix: str, keys: KeyRange | KeyPrefixes | None) -> list[ListingScope]:
    """Return what has to be listed of a location with ``prefix``, in byte order; everything where ``keys`` is None."""
    match keys:
        case None:
            return [ListingScope(prefix)]
        case KeyRange(after, through):
            start = key_after(after) if after else ""
            return [ListingScope(prefix, start, None if through is None else key_after(through))]
        case KeyPrefixes(prefixes):
            return [ListingScope(each, each, end_of_prefix(each)) for each in sorted(set(prefixes))]
