"""Key ranges of one listing that several threads walk: the longest one is split whenever a thread is free."""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable

from harvester.storage.base import PAGE_KEYS, ObjectRef
from harvester.storage.range_splitting import (
    KeyAlphabet,
    choose_cut,
    nests,
    parent_folders,
    remaining_share,
    separates_paths,
)

_AFTER_SLASH = chr(ord("/") + 1)
_FEWEST_PAGES_LEFT = 2.0
_FEWEST_WHILE_UNKNOWN = 6.0  # while a range has no estimate yet: it may be the longest, and has one a page later
_SAMPLE_EVERY = 50
_MORE_REQUESTS = 8
_MORE_OF_MANY = 0.10  # of the full pages listed so far, as soon as there are many
_MANY_PAGES = 200


class ListedRange:
    """A range of keys that one thread lists; it shrinks when it is split."""

    page_first: str = ""
    """The first key of the page listed last."""
    page_keys: int = 0
    """How many keys that page holds."""
    pages: int = 0
    """Pages listed."""
    keys: int = 0
    """Keys listed."""
    pages_left: float = 0.0
    """Pages that are expected to be left."""
    even: bool = False
    """Whether keys are expected everywhere in the range: then it may be split again before any of it was listed."""
    nested: bool = False
    """Whether a listed path may be the parent of others; such a range is not split any more."""

    def __init__(self, number: int, start: str, end: str | None, listed: str) -> None:
        """Begin with nothing listed."""
        self.number = number
        """Its number, from 0."""
        self.start = start
        """No key of the range is smaller."""
        self.end = end
        """Every key of the range is smaller; shrinks when the range is split. None when it has no bound."""
        self.first = start
        """The first key listed; the start before there is one."""
        self.last = start
        """The key listed last; the start before there is one."""
        self.listed = listed
        """Every key up to this one was listed, of this range or of those before it."""


class RangePool:
    """Which ranges there are, and where the next is cut.

    Each range ends with a page that is not full, a range cut where no keys are costs an empty page, and folders are
    listed by a request of their own. Those are requests that a listing of one range does not make: at most one for each
    range, as far as the store fills its pages. Their number is bounded while the listing runs: 8, or 10 % from 200 full
    pages on.
    """

    def __init__(
        self,
        prefix: str,
        list_folders: Callable[[str], list[str]],
        *,
        start: str = "",
        end: str | None = None,
        number: int = 0,
    ) -> None:
        """Begin with one range; ``number`` is the first number that no range has yet.

        ``list_folders`` lists the folders directly below one, each with its ``/``; it runs in the thread that takes.
        """
        self._after = len(prefix)
        self._list_folders = list_folders
        self._alphabet = KeyAlphabet()
        self._changed = threading.Condition()
        self._active: list[ListedRange] = []
        self._count = number
        self._wasted = 0.0
        self._keys = 0
        self._origin = ""
        self._parents: list[str] = []
        self._asked: set[str] = set()
        self._folders: list[str] = []
        self._asking = False
        self._stopped = False
        self.first = self._add(start, end, start)
        """The range that the listing begins with."""

    def advance(self, walked: ListedRange, page: list[ObjectRef]) -> tuple[list[ObjectRef], bool]:
        """Take the next page of a range; return what of it belongs to the range, and whether that was its last."""
        with self._changed:
            end = walked.end
            passed = end is not None and bool(page) and page[-1].key >= end
            refs = [ref for ref in page if end is None or ref.key < end] if passed else page
            self._keys += len(refs)
            walked.pages += 1
            if refs:
                self._note(walked, [ref.key for ref in refs])
            self._changed.notify_all()
            return refs, passed

    def finish(self, walked: ListedRange) -> str | None:
        """Record that a range is listed to its end, and return that end."""
        with self._changed:
            self._active.remove(walked)
            self._wasted += max(walked.pages, 1) - walked.keys / PAGE_KEYS
            self._changed.notify_all()
            return walked.end

    @property
    def next_number(self) -> int:
        """The number of the next range."""
        return self._count

    def stop(self) -> None:
        """Give out no more ranges."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def take(self, *, wait: bool = True) -> ListedRange | None:
        """Return a new range, split off the longest one; wait until one is worth its requests, or return None.

        None also when the listing has ended. While one thread lists folders, the others wait for them: a cut without
        them would most likely part keys where none are.
        """
        while True:
            with self._changed:
                if self._stopped or not self._active:
                    return None
                parent = None if self._asking else self._parent_to_ask()
                if parent is None:
                    added = None if self._asking else self._split()
                    if added is not None or not wait:
                        return added
                    self._changed.wait()
                    continue
                self._asking = True
            folders: list[str] = []
            try:
                folders = self._list_folders(parent)
            finally:
                self._learn_folders(folders)

    def _split(self) -> ListedRange | None:
        if not self._affordable():
            return None
        unknown = any(not each.keys and not each.pages_left for each in self._active)
        fewest = _FEWEST_WHILE_UNKNOWN if unknown else _FEWEST_PAGES_LEFT
        for longest in sorted(self._active, key=lambda each: -each.pages_left):
            if longest.pages_left < fewest:
                return None
            cut = None if longest.nested else self._cut(longest)
            if cut is not None:
                added = self._add(cut, longest.end, longest.listed)
                longest.end = cut
                longest.pages_left /= 2
                if longest.even or self._folders_in(added.start, added.end):
                    added.pages_left, added.even = longest.pages_left, longest.even
                return added
        return None

    def _learn_folders(self, folders: list[str]) -> None:
        with self._changed:
            self._asking = False
            names = {folder.rstrip("/") for folder in folders}
            self._folders = sorted(names.union(self._folders))
            for each in self._active:
                if each.keys:
                    each.pages_left = self._expected(each)
            self._changed.notify_all()

    def _note(self, walked: ListedRange, keys: list[str]) -> None:
        sample = keys[::_SAMPLE_EVERY]
        self._alphabet.learn(sample)
        walked.nested = walked.nested or nests([walked.last, *keys] if walked.keys else keys)
        if walked.keys == 0:
            walked.first = keys[0]
        self._origin = self._origin or keys[0]
        walked.page_first, walked.page_keys = keys[0], len(keys)
        walked.keys += len(keys)
        walked.last = walked.listed = keys[-1]
        walked.even = self._alphabet.evenly_used(walked.first, walked.last)
        walked.pages_left = self._expected(walked)
        if walked.end is None:
            self._parents = parent_folders([*sample, keys[-1]], self._after)

    def _expected(self, walked: ListedRange) -> float:
        """Return how many pages a range is expected to have left."""
        if folders := self._folders_in(walked.last, walked.end):
            passed = len(self._folders_in(walked.first, walked.last)) + 1
            return len(folders) * walked.keys / PAGE_KEYS / passed
        end = self._end_of_folder(walked.last, walked.end)
        share = remaining_share(self._alphabet, walked.page_first, walked.last, end, origin=self._origin)
        return walked.page_keys / PAGE_KEYS * share

    def _folders_in(self, last: str, end: str | None) -> list[str]:
        stop = len(self._folders) if end is None else bisect_left(self._folders, end)
        return self._folders[bisect_right(self._folders, last) : stop]

    def _cut(self, longest: ListedRange) -> str | None:
        folders = self._folders_in(longest.last, longest.end)
        if folders:
            cut = folders[len(folders) // 2]
            return cut if separates_paths(cut, longest.listed, self._after) else None
        end = self._end_of_folder(longest.last, longest.end)
        return choose_cut(self._alphabet, self._origin, longest.last, end, listed=longest.listed, after=self._after)

    def _end_of_folder(self, last: str, end: str | None) -> str | None:
        """Return where the known folder that ``last`` lies in ends, if it does before ``end``."""
        position = bisect_right(self._folders, last)
        folder = self._folders[position - 1] if position else ""
        if not folder or not last.startswith(f"{folder}/"):
            return end
        beyond = folder + _AFTER_SLASH
        return beyond if end is None else min(beyond, end)

    def _affordable(self) -> bool:
        """Return whether one more range or request keeps the bound, even where no last page of a range is used.

        Waste is counted in parts of pages, and added requests are whole: waste below 9 pages is at most 8 requests.
        """
        full_pages = self._keys / PAGE_KEYS
        allowed = _MORE_REQUESTS + 1 if full_pages < _MANY_PAGES else full_pages * _MORE_OF_MANY
        return self._wasted + len(self._active) + 1 < allowed

    def _parent_to_ask(self) -> str | None:
        """Return the deepest folder above the listed keys whose folders are not known yet, if more are wanted."""
        last = max(self._active, key=lambda each: each.start, default=self.first)
        if last.end is not None or not last.keys or self._folders_in(last.last, None) or not self._affordable():
            return None
        for parent in self._parents:
            if parent not in self._asked:
                self._asked.add(parent)
                self._wasted += 1
                return parent
        return None

    def _add(self, start: str, end: str | None, listed: str) -> ListedRange:
        added = ListedRange(self._count, start, end, listed)
        self._count += 1
        self._active.append(added)
        return added
