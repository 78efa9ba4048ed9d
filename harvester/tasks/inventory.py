"""What lies in a source and in its copy, as the account of a promise needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harvester.cloud import ObjectRef, StoreSettings
from harvester.errors import ConfigurationError
from harvester.location import Location, parse_location
from harvester.manifest import LandedRow, ProblemRow, SourceBinding
from harvester.mirror import landed_rows, list_objects, problem_rows, source_of
from harvester.tasks.reconciliation import DeliveredObject, LocalState
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
            f"{destination} has never been synced", next_step=f"nimble-harvester sync LOCATION {destination}"
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
    rows = {row.key: row for row in landed_rows(destination, state_dir=state_dir)}
    problems = {problem.key: problem for problem in problem_rows(destination, state_dir=state_dir)}
    return Inventory(location, tuple(_deliveries(location, list_objects(location, settings), rows, problems)))


def _deliveries(
    location: Location, listed: Iterator[ObjectRef], rows: dict[str, LandedRow], problems: dict[str, ProblemRow]
) -> Iterator[Delivery]:
    probe_name = facts().test_connection.probe_name
    for ref in listed:
        if ref.size == 0 and (ref.key.endswith("/") or ref.key.rpartition("/")[2] == probe_name):
            continue
        row, problem = rows.pop(ref.key, None), problems.get(ref.key)
        if (
            problem is not None
            and problem.outcome in _PROBLEMS
            and (problem.etag, problem.size) == (ref.etag, ref.size)
        ):
            # The current version is the one with the problem; an older one may still lie here.
            found = DeliveredObject(ref.key, _url(location, ref.key), _PROBLEMS[problem.outcome], problem.path)
            yield Delivery(found, ref.last_modified, None)
        elif row is not None:
            yield Delivery(_landed(location, row, LocalState.LANDED), ref.last_modified, row.rows)
        else:
            yield Delivery(
                DeliveredObject(ref.key, _url(location, ref.key), LocalState.ABSENT), ref.last_modified, None
            )
    for row in rows.values():
        local = LocalState.RESCUED if row.origin == "rescued" else LocalState.LANDED
        yield Delivery(_landed(location, row, local), row.last_modified, row.rows)


_PROBLEMS = {
    "quarantined": LocalState.QUARANTINED,
    "refused": LocalState.REFUSED,
    "failed": LocalState.FAILED,
}


def _landed(location: Location, row: LandedRow, local: LocalState) -> DeliveredObject:
    return DeliveredObject(row.key, _url(location, row.key), local, row.path, row.task_id)


def _url(location: Location, key: str) -> str:
    return f"{location.scheme}://{location.bucket}{'/' if location.bucket else ''}{key}"
