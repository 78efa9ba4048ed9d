"""The estimate of a plan: requests by kind, archived objects, scratch space, processor time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harvester.backfill.backfill_plan import ClassTotal, KeySpan
from harvester.backfill.estimates import INFLATION, estimate
from harvester.tables import ExportOptions
from tests.unit.backfill.plans import small_plan


def test_requests_are_counted_by_kind() -> None:
    plan = small_plan()
    spans = (KeySpan(objects=2500, bytes=10_000), KeySpan(objects=10, bytes=50_000), KeySpan())
    classes = {"STANDARD": ClassTotal(2500, 10_000), "GLACIER": ClassTotal(7, 1), "DEEP_ARCHIVE": ClassTotal(3, 1)}
    backfill = replace(plan.backfill, export=ExportOptions(part_bytes=20_000))
    costs = estimate(replace(plan, backfill=backfill, spans=spans, storage_classes=classes))
    assert costs.requests == {
        "list": 3 + 1 + 1,
        "get": 2500,
        "put": 1 + 3 + 3 * 3,
        "copy": 4,
        "delete": 4,
        "kms_decrypt": 2500,
    }
    assert costs.archived == 10
    assert costs.scratch_bytes == 50_000 * INFLATION


def test_given_keys_are_asked_for_and_not_listed() -> None:
    plan = replace(small_plan(1), spans=(KeySpan(objects=5, listed=True),))
    assert estimate(plan).requests["head"] == 5
    assert "list" not in estimate(plan).requests


def test_processor_time_grows_with_objects_and_bytes() -> None:
    plan = replace(small_plan(2), spans=(KeySpan(objects=20_000), KeySpan(objects=1, bytes=256 * 1024 * 1000)))
    costs = estimate(plan)
    assert costs.largest_core_seconds == pytest.approx(10.4)
    assert costs.core_seconds == pytest.approx(10.4 + 0.4 + 0.5 + 0.0005)
