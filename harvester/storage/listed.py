"""What a listing hands to its reader."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from harvester.storage.base import KnownPage, ListPage, ObjectRef, RefusedObject

NOT_FOUND = "not_found"
"""The reason of a given key that has no object."""


class ListedPage(NamedTuple):
    """Objects of one key range, in the order of the listing."""

    range: int
    """Number of the range, from 0."""
    start: str
    """No key of the range is smaller."""
    end: str | None
    """Every key of the range is smaller; None when it has no bound, or none that is known yet."""
    refs: list[ObjectRef]
    """The objects."""
    refused: list[RefusedObject]
    """Entries that are no objects."""
    digest: bytes = b""
    """Keyed digest of the entries, see `ListPage`; empty where the range holds part of them only."""


class UnchangedPage(NamedTuple):
    """A known page that the store lists as before; it is one range."""

    range: int
    """Number of the range."""
    page: KnownPage
    """The page."""
    read: Callable[[], ListPage]
    """Parses and checks the answer; raises what listing raises."""


class KeyFailure(NamedTuple):
    """A given key whose object could not be asked for."""

    key: str
    """The whole key."""
    reason: str
    """`NOT_FOUND`, or a value of ``Cause``."""
    detail: str
    """What is known beyond the reason."""


class KeysGiven(NamedTuple):
    """The keys that are asked for instead of a listing."""

    distinct: int
    """How many different keys there are."""
    repeated: int
    """How many entries repeat a key."""
    skipped: dict[str, int]
    """How many entries of the source are no objects, by reason."""


class ListedKeys(NamedTuple):
    """What became of some of the keys that were given instead of a listing; keys rise from one to the next."""

    refs: list[ObjectRef]
    """The objects."""
    refused: list[RefusedObject]
    """Keys that no object of the location can have."""
    failed: list[KeyFailure]
    """Keys without an object, or of which the store denies the metadata."""


class RangeEnd(NamedTuple):
    """A range is listed to its end."""

    range: int
    """Number of the range."""
    start: str
    """No key of the range is smaller."""
    end: str | None
    """Every key of the range is smaller; None when it has no bound."""


class OrderLost(NamedTuple):
    """The store does not list in byte order: everything is listed again, as range 0, in no order.

    What was listed before comes again. No range that had not ended will end, but for range 0 at last.
    """

    before: str
    """The key that was listed first."""
    key: str
    """The smaller or equal key that followed it."""


class ListingEnd(NamedTuple):
    """Everything is listed."""


class ListingFailed(NamedTuple):
    """The listing broke off."""

    error: Exception
    """A HarvesterError, or a bug."""


Listed: TypeAlias = (
    ListedPage | UnchangedPage | KeysGiven | ListedKeys | RangeEnd | OrderLost | ListingEnd | ListingFailed
)
