"""Which source a receiver lands from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harvester.destination import source_of
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, UsageError
from harvester.location import Location, parse_location
from harvester.sessions import StoreSettings


def bound_source(
    destination: Path, given: Location | None, settings: StoreSettings, *, state_dir: Path | None = None
) -> tuple[Location, StoreSettings]:
    """Return the source of ``destination``, and how to reach it: the endpoint of its last run, unless one is given.

    Raises UsageError when ``given`` is missing and ``destination`` was never synced.
    """
    try:
        bound = source_of(destination, state_dir=state_dir)
    except ConfigurationError:
        bound = None
    if bound is not None and settings.endpoint_url is None and bound.endpoint:
        settings = replace(settings, endpoint_url=bound.endpoint)
    if given is not None:
        return given, settings
    if bound is None:
        raise UsageError(
            f"{destination} has never been synced, so it is not known where its results are delivered",
            code=ErrorCode.NO_LOCATION_TO_LISTEN,
            subject=str(destination),
        )
    return parse_location(bound.url), settings
