"""What lies in a source and in its copy, as the account of a promise needs it."""

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
    """A delivered object with what a run's account needs of it."""

    found: DeliveredObject
    """The object as the account of tasks sees it."""
    last_modified: float
    """When the bucket says it was written, seconds since the epoch."""
    rows: int | None
    """Rows of a jobs file that landed."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Every object of a source, and every file that came of it."""

    location: Location
    """The recorded source."""
    deliveries: tuple[Delivery, ...]
    """In the order of the listing; what is only here comes last."""

    @property
    def objects(self) -> tuple[DeliveredObject, ...]:
        """The objects as the account of tasks sees them."""
        return tuple(delivery.found for delivery in self.deliveries)


def recorded_source(destination: Path, *, state_dir: Path | None = None) -> SourceBinding:
    """Return what a destination is a copy of. Raises ConfigurationError when it was never synced."""
    source = source_of(destination, state_dir=state_dir)
    if source is None:
        raise ConfigurationError(
            f"{destination} has never been synced", code=ErrorCode.NEVER_SYNCED, subject=str(destination)
        )
    return source


def take_inventory(
    destination: Path, *, settings: StoreSettings | None = None, state_dir: Path | None = None
) -> Inventory:
    """List the recorded source and hold it against the manifest, so that "missing" is never a guess.

    Raises ConfigurationError when the destination was never synced, and what a listing raises.
    """
    source = recorded_source(destination, state_dir=state_dir)
    location = parse_location(source.url)
    settings = settings or StoreSettings()
    if source.endpoint and not settings.endpoint_url:
        settings = replace(settings, endpoint_url=source.endpoint)
    # The listing first: what a run lands meanwhile counts as landed, and not as waiting to be fetched.
    listed = list(list_objects(location, settings))
    here = _Here(
        NoFollowTree(destination),
        {row.key: row for row in landed_rows(destination, state_dir=state_dir)},
        {problem.key: problem for problem in problem_rows(destination, state_dir=state_dir)},
    )
    return Inventory(location, tuple(_deliveries(location, listed, here)))


@dataclass(frozen=True, slots=True)
class _Here:
    """What the manifest knows, and whether it still lies here."""

    inside: NoFollowTree
    rows: dict[str, LandedRow]
    problems: dict[str, ProblemRow]

    def problem(self, ref: ObjectRef) -> ProblemRow | None:
        """Return what is wrong with this very version."""
        problem = self.problems.get(ref.key)
        return problem if problem is not None and problem.outcome in _PROBLEMS and same_version(ref, problem) else None

    def lies_here(self, row: LandedRow) -> bool:
        """Return whether the file is still what was landed; what was freed on purpose was consumed."""
        if row.evicted:
            return True
        try:
            status = self.inside.lstat(row.path)
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (row.content_size, row.mtime_ns)


def _deliveries(location: Location, listed: Iterable[ObjectRef], here: _Here) -> Iterator[Delivery]:
    probe_name = facts().test_connection.probe_name
    for ref in listed:
        if ref.size == 0 and (ref.key.endswith("/") or ref.key.rpartition("/")[2] == probe_name):
            continue
        row, problem = here.rows.pop(ref.key, None), here.problem(ref)
        url = _url(location, ref.key)
        if problem is not None:
            # The current version is the one with the problem; an older one may still lie here.
            found = DeliveredObject(ref.key, url, _PROBLEMS[problem.outcome], problem.path)
            yield Delivery(found, ref.last_modified, None)
        elif row is None:
            yield Delivery(DeliveredObject(ref.key, url, LocalState.ABSENT), ref.last_modified, None)
        elif not same_version(ref, row):
            # Whose result the new version is, only its body tells.
            yield Delivery(DeliveredObject(ref.key, url, LocalState.ABSENT), ref.last_modified, None)
            if row.task_id is not None and here.lies_here(row):
                older = _landed(location, row, LocalState.LANDED)
                yield Delivery(replace(older, listed=False), row.last_modified, row.rows)
        else:
            local = LocalState.LANDED if here.lies_here(row) else LocalState.LOST
            yield Delivery(_landed(location, row, local), ref.last_modified, row.rows)
    for row in here.rows.values():
        if here.lies_here(row):
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
