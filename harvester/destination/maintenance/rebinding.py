"""Bind a destination to the new place of its source, without fetching anything again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harvester.destination.manifest import LandedRow, Manifest, binding_to
from harvester.destination.opened import check_apart, open_destination, read_destination
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, UsageError
from harvester.location import Location, parse_location
from harvester.sessions import StoreSettings
from harvester.storage import open_store

REBIND_REPORT_SCHEMA = "urn:nimble-harvester:rebind-report:v1"


class RebindDifference(NamedTuple):
    """An object that is not the same at both places."""

    key: str
    """Its key below the prefix."""
    difference: str
    """``missing``: not at the new location; ``version``: there in another version; ``new``: never landed here."""


@dataclass(frozen=True, slots=True)
class RebindReport:
    """How the listing of a new location compares with what has landed."""

    destination: str
    """The destination's path."""
    old: str
    """URL of the location it is bound to."""
    new: str
    """URL of the new location."""
    same: int
    """Objects that are there with the same key, size and version."""
    differences: tuple[RebindDifference, ...]
    """Objects that differ, in byte order of the key."""
    dry_run: bool
    """Whether it is still bound to the old location."""

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        return {
            "schema": REBIND_REPORT_SCHEMA,
            "destination": self.destination,
            "old": self.old,
            "new": self.new,
            "same": self.same,
            "differences": [each._asdict() for each in self.differences],
            "dry_run": self.dry_run,
        }


def rebind(
    destination: Path | str,
    location: Location | str,
    *,
    settings: StoreSettings | None = None,
    state_dir: Path | None = None,
    dry_run: bool = False,
) -> RebindReport:
    """Bind a destination to ``location``, after comparing its listing with what has landed.

    What is there with the same key below the prefix, size and version is not fetched again; what differs is reported,
    and treated by the next sync as usual. Raises UsageError (the same location, or one that contains the destination),
    DestinationLocked, ConfigurationError (never synced), and what a listing raises.
    """
    destination = Path(destination)
    place = location if isinstance(location, Location) else parse_location(location)
    settings = settings or StoreSettings()
    check_apart(place, destination)
    with read_destination(destination, state_dir) as opened:
        report = _compare(opened.manifest, destination, place, settings)
    if dry_run:
        return report
    with open_destination(destination, state_dir) as opened:
        bound = opened.manifest.binding()
        assert bound is not None  # noqa: S101  # compared above; narrows the type
        opened.manifest.rebind(
            binding_to(place.url, settings.endpoint_url, keep_compressed=bound.keep_compressed),
            parse_location(bound.url).prefix,
            place.prefix,
        )
    return RebindReport(report.destination, report.old, report.new, report.same, report.differences, dry_run=False)


def _compare(manifest: Manifest, destination: Path, place: Location, settings: StoreSettings) -> RebindReport:
    bound = manifest.binding()
    if bound is None:
        raise ConfigurationError(
            f"{destination} has never been synced", code=ErrorCode.NEVER_SYNCED, subject=str(destination)
        )
    if bound == binding_to(place.url, settings.endpoint_url, keep_compressed=bound.keep_compressed):
        raise UsageError(f"{destination} is bound to {place.url} already")
    old = parse_location(bound.url)
    landed: dict[str, LandedRow] = {
        row.key[len(old.prefix) :]: row for row in manifest.landed() if row.origin == "delivered"
    }
    same = 0
    differences: list[RebindDifference] = []
    for page in open_store(place, settings).list_pages():
        for ref in page.objects:
            key = place.relative(ref.key)
            row = landed.pop(key, None)
            if row is None:
                if ref.size and manifest.problem(old.key(key)) is None:
                    differences.append(RebindDifference(key, "new"))
            elif (row.size, row.etag) == (ref.size, ref.etag):
                same += 1
            else:
                differences.append(RebindDifference(key, "version"))
    differences.extend(RebindDifference(key, "missing") for key, row in landed.items() if not row.gone)
    return RebindReport(str(destination), bound.url, place.url, same, tuple(sorted(differences)), dry_run=True)
