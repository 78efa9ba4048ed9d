"""Plan a whole listing: a planner for each key range, late keys at the end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator

from harvester.destination import (
    CompiledSelection,
    FileSystemNames,
    FoldedClaims,
    Manifest,
    NoFollowTree,
    PageFiles,
    PathClaims,
    SortedClaims,
    is_text,
)
from harvester.storage import LateKeys, ListedPage, ObjectRef, RangeEnd, UnchangedPage, key_after
from harvester.transfer.plan import PlanOptions
from harvester.transfer.range_planner import PathNaming, Planned, RangePlanner

_AFTER_ALL_KEYS = "\U0010ffff" * 1025  # longer than any key: of S3 and GCS 1,024 bytes, a path 4,096


class ListingPlanner:
    """Turns pages of a listing into plans, in memory that does not grow with the number of objects."""

    def __init__(
        self,
        manifest: Manifest,
        naming: PathNaming,
        names: FileSystemNames,
        selection: CompiledSelection,
        options: PlanOptions,
        *,
        plan_all: bool = False,
        finds_gone: bool = True,
        is_whole: bool = True,
    ) -> None:
        """Begin with nothing listed; ``plan_all`` plans also what is unchanged and of which nothing else is known.

        Unless ``finds_gone``, no key counts as gone that the listing does not hold; ``is_whole`` where it is of all
        keys.
        """
        self._finds_gone = finds_gone
        self._is_whole = is_whole
        self._given: RangePlanner | None = None
        self._manifest = manifest
        self._root: int | None = None
        self._naming = naming
        self._selection = selection
        self._options = options
        self._ranges: dict[int, RangePlanner] = {}
        self._late = LateKeys()
        self._late_added = 0
        self._in_order = 0
        self.is_unordered = False
        """Whether the listing is planned at its end, sorted, because the store gives it in no order."""
        self._names = names
        self._folded = self._claim_landed()
        self._gone: list[str] = []
        self.ordered_ranges = 0
        """The number of the first range that may be listed before, or while, a lower one is."""
        self._claims_in_order = SortedClaims()
        self._passed: tuple[str, PathClaims | None] = ("", None)
        self._plan_all = plan_all or not selection.selects_all
        self._unchanged_count = 0
        self._purged = frozenset(each.key for each in manifest.tombstones())
        # The claims hold the paths that this run assigns.
        self._owned = not manifest.is_empty()

    def page(self, page: ListedPage) -> Iterator[Planned]:
        """Yield the plan of each object of a page, but for those ``take_unchanged_count`` counts.

        Objects that came after a greater key are kept for ``late``.
        """
        planner = self._planner(page.range, page.start, page.end)
        late_before = self._late_added
        for ref in page.refs:
            key = ref.key
            if self.is_unordered and is_text(key):
                self._late.add(ref)
                self._late_added += 1
            elif not (key.isascii() or is_text(key)):
                yield planner.plan_nameless(ref)
            elif key <= planner.last_key:
                self._late.add(ref)
                self._late_added += 1
            elif not self._plan_all and planner.is_unchanged(ref):
                self._unchanged_count += 1
            else:
                yield planner.plan(ref)
        self._in_order += len(page.refs) - (self._late_added - late_before)
        self._gone.extend(row.key for row in planner.take_gone())

    def unchanged_page(self, listed: UnchangedPage, files: PageFiles | None) -> Iterator[Planned]:
        """Yield the plan of each object of a known page; count them as unchanged where all ``files`` are as landed."""
        page = listed.page
        if files is not None and files.are_unchanged(NoFollowTree(self._naming.root, self._open_root())):
            self._unchanged_count += page.keys
            self._in_order += page.keys
            return
        start, end = key_after(page.after) if page.after else "", key_after(page.last)
        found = listed.read()
        yield from self.page(ListedPage(listed.range, start, end, found.objects, found.refused))
        self.end_range(RangeEnd(listed.range, start, end))

    def end_range(self, end: RangeEnd) -> None:
        """Conclude a range: what the manifest holds of it and the listing did not is gone."""
        if self.is_unordered:
            return  # known only when everything is listed
        planner = self._planner(end.range, end.start, end.end)
        planner.finish(end.end)
        self._gone.extend(row.key for row in planner.take_gone())
        if end.end is not None and end.end >= self._passed[0]:
            self._passed = (end.end, planner.claims)
        del self._ranges[end.range]

    def restart_unordered(self) -> None:
        """Forget what was planned, and plan every object that is listed from now on with ``late``.

        What was planned before must be recorded by now.
        """
        self.is_unordered = self._owned = self._plan_all = True
        # Sorted at the end as one range, which a part of the keys is not.
        self._finds_gone = self._finds_gone and self._is_whole
        self._ranges.clear()
        self._in_order = self.ordered_ranges = 0
        self._claims_in_order = SortedClaims()
        self._gone.clear()
        self._folded = self._claim_landed()

    def late(self) -> Iterator[Planned]:
        """Yield the plan of each object that came out of order; all others must be recorded by now."""
        if self.is_unordered:
            planner = self._planner(0, "", None)
            for ref in self._late.in_order():
                yield planner.plan(ref)
                self._gone.extend(row.key for row in planner.take_gone())
            planner.finish(None)
            self._gone.extend(row.key for row in planner.take_gone())
            return
        planner = self._unordered_planner()
        for ref in self._late.in_order():
            yield planner.plan_late(ref)

    @property
    def distinct_keys(self) -> int:
        """How many different keys were listed: those in rising order, and the distinct ones among all others."""
        return self._in_order + self._late_added - self._late.duplicates

    @property
    def duplicates(self) -> int:
        """How many objects were listed more than once without order."""
        return self._late.duplicates

    def close(self) -> None:
        """Close the late keys' file and the destination."""
        self._late.close()
        if self._root is not None:
            os.close(self._root)
            self._root = None

    def unordered(self, refs: Iterable[ObjectRef]) -> Iterator[Planned]:
        """Yield the plan of objects in any order; what was planned before must be recorded by now.

        Objects of one call may not collide with one another unnoticed: their claims are kept until the call ends.
        """
        planner = self._unordered_planner()
        for ref in sorted(refs):
            yield planner.plan_late(ref) if is_text(ref.key) else planner.plan_nameless(ref)

    def given(self, refs: Iterable[ObjectRef]) -> Iterator[Planned]:
        """Yield the plan of objects whose keys were given, in byte order of the key from one call to the next.

        What is known of each is looked up by its key, whatever lies between them.
        """
        if self._given is None:
            self._given = self._range_planner(_AFTER_ALL_KEYS, None, self._open_root(), SortedClaims())
        for ref in refs:
            self._in_order += 1
            yield self._given.plan_given(ref)

    def _unordered_planner(self) -> RangePlanner:
        # It asks for single rows, and reads none in order.
        return self._range_planner(_AFTER_ALL_KEYS, None, None, SortedClaims())

    def take_gone(self) -> list[str]:
        """Return the keys found gone since the last call."""
        gone, self._gone = self._gone, []
        return gone if self._finds_gone else []

    def take_unchanged_count(self) -> int:
        """Return how many objects were found unchanged since the last call, and not planned."""
        passed, self._unchanged_count = self._unchanged_count, 0
        return passed

    def _claim_landed(self) -> FoldedClaims | None:
        """Return the claims of a file system that folds names, with those of all landed files; else None."""
        if self._names.exact:
            return None
        folded = FoldedClaims(self._names)
        for row in self._manifest.landed():
            folded.claim(row.key, row.path)
        return folded

    def _claims(self, number: int, start: str) -> PathClaims:
        # Known pages are cut anywhere. Other ranges are where no path of one can collide with one of another, but for
        # those listed after one another, of which a later one goes on where the one before it ended.
        if number <= self.ordered_ranges:
            return self._claims_in_order
        end, claims = self._passed
        if start != end or claims is None:
            return SortedClaims()
        self._passed = (end, None)
        return claims

    def _planner(self, number: int, start: str, end: str | None) -> RangePlanner:
        planner = self._ranges.get(number)
        if planner is None:
            claims = self._claims(number, start)
            planner = self._ranges[number] = self._range_planner(start, end, self._open_root(), claims)
        return planner

    def _open_root(self) -> int | None:
        if self._root is None:
            # A dry run may plan for a destination that is not there yet; a read needs no right to list it.
            with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                self._root = os.open(self._naming.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._root

    def _range_planner(self, start: str, end: str | None, root: int | None, claims: PathClaims) -> RangePlanner:
        return RangePlanner(
            self._manifest,
            start,
            end,
            claims if self._folded is None else self._folded,
            self._naming,
            self._selection,
            self._options,
            NoFollowTree(self._naming.root, root),
            owned=self._owned,
            purged=self._purged,
        )
