"""Plan one key range: its listing and the manifest's rows, merged as two streams in byte order of the key."""

import os
import stat
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from harvester.destination import (
    CompiledSelection,
    KnownRow,
    Manifest,
    NoFollowTree,
    PathClaims,
    ProblemRow,
    own_path,
    safe_path,
    same_version,
)
from harvester.storage import ObjectRef
from harvester.transfer.plan import Action, ActionKind, LocalFile, PlanOptions, decide

_Row = TypeVar("_Row", KnownRow, ProblemRow)
_LONGEST_PATH = 4096
_KNOWN_FOLDERS = 10_000
_EXPORTED = Action(ActionKind.UNCHANGED, "exported")
_PURGED = Action(ActionKind.IGNORE, "purged")


class Planned(NamedTuple):
    """What to do with one object, and what is known of it."""

    ref: ObjectRef
    """The object as listed."""
    action: Action
    """What to do and why."""
    path: str
    """Path to land at, relative to the destination; empty when it is not to land."""
    row: KnownRow | None
    """Its landed version, if any."""
    problem: ProblemRow | None
    """What was wrong with it, if anything."""


class SortedRows(Generic[_Row]):
    """Rows in byte order of the key, asked for keys that only grow."""

    def __init__(self, rows: Iterator[_Row]) -> None:
        """Read the first row."""
        self._rows: Iterator[_Row] = rows
        self.next: _Row | None = next(rows, None)
        """The row that comes next; None after the last."""
        self.skipped: list[_Row] = []
        """Rows that were passed without being asked for."""

    def advance(self) -> None:
        """Step over the next row: it was asked for."""
        self.next = next(self._rows, None)

    def take(self, key: str) -> _Row | None:
        """Return the row of ``key``, None when there is none."""
        row = self.next
        while row is not None:
            if row.key == key:
                self.advance()
                return row
            if row.key > key:
                return None
            self.skipped.append(row)
            self.advance()
            row = self.next
        return None

    def finish(self, end: str | None) -> None:
        """Skip the rows whose key is smaller than ``end``; all that are left when it is None."""
        while self.next is not None and (end is None or self.next.key < end):
            self.skipped.append(self.next)
            self.advance()


class PathNaming(NamedTuple):
    """How keys become paths in this run."""

    prefix: str
    """The location's prefix."""
    root: str
    """The destination's absolute path."""
    keep_compressed: bool
    """Whether names keep their ``.gz``."""
    refuse_unsafe: bool
    """Refuse a key that is not usable as a path, instead of landing it under its safe name."""


class RangePlanner:
    """Plans the objects of one key range, in the order they are listed."""

    def __init__(
        self,
        manifest: Manifest,
        start: str,
        end: str | None,
        claims: PathClaims,
        naming: PathNaming,
        selection: CompiledSelection,
        options: PlanOptions,
        inside: NoFollowTree,
        *,
        owned: bool,
        purged: frozenset[str] = frozenset(),
    ) -> None:
        """Begin at the key ``start``; no key will be ``end`` or greater. ``owned``: earlier runs landed objects.

        Keys that are ``purged`` are ignored.
        """
        self._manifest = manifest
        # What this run lands is never asked for again in order.
        self._rows = SortedRows(manifest.known(start, end) if owned else iter(()))
        self._problems = SortedRows(manifest.problems(start, end))
        self._owned = owned
        self._purged = purged
        self.claims = claims
        """Paths that its keys have claimed."""
        self._naming = naming
        self._prefix_length = len(naming.prefix)
        self._inside = inside
        self._longest_path = _LONGEST_PATH - len(os.fsencode(naming.root)) - 2
        self._selection = selection
        self._options = options
        self._free_folders: set[str] = set()
        self.last_key = ""
        """The key that was planned last."""

    def is_unchanged(self, ref: ObjectRef) -> bool:
        """Return whether the next object is unchanged and without a problem; if so, advance past it.

        A fast path for the many objects that `plan` would call ``unchanged``; with a selection, or where each object
        is reported, they have to be planned.
        """
        row, problem = self._rows.next, self._problems.next
        if row is None or row.key != ref.key or row.etag != ref.etag or row.size != ref.size or not ref.size:
            return False
        if row.evicted or row.gone or (problem is not None and problem.key <= row.key):
            return False
        found = self._look(row.path)
        if found is None or found.st_size != row.content_size or found.st_mtime_ns != row.mtime_ns:
            return False
        if not stat.S_ISREG(found.st_mode):
            return False
        self._rows.advance()
        self.last_key = row.key
        return True

    def plan(self, ref: ObjectRef) -> Planned:
        """Plan the next object, whose key is greater than ``last_key``."""
        key = ref.key
        self.last_key = key
        return self._plan(ref, self._rows.take(key), self._problems.take(key))

    def plan_late(self, ref: ObjectRef) -> Planned:
        """Plan an object out of order; everything that was planned before must be recorded by now."""
        self._owned = True
        return self._plan(ref, self._manifest.known_row(ref.key), self._manifest.problem(ref.key))

    def plan_given(self, ref: ObjectRef) -> Planned:
        """Plan an object of which only its own rows are looked up, in byte order of the key."""
        return self._plan(ref, self._manifest.known_row(ref.key), self._manifest.problem(ref.key))

    def plan_nameless(self, ref: ObjectRef) -> Planned:
        """Plan an object whose key is no text: nothing is known of it, and its place in the order means nothing."""
        relative_key = ref.key[self._prefix_length :]
        action = decide(ref, relative_key, None, None, None, self._selection, self._options)
        if action.kind is not ActionKind.IGNORE:
            action = Action(ActionKind.REFUSE, "name_not_utf8")
        return Planned(ref, action, "", None, None)

    def take_gone(self) -> list[KnownRow]:
        """Return the rows passed since the last call that the listing does not hold, though it once did."""
        gone, self._rows.skipped = self._rows.skipped, []
        self._problems.skipped.clear()
        return [row for row in gone if row.origin == "delivered"]

    def finish(self, end: str | None) -> None:
        """Pass the rows up to the end of the range."""
        self._rows.finish(end)

    def _plan(self, ref: ObjectRef, row: KnownRow | None, problem: ProblemRow | None) -> Planned:
        relative_key = ref.key[self._prefix_length :]
        if ref.key in self._purged:
            return Planned(ref, _PURGED, "", None, None)
        local = None
        if row is not None and not row.evicted and same_version(ref, row):
            local = self._local(row.path)
            if local is None:
                # Rows are read ahead: an eviction may have removed the file since.
                row = self._manifest.known_row(ref.key) or row
        action = decide(ref, relative_key, row, problem, local, self._selection, self._options)
        kind = action.kind
        if kind is ActionKind.IGNORE or kind is ActionKind.UNCHANGED:
            return Planned(ref, action, "", row, problem)
        if row is not None:
            return Planned(ref, action, row.path, row, problem)
        path, refusal = self._path(relative_key, ref.key)
        if refusal and kind is not ActionKind.QUARANTINED:
            action = Action(ActionKind.REFUSE, refusal)
        elif kind is ActionKind.FETCH and self._options.is_exported(ref, path):
            action = _EXPORTED
        return Planned(ref, action, path, row, problem)

    def _local(self, path: str) -> LocalFile | None:
        found = self._look(path)
        if found is None:
            return None
        return LocalFile(found.st_size, found.st_mtime_ns if stat.S_ISREG(found.st_mode) else -2)

    def _look(self, path: str) -> os.stat_result | None:
        try:
            return self._inside.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _path(self, relative_key: str, key: str) -> tuple[str, str]:
        """Return the path of a key that has none yet, and why it is refused."""
        keep_compressed = self._naming.keep_compressed
        path, reason = own_path(relative_key, keep_compressed=keep_compressed, limit=self._longest_path)
        if not reason:
            if self.claims.claim(relative_key, path) and not (self._owned and self._taken(path, key)):
                return path, ""
            reason = "path_collision"
        if self._naming.refuse_unsafe:
            return "", reason
        return safe_path(relative_key, keep_compressed=keep_compressed), ""

    def _taken(self, path: str, key: str) -> bool:
        manifest = self._manifest
        owner = manifest.owner_of(path)
        if (owner is not None and owner != key) or manifest.owns_below(path):
            return True
        position = path.rfind("/")
        while position > 0:
            folder = path[:position]
            if folder in self._free_folders:
                return False
            if manifest.owner_of(folder) is not None:
                return True
            if len(self._free_folders) >= _KNOWN_FOLDERS:
                self._free_folders.clear()
            self._free_folders.add(folder)
            position = path.rfind("/", 0, position)
        return False
