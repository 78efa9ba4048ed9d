"""Check the pages of a listing as they come: prefix, order, progress; nothing a store lists is used unchecked.

Amazon S3 and Google Cloud Storage list in byte order of the UTF-8 key, which is the order of Python's strings. A page
that breaks it is an `UnorderedListingError`, so that a caller that relies on the order can list again without it.
"""

from bisect import bisect_left
from datetime import UTC, datetime
from itertools import islice
from operator import lt
from typing import NamedTuple

from harvester.storage.base import UNKNOWN_TIME, ListPage, ObjectRef, RefusedObject

MAX_SIZE = 2**63 - 1
"""The greatest length of an object that is accepted: what the manifest can hold."""
_EMPTY_PAGES = 1000


class ParsedPage(NamedTuple):
    """One list answer, read and not yet checked against what was asked for."""

    objects: list[ObjectRef]
    """Its objects, in the order of the answer."""
    refused: list[RefusedObject]
    """Its entries that describe no object that could be stored."""
    token: str | None
    """Continuation token of the next page; None where the answer holds none."""
    truncated: bool
    """Whether there are more pages."""


class InvalidListingError(Exception):
    """An answer that violates the store's interface, so that the listing cannot continue."""


class UnorderedListingError(Exception):
    """A key that is not greater than the one before it."""

    def __init__(self, before: str, key: str) -> None:
        """Keep the two keys."""
        super().__init__(before, key)
        self.before = before
        """The key that was listed first."""
        self.key = key
        """The key that follows it in the listing and not in byte order."""


class PageChecker:
    """Checks the pages of one listing, or of one key range of it, in turn."""

    def __init__(self, prefix: str, start: str = "", end: str | None = None, *, ordered: bool) -> None:
        """Accept keys ``start <= key < end`` below ``prefix``; ``ordered``: only in strictly rising order."""
        self._prefix = prefix
        self._start = start
        self._end = end
        self._ordered = ordered
        self._last_key = ""
        self._last_token: str | None = None
        self._seen: set[int] = set()
        self._empty_pages = 0
        self.ended = False
        """Whether no later page can hold a key of the range."""

    def check(self, page: ParsedPage) -> ListPage:
        """Return what a page holds of the range.

        Raises InvalidListingError for a listing without progress or of another prefix, and, where ordered,
        UnorderedListingError.
        """
        self._check_progress(page)
        objects, refused = page.objects, page.refused
        if not objects:
            return ListPage([], refused)
        keys = [found.key for found in objects]
        rising = all(map(lt, keys, islice(keys, 1, None)))
        if not (rising and keys[0].startswith(self._prefix) and keys[-1].startswith(self._prefix)):
            objects, refused = self._inside(objects, refused)
            keys = [found.key for found in objects]
        if self._ordered:
            self._check_order(keys)
            self._last_key = keys[-1]
            if self._end is not None and keys[-1] >= self._end:
                self.ended = True
            first = bisect_left(keys, self._start) if self._start else 0
            last = bisect_left(keys, self._end) if self.ended and self._end is not None else len(keys)
            if first or last < len(keys):
                objects = objects[first:last]
        elif self._start or self._end is not None:
            end = self._end
            objects = [found for found in objects if found.key >= self._start and (end is None or found.key < end)]
        return ListPage(objects, refused)

    @property
    def last_key(self) -> str:
        """The last key of the last page with keys: what a store without tokens is continued after."""
        return self._last_key

    def _check_progress(self, page: ParsedPage) -> None:
        if page.token is not None and page.token == self._last_token:
            raise InvalidListingError("the store gave the same continuation token twice")
        self._last_token = page.token
        if not page.objects and not page.refused:
            self._empty_pages += 1
            if self._empty_pages > _EMPTY_PAGES:
                raise InvalidListingError(f"{_EMPTY_PAGES:,} empty pages in a row")
            return
        self._empty_pages = 0
        if not self._ordered:
            # Rising keys are progress by themselves; without order a page that comes again is none.
            identity = hash((page.objects[0].key, page.objects[-1].key) if page.objects else page.refused[0].key)
            identity ^= len(page.objects)
            if identity in self._seen:
                raise InvalidListingError("the store listed the same page twice")
            self._seen.add(identity)
            if page.objects:
                self._last_key = page.objects[-1].key

    def _inside(
        self, objects: list[ObjectRef], refused: list[RefusedObject]
    ) -> tuple[list[ObjectRef], list[RefusedObject]]:
        """Return the objects below the prefix, and the refused ones with those that are not."""
        prefix = self._prefix
        inside = [found for found in objects if found.key.startswith(prefix)]
        if len(inside) == len(objects):
            return objects, refused
        if not inside:
            raise InvalidListingError(f"no key of the page is below the prefix {prefix!r}")
        outside = [RefusedObject(found.key, OUTSIDE_PREFIX) for found in objects if not found.key.startswith(prefix)]
        return inside, [*refused, *outside]

    def _check_order(self, keys: list[str]) -> None:
        if keys[0] <= self._last_key:
            raise UnorderedListingError(self._last_key, keys[0])
        if not all(map(lt, keys, islice(keys, 1, None))):
            pairs = zip(keys, islice(keys, 1, None), strict=False)
            raise UnorderedListingError(*next((before, key) for before, key in pairs if before >= key))


OUTSIDE_PREFIX = "outside_prefix"
"""Reason of a listed key that does not begin with the prefix that was asked for."""
INVALID_SIZE = "invalid_size"
"""Reason of an entry whose length is no number between 0 and 2^63 - 1."""
INVALID_KEY = "invalid_key"
"""Reason of an entry without a key."""


def checked_size(text: str) -> int | None:
    """Return a length in bytes, None for anything but ASCII digits that 63 bits can hold."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    size = int(text)
    return size if size <= MAX_SIZE else None


def checked_time(text: str) -> float:
    """Return ISO 8601 text (UTC if without a zone) as seconds since 1970, `UNKNOWN_TIME` where it is none."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return UNKNOWN_TIME
