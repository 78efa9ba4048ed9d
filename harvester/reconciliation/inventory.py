"""List a source and its local copy, for comparison with the expected tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harvester.destination import (
    LandedRow,
    NoFollowTree,
    ProblemRow,
    SourceBinding,
    landed_rows,
    problem_rows,
    same_version,
    shown_key,
    source_of,
)
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError
from harvester.location import Location, parse_location
from harvester.reconciliation.matching import DeliveredObject, LocalState
from harvester.sessions import StoreSettings
from harvester.storage import ObjectRef, list_objects
from policies import facts


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivered object with its time and row count."""

    object: DeliveredObject
    """The object as it is matched with tasks."""
    last_modified: float
    """The bucket's modification time, seconds since the epoch."""
    rows: int | None
    """Rows of a jobs file that landed."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every object of a source and every file landed from it."""

    location: Location
    """The recorded source."""
    deliveries: tuple[Delivery, ...]
    """In the order of the listing; objects that exist only locally come last."""

    @property
    def objects(self) -> tuple[DeliveredObject, ...]:
        """The objects as they are matched with tasks."""
        return tuple(delivery.object for delivery in self.deliveries)


def recorded_source(destination: Path, *, state_dir: Path | None = None) -> SourceBinding:
    """Return the source of a destination. Raises ConfigurationError if it was never synced."""
    source = source_of(destination, state_dir=state_dir)
    if source is None:
        raise ConfigurationError(
            f"{destination} has never been synced", code=ErrorCode.NEVER_SYNCED, subject=str(destination)
        )
    return source


def take_inventory(
    destination: Path, *, settings: StoreSettings | None = None, state_dir: Path | None = None
) -> Inventory:
    """List the recorded source and compare it with the manifest.

    Raises ConfigurationError if the destination was never synced, and the errors of a listing.
    """
    source = recorded_source(destination, state_dir=state_dir)
    location = parse_location(source.url)
    settings = settings or StoreSettings()
    if source.endpoint and not settings.endpoint_url:
        settings = replace(settings, endpoint_url=source.endpoint)
    # List first: objects that a sync lands meanwhile count as landed, not as not yet fetched.
    listed = list(list_objects(location, settings))
    local_copy = _LocalCopy(
        NoFollowTree(destination),
        {row.key: row for row in landed_rows(destination, state_dir=state_dir)},
        {problem.key: problem for problem in problem_rows(destination, state_dir=state_dir)},
    )
    return Inventory(location, tuple(_deliveries(location, listed, local_copy)))


@dataclass(frozen=True, slots=True)
class _LocalCopy:
    """The manifest's rows, and whether their files are unchanged on disk."""

    inside: NoFollowTree
    rows: dict[str, LandedRow]
    problems: dict[str, ProblemRow]

    def problem(self, ref: ObjectRef) -> ProblemRow | None:
        """Return the problem of this version, if any."""
        problem = self.problems.get(ref.key)
        return problem if problem is not None and problem.outcome in _PROBLEMS and same_version(ref, problem) else None

    def is_present(self, row: LandedRow) -> bool:
        """Return whether the file is as landed; an evicted one counts as present."""
        if row.evicted:
            return True
        try:
            status = self.inside.lstat(row.path)
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (row.content_size, row.mtime_ns)


def _deliveries(location: Location, listed: Iterable[ObjectRef], local_copy: _LocalCopy) -> Iterator[Delivery]:
    probe_name = facts().test_connection.probe_name
    for ref in listed:
        if ref.size == 0 and (ref.key.endswith("/") or ref.key.rpartition("/")[2] == probe_name):
            continue
        row, problem = local_copy.rows.pop(ref.key, None), local_copy.problem(ref)
        url = _url(location, ref.key)
        if problem is not None:
            # The problem concerns the current version; an older one may still be on disk.
            delivered = DeliveredObject(ref.key, url, _PROBLEMS[problem.outcome], problem.path)
            yield Delivery(delivered, ref.last_modified, None)
        elif row is None:
            yield Delivery(DeliveredObject(ref.key, url, LocalState.ABSENT), ref.last_modified, None)
        elif not same_version(ref, row):
            # Which task the new version belongs to is in its body.
            yield Delivery(DeliveredObject(ref.key, url, LocalState.ABSENT), ref.last_modified, None)
            if row.task_id is not None and local_copy.is_present(row):
                older = _landed(location, row, LocalState.LANDED)
                yield Delivery(replace(older, listed=False), row.last_modified, row.rows)
        else:
            local = LocalState.LANDED if local_copy.is_present(row) else LocalState.LOST
            yield Delivery(_landed(location, row, local), ref.last_modified, row.rows)
    for row in local_copy.rows.values():
        if local_copy.is_present(row):
            local = LocalState.RESCUED if row.origin == "rescued" else LocalState.LANDED
            yield Delivery(replace(_landed(location, row, local), listed=False), row.last_modified, row.rows)


_PROBLEMS = {
    "quarantined": LocalState.QUARANTINED,
    "refused": LocalState.REFUSED,
    "failed": LocalState.FAILED,
}


def _landed(location: Location, row: LandedRow, local: LocalState) -> DeliveredObject:
    key = shown_key(row.key)
    return DeliveredObject(key, _url(location, key), local, row.path, row.task_id, row.digest)


def _url(location: Location, key: str) -> str:
    return f"{location.scheme}://{location.bucket}{'/' if location.bucket else ''}{key}"
