"""How this machine reaches the location of a shard, and the output."""

from __future__ import annotations

from dataclasses import replace

from harvester.backfill.backfill_plan import Shard
from harvester.sessions import StoreSettings


def location_settings(shard: Shard, settings: StoreSettings | None) -> StoreSettings:
    """Return the settings of the plan, with what is given for this machine: profile, endpoint, region."""
    planned = shard.backfill.settings
    if settings is None:
        return planned
    return replace(
        planned,
        profile=settings.profile,
        endpoint_url=settings.endpoint_url or planned.endpoint_url,
        region=settings.region or planned.region,
    )


def output_settings(shard: Shard, out: str, settings: StoreSettings | None) -> StoreSettings:
    """Return the settings for the output; the endpoint of the location is one of its scheme too.

    What the plan states of the bucket of the location, such as its owner, is not about the output.
    """
    same = out.partition("://")[0] == shard.backfill.location.scheme
    endpoint = (settings.endpoint_url if settings else None) or (shard.backfill.settings.endpoint_url if same else None)
    given = settings or StoreSettings()
    return StoreSettings(endpoint_url=endpoint, profile=given.profile, region=given.region, retry=given.retry)
