"""Hold what lies in a destination against its manifest, and on request against the source."""

from __future__ import annotations

import dataclasses
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from harvester.destination.conformance import ConformanceCheck
from harvester.destination.crash_recovery import file_digest
from harvester.destination.manifest import LandedRow, LockHolder, Manifest, read_lock_holder, same_version
from harvester.destination.opened import LOCK_NAME, read_destination, state_folder
from harvester.destination.paths import STATE_FOLDER
from harvester.destination.selection import CompiledSelection, Selection
from harvester.destination.tree import NoFollowTree
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, ExitCode, UsageError
from harvester.location import Location, parse_location
from harvester.location_template import LocationTemplate
from harvester.results import DEFAULT_MAX_SCHEMA_STEPS
from harvester.sessions import StoreSettings
from harvester.storage import KeyPrefixes, ListingScope, ObjectRef, Store, listing_scopes, open_store

VERIFY_REPORT_SCHEMA = "urn:nimble-harvester:verify-report:v2"


class FileMark(StrEnum):
    """How a path compares; the signs are those of ``--combined``."""

    SAME = "="
    MISSING = "-"
    EXTRA = "+"
    DIFFERS = "*"
    UNREADABLE = "!"
    EVICTED = "."
    NONCONFORMING = "x"
    """As landed, and not what the given schema requires."""


_DIFFERENCES = frozenset({FileMark.MISSING, FileMark.EXTRA, FileMark.DIFFERS, FileMark.UNREADABLE})


class Verified(NamedTuple):
    """One path and how it compares."""

    mark: FileMark
    """The result."""
    path: str
    """Relative to the destination; for an object that never landed, its key."""
    detail: str
    """What differs; empty when nothing does."""


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """The counts of a verification."""

    destination: str
    """The destination's path."""
    remote: bool
    """Whether the source was compared too."""
    counts: dict[FileMark, int]
    """Paths by mark."""

    @property
    def exit_code(self) -> ExitCode:
        """INTEGRITY when anything differs, PARTIAL when an object does not conform to the given schema."""
        if any(self.counts.get(mark, 0) for mark in _DIFFERENCES):
            return ExitCode.INTEGRITY
        return ExitCode.PARTIAL if self.counts.get(FileMark.NONCONFORMING, 0) else ExitCode.OK

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        return {
            "schema": VERIFY_REPORT_SCHEMA,
            "destination": self.destination,
            "remote": self.remote,
            "counts": {mark.name.lower(): self.counts.get(mark, 0) for mark in FileMark},
            "exit_code": int(self.exit_code),
        }


class Verification:
    """Compares path by path; iterate it, then ask for ``report``."""

    def __init__(
        self,
        destination: Path,
        *,
        remote: bool = False,
        state_dir: Path | None = None,
        settings: StoreSettings | None = None,
        schema: str | None = None,
        max_schema_steps: int = DEFAULT_MAX_SCHEMA_STEPS,
        place: Location | LocationTemplate | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        ``place`` is the part of the source that is compared, a folder or the days of a location with dates; None for
        all. ``settings`` are for the source, whose URL the manifest knows. ``schema`` is a JSON Schema for
        ``data.parsing`` and rows that each landed object is checked against, with at most so many steps a value.
        """
        self._place = place
        self._schema = schema
        self._max_schema_steps = max_schema_steps
        self._destination = destination
        self._remote = remote
        self._state_dir = state_dir
        self._settings = settings or StoreSettings()
        self._counts: Counter[FileMark] = Counter()
        self.holder: LockHolder | None = None
        """The live run that was met at the begin or the end: what it lands meanwhile can show as a difference."""

    def __iter__(self) -> Iterator[Verified]:
        """Yield every path of the manifest, then what the manifest does not know.

        Raises ConfigurationError when the destination was never synced, UsageError for a place outside its source, and
        with ``remote`` what a listing raises.
        """
        with read_destination(self._destination, self._state_dir) as opened:
            lock = state_folder(opened.root) / LOCK_NAME
            self.holder = read_lock_holder(lock)
            bound = opened.manifest.binding()
            if bound is None:
                raise ConfigurationError(
                    f"{opened.root} has never been synced", code=ErrorCode.NEVER_SYNCED, subject=str(opened.root)
                )
            source = parse_location(bound.url)
            scopes = _scopes(source, self._place, opened.root)
            if self._remote:
                store = open_store(source, _with_endpoint(self._settings, bound.endpoint))
                found = _against_source(opened.root, opened.manifest, store, scopes)
            else:
                found = _against_manifest(opened.root, opened.manifest, scopes)
            check = (
                None if self._schema is None else ConformanceCheck(opened.root, self._schema, self._max_schema_steps)
            )
            for verified in found:
                if check is not None and verified.mark is FileMark.SAME:
                    verified = _conforming(verified, check, opened.manifest)
                self._counts[verified.mark] += 1
                yield verified
            folders = tuple(source.relative(scope.prefix) for scope in scopes)
            for path in _unknown_files(opened.root, opened.manifest):
                if not path.startswith(folders):
                    continue
                self._counts[FileMark.EXTRA] += 1
                yield Verified(FileMark.EXTRA, path, "not in the manifest")
            self.holder = self.holder or read_lock_holder(lock)

    def report(self) -> VerifyReport:
        """Return the counts of what was iterated."""
        return VerifyReport(str(self._destination), self._remote, dict(self._counts))


def _conforming(verified: Verified, check: ConformanceCheck, manifest: Manifest) -> Verified:
    key = manifest.owner_of(verified.path)
    row = None if key is None else manifest.landed_row(key)
    fault = "" if row is None else check.fault(row)
    return Verified(FileMark.NONCONFORMING, verified.path, fault) if fault else verified


def _scopes(source: Location, place: Location | LocationTemplate | None, root: Path) -> list[ListingScope]:
    """Return the part of the source that is compared. Raises UsageError for a place outside it."""
    if place is None or place == source:
        return listing_scopes(source.prefix, None)
    base = place if isinstance(place, Location) else place.base
    if (base.scheme, base.bucket) != (source.scheme, source.bucket) or not base.prefix.startswith(source.prefix):
        raise UsageError(
            f"{root} is the copy of {source.url}",
            cause=f"{place.url} lies outside",
            code=ErrorCode.LOCATION_OUTSIDE_SOURCE,
            subject=str(root),
            parameters={"location": source.url},
        )
    prefixes = (place.prefix,) if isinstance(place, Location) else place.prefixes(time.time())
    return listing_scopes(source.prefix, KeyPrefixes(prefixes))


def _against_manifest(root: Path, manifest: Manifest, scopes: Sequence[ListingScope]) -> Iterator[Verified]:
    inside = NoFollowTree(root)
    for scope in scopes:
        for row in manifest.landed(scope.start, scope.end):
            yield _compare(inside, row)


def _against_source(root: Path, manifest: Manifest, store: Store, scopes: Sequence[ListingScope]) -> Iterator[Verified]:
    """Walk the listing, then the rows it did not hold; the order of the listing does not matter.

    Objects that belong to the backfill before this destination are not compared: they never land here.
    """
    wanted = CompiledSelection(Selection(after=manifest.start_after()))
    seen: set[str] = set()
    inside = NoFollowTree(root)
    for scope in scopes:
        for page in store.list_pages(scope.start, scope.end, prefix=scope.prefix):
            for ref in page.objects:
                row = manifest.landed_row(ref.key)
                if row is not None:
                    seen.add(row.key)
                    yield _compare_remote(inside, row, ref)
                elif ref.size and not wanted.refusal("", ref.last_modified) and manifest.problem(ref.key) is None:
                    yield Verified(FileMark.MISSING, store.location.relative(ref.key), "in the source, not here")
    for scope in scopes:
        for row in manifest.landed(scope.start, scope.end):
            if row.key not in seen:
                yield _compare(inside, row)._replace(detail="no longer in the source")


def _with_endpoint(settings: StoreSettings, endpoint: str) -> StoreSettings:
    if settings.endpoint_url or not endpoint:
        return settings
    return dataclasses.replace(settings, endpoint_url=endpoint)


def _compare_remote(inside: NoFollowTree, row: LandedRow, ref: ObjectRef) -> Verified:
    if not same_version(ref, row):
        return Verified(FileMark.DIFFERS, row.path, "the source has another version")
    return _compare(inside, row)


def _compare(inside: NoFollowTree, row: LandedRow) -> Verified:
    if row.evicted:
        return Verified(FileMark.EVICTED, row.path, "")
    try:
        found = inside.lstat(row.path)
    except FileNotFoundError:
        return Verified(FileMark.MISSING, row.path, "no such file")
    except NotADirectoryError:
        return Verified(FileMark.MISSING, row.path, "a symbolic link, or what is no folder, lies above it")
    except OSError as error:
        return Verified(FileMark.UNREADABLE, row.path, error.strerror or "")
    if not stat.S_ISREG(found.st_mode):
        return Verified(FileMark.DIFFERS, row.path, "not a regular file")
    if found.st_size != row.content_size:
        return Verified(FileMark.DIFFERS, row.path, f"{found.st_size} bytes instead of {row.content_size}")
    digest = file_digest(Path(inside.whole_path(row.path)))
    if digest is None:
        return Verified(FileMark.UNREADABLE, row.path, "cannot be read")
    if digest != row.digest:
        return Verified(FileMark.DIFFERS, row.path, "other bytes than were landed")
    return Verified(FileMark.SAME, row.path, "")


def _unknown_files(root: Path, manifest: Manifest) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        relative = os.path.relpath(folder, root)
        prefix = "" if relative == "." else relative + "/"
        if not prefix and STATE_FOLDER in folders:
            folders.remove(STATE_FOLDER)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]  # noqa: PTH114, PTH118  # names may hold surrogates
        folders[:] = sorted(set(folders) - set(links))
        for name in sorted([*files, *links]):
            path = prefix + name
            if not _printable(path) or manifest.owner_of(path) is None:
                yield os.fsencode(path).decode("utf-8", "backslashreplace")


def _printable(path: str) -> bool:
    # Only such names can be in the manifest, which is text.
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
