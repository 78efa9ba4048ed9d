"""The functions a program calls: the rooms' own, with what is known of Nimble filled in."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harvester.cloud import StoreSettings
from harvester.location import Location, parse_location
from harvester.mirror import Observer, SyncOptions, SyncReport
from harvester.mirror import sync as _sync
from policies import facts


def with_facts(options: SyncOptions) -> SyncOptions:
    """Return the options with Nimble's probe name and failure words, where the caller has set none."""
    known = facts()
    return dataclasses.replace(
        options,
        probe_name=options.probe_name or known.test_connection.probe_name,
        upstream_failures=options.upstream_failures or known.api.states.failed,
    )


def sync(
    location: Location | str,
    destination: Path | str,
    options: SyncOptions | None = None,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> SyncReport:
    """Bring ``destination`` up to date with ``location`` and return the account of every listed object.

    A failure on the way is ``SyncReport.error`` (``SyncReport.raise_for_error`` raises it); a HarvesterError is
    raised only for what keeps the run from starting.
    """
    place = location if isinstance(location, Location) else parse_location(location)
    return _sync(place, Path(destination), with_facts(options or SyncOptions()), settings=settings, observer=observer)
