"""Planning: how many shards, and which objects are counted."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.backfill.backfill_plan import ClassTotal, whole_microseconds
from harvester.backfill.backfill_planning import BackfillOptions, plan_backfill
from harvester.errors import UsageError
from harvester.location import Location, parse_location
from harvester.sessions import StoreSettings
from harvester.storage import KeyList, ObjectRef, RefusedObject
from harvester.tables import ExportOptions
from harvester.transfer import SyncOptions


def directory(tmp_path: Path, objects: int) -> Location:
    for number in range(objects):
        path = tmp_path / f"{number:04d}.json"
        path.write_bytes(b"x" * 10)
        os.utime(path, (1000 + number, 1000 + number))
    return parse_location(f"file://{tmp_path}/")


def test_shards_have_20000_objects_unless_a_number_is_named(tmp_path: Path) -> None:
    location = directory(tmp_path, 3)
    assert [span.objects for span in plan_backfill(location, None).spans] == [3]
    assert [span.objects for span in plan_backfill(location, 3).spans] == [1, 1, 1]
    keys = KeyList([f"{location.prefix}{number}" for number in range(40_001)])
    assert [span.objects for span in plan_backfill(location, None, keys=keys).spans] == [13_334, 13_334, 13_333]


def test_what_is_too_new_is_counted_and_not_planned(tmp_path: Path) -> None:
    plan = plan_backfill(directory(tmp_path, 10), 2, BackfillOptions(cutoff=1004.0))
    assert (plan.objects, plan.bytes, plan.ignored) == (5, 50, {"after_until": 5})
    assert plan.storage_classes == {"STANDARD": ClassTotal(5, 50)}
    assert plan.backfill.cutoff == 1004.0


def test_limits_are_divided_by_the_shards_at_work_at_once(tmp_path: Path) -> None:
    location = directory(tmp_path, 4)
    shares = {
        (parallelism, rps, kms): plan_backfill(
            location, 4, BackfillOptions(parallelism=parallelism, max_rps=rps, kms_max_rps=kms)
        ).backfill.settings.max_rps
        for parallelism, rps, kms in (
            *((0, 100.0, None), (2, 100.0, None), (9, 100.0, 10.0)),
            *((2, None, 10.0), (1, None, None)),
        )
    }
    assert list(shares.values()) == [25.0, 50.0, 2.5, 5.0, None]


def test_given_keys_are_sorted_and_taken_once(tmp_path: Path) -> None:
    location = directory(tmp_path, 0)
    key = location.key
    described = ObjectRef(key("c"), 7, "e", 5.0, "GLACIER")
    given = KeyList([key("b"), described, key("a"), key("b"), RefusedObject(key("d"), "invalid_size")])
    plan = plan_backfill(location, 2, keys=given)
    assert plan.key_lists == ((key("a"), key("b")), (described, RefusedObject(key("d"), "invalid_size")))
    assert [(span.objects, span.bytes, span.listed) for span in plan.spans] == [(2, 0, True), (1, 7, True)]
    assert plan.storage_classes == {"GLACIER": ClassTotal(1, 7)}
    assert [span.objects for span in plan_backfill(location, 2, keys=KeyList([])).spans] == [0]


@pytest.mark.parametrize(
    ("given", "begun_at", "cutoff"),
    [
        (None, 500_000.0, 500_000.0 - 24 * 3600),
        (499_999.0, 500_000.0, 499_999.0),
        (500_000.0, 500_000.0, 500_000.0 - 24 * 3600),
        (1000.0, None, 1000.0),
        (1000.0, 1e12, 1000.0),
    ],
)
def test_the_cutoff_is_a_day_before_an_inventory_was_begun(
    tmp_path: Path, given: float | None, begun_at: float | None, cutoff: float
) -> None:
    location = directory(tmp_path, 0)
    ref = ObjectRef(location.key("a"), 7, "e", 499_000.0)
    keys = KeyList([ref], begun_at=begun_at)
    plan = plan_backfill(location, 1, BackfillOptions(cutoff=given), keys=keys)
    assert plan.backfill.cutoff == cutoff
    assert (plan.objects, plan.ignored) == ((1, {}) if cutoff >= 499_000 else (0, {"after_until": 1}))


def test_an_inventory_of_the_future_leaves_the_store_s_time(tmp_path: Path) -> None:
    before = time.time()
    for begun_at in (None, 1e12):
        plan = plan_backfill(directory(tmp_path, 0), 1, keys=KeyList([], begun_at=begun_at))
        assert whole_microseconds(before) <= plan.backfill.cutoff <= time.time()


@pytest.mark.parametrize("count", [0, -1, 100_001])
def test_a_number_of_shards_that_no_engine_takes_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(UsageError):
        plan_backfill(directory(tmp_path, 1), count)


def test_delta_and_unknown_columns_are_refused_before_anything_is_listed(tmp_path: Path) -> None:
    nowhere = parse_location(f"file://{tmp_path}/missing/")
    for export in (ExportOptions(format="delta"), ExportOptions(drop=("key",))):
        with pytest.raises(UsageError):
            plan_backfill(nowhere, 1, BackfillOptions(export=export))


def test_a_profile_is_not_planned(tmp_path: Path) -> None:
    location = directory(tmp_path, 1)
    plan = plan_backfill(location, 1, BackfillOptions(sync=SyncOptions()), settings=StoreSettings(profile="here"))
    assert plan.backfill.settings == replace(StoreSettings(), profile=None)
