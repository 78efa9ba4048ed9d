"""How a machine reaches the location of a shard, and the output."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harvester.backfill.backfill_plan import Shard
from harvester.backfill.shards.machine_settings import location_settings, output_settings
from harvester.sessions import CheckExemption, StoreSettings
from tests.unit.backfill.plans import small_plan

PLANNED = StoreSettings(
    endpoint_url="http://planned",
    region="planned",
    request_payer=True,
    expected_bucket_owner="1",
    exemptions=frozenset({CheckExemption.TRANSCODED}),
    max_rps=5.0,
)


def planned_shard() -> Shard:
    plan = small_plan()
    return replace(plan.shard(0), backfill=replace(plan.backfill, settings=PLANNED))


def test_the_location_is_reached_as_planned_with_what_this_machine_adds() -> None:
    shard = planned_shard()
    assert location_settings(shard, None) == PLANNED
    assert location_settings(shard, StoreSettings(profile="here")) == replace(PLANNED, profile="here")
    given = StoreSettings(endpoint_url="http://here", region="here")
    assert location_settings(shard, given) == replace(PLANNED, endpoint_url="http://here", region="here")


@pytest.mark.parametrize(
    ("out", "given", "endpoint"),
    [
        ("s3://warehouse/x", None, "http://planned"),
        ("gs://warehouse/x", None, None),
        ("/tables", None, None),
        ("s3://warehouse/x", StoreSettings(endpoint_url="http://here"), "http://here"),
        ("gs://warehouse/x", StoreSettings(endpoint_url="http://here"), "http://here"),
    ],
)
def test_the_output_has_nothing_that_is_about_the_bucket_of_the_location(
    out: str, given: StoreSettings | None, endpoint: str | None
) -> None:
    assert output_settings(planned_shard(), out, given) == StoreSettings(endpoint_url=endpoint)


def test_profile_and_region_of_this_machine_are_those_of_the_output() -> None:
    given = StoreSettings(profile="here", region="there", expected_bucket_owner="2")
    found = output_settings(planned_shard(), "s3://warehouse/x", given)
    assert (found.profile, found.region, found.expected_bucket_owner) == ("here", "there", None)
