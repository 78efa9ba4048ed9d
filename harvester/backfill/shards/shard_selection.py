"""Which objects belong to a backfill: those modified at its cutoff or before."""

from __future__ import annotations

import math

from harvester.backfill.backfill_plan import open_planned, read_plan
from harvester.destination import Selection
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location
from harvester.sessions import StoreSettings


def until_cutoff(selection: Selection, cutoff: float) -> Selection:
    """Return a selection without objects modified after the cutoff; those modified at the cutoff belong to it."""
    until = math.nextafter(cutoff, math.inf)
    return selection._replace(until=until if selection.until is None else min(until, selection.until))


def backfill_cutoff(out: str, location: Location, settings: StoreSettings | None = None) -> float:
    """Return the cutoff of the backfill planned in ``out``, seconds since the epoch.

    An object modified at it or before belongs to the backfill; `SyncOptions.start_after` leaves those out. Raises
    UsageError where there is no plan, or one for another location, and IntegrityError for a damaged one.
    """
    # What is set about the bucket of the location, such as its owner, is not about the output.
    given = settings or StoreSettings()
    endpoint = given.endpoint_url if out.partition("://")[0] == location.scheme else None
    own = StoreSettings(endpoint_url=endpoint, profile=given.profile, region=given.region, retry=given.retry)
    with open_planned(out, own) as store:
        backfill = read_plan(store).backfill
    if backfill.location != location:
        raise UsageError(
            f"{out} holds a backfill of {backfill.location}",
            cause=f"{location} begins at another time",
            code=ErrorCode.BACKFILL_OF_ANOTHER_LOCATION,
            subject=out,
        )
    return backfill.cutoff
