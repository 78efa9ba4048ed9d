"""Plans: stored whole, read back equal, never changed, and without credentials."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.backfill.backfill_plan import (
    BackfillPlan,
    ClassTotal,
    KeySpan,
    read_plan,
    read_shard,
    whole_microseconds,
    write_plan,
)
from harvester.backfill.upload_cutoff import PlannedUploads
from harvester.destination import Selection
from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.results import ResultOptions, Validation
from harvester.retry import RetryPolicy
from harvester.sessions import CheckExemption, StoreSettings
from harvester.storage import ObjectRef, RefusedObject
from harvester.tables import ExportOptions, parse_columns
from harvester.tables.outputs.output_store import DirectoryOutput
from harvester.transfer import SyncOptions, WorkerLimits
from tests.unit.backfill.plans import small_plan


def full_plan() -> BackfillPlan:
    """Return a plan in which nothing has its default."""
    plan = small_plan()
    backfill = replace(
        plan.backfill,
        sync=SyncOptions(
            selection=Selection(("*.json",), ("x*",)),
            result=ResultOptions(
                validation=Validation.OFF, user_schema='{"type": "object"}', max_content_bytes=5, max_schema_steps=9
            ),
            max_object_bytes=7,
            unsafe_names="refuse",
            worker_limits=WorkerLimits(2.0, 60.0, 2**31),
            probe_name=".probe",
            upstream_failures=frozenset({"failed"}),
        ),
        export=ExportOptions(
            format="jsonl",
            compression="gzip",
            columns=parse_columns([{"name": "price", "pointer": "/data/parsing/price", "type": "float64"}]),
            drop=("html",),
            part_bytes=1000,
            value_bytes=100,
        ),
        settings=StoreSettings(
            endpoint_url="http://127.0.0.1:9000",
            region="eu-west-1",
            request_payer=True,
            expected_bucket_owner="123456789012",
            exemptions=frozenset({CheckExemption.ETAG_NOT_MD5}),
            retry=RetryPolicy(attempts=3, stall_seconds=20),
            max_rps=12.5,
        ),
    )
    return replace(
        plan,
        backfill=backfill,
        storage_classes={"STANDARD": ClassTotal(25, 2500), "GLACIER": ClassTotal(5, 500)},
        ignored={"after_until": 2},
        parallelism=2,
        max_rps=25.0,
        kms_max_rps=100.0,
        uploads=PlannedUploads(1, 2, ("results/a", "results/b")),
    )


def test_a_plan_is_read_back_equal(tmp_path: Path) -> None:
    store = DirectoryOutput(tmp_path)
    write_plan(full_plan(), store)
    assert read_plan(store) == full_plan()
    assert (read_plan(store).objects, read_plan(store).bytes) == (30, 3000)


@given(st.floats(0, 2**33))
def test_times_of_a_plan_are_those_that_it_stores(seconds: float) -> None:
    stored = whole_microseconds(seconds)
    assert abs(stored - seconds) <= 0.000_001
    assert whole_microseconds(stored) == stored


def test_a_plan_is_written_once(tmp_path: Path) -> None:
    store = DirectoryOutput(tmp_path)
    write_plan(small_plan(), store)
    write_plan(small_plan(), store)
    with pytest.raises(UsageError) as caught:
        write_plan(small_plan(4), store)
    assert caught.value.code is ErrorCode.BACKFILL_PLANNED
    assert len(read_plan(store).spans) == 3


def test_key_lists_are_stored_beside_the_plan(tmp_path: Path) -> None:
    store = DirectoryOutput(tmp_path)
    lists = (("a", ObjectRef("b", 5, "e", 1.5, "STANDARD")), (RefusedObject("c\udc80", "name_not_utf8"),))
    spans = (KeySpan(objects=2, bytes=5, listed=True), KeySpan(listed=True))
    plan = replace(small_plan(2), spans=spans, key_lists=lists)
    write_plan(plan, store)
    read = read_plan(store)
    assert read.key_lists is None
    assert [read_shard(store, read, index).keys for index in (0, 1)] == list(lists)
    assert plan.shards[0].keys == lists[0]


def test_credentials_and_profiles_are_not_stored() -> None:
    plan = full_plan()
    secret = replace(plan.backfill.settings, profile="of this machine")
    text = json.dumps(replace(plan, backfill=replace(plan.backfill, settings=secret)).as_document())
    assert "of this machine" not in text
    with_password = replace(secret, endpoint_url="https://user:password@store.example")
    with pytest.raises(UsageError) as caught:
        replace(plan, backfill=replace(plan.backfill, settings=with_password)).as_document()
    assert caught.value.code is ErrorCode.PLAN_WITH_CREDENTIALS
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_shard_that_is_not_planned_is_an_error(index: int) -> None:
    with pytest.raises(UsageError) as caught:
        small_plan().shard(index)
    assert caught.value.code is ErrorCode.NO_SUCH_SHARD


def test_an_output_without_a_plan_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_plan(DirectoryOutput(tmp_path))
    assert caught.value.code is ErrorCode.NO_BACKFILL


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "urn:other"},
        {"shards": [{"after": ""}, 5]},
        {"cutoff": None},
        {"cutoff": 1_700_000_000.5},
        {"cutoff": "2023-11-14T22:13:20"},
        {"created_at": "yesterday"},
        {"location": "nowhere"},
        {"export": {}},
        {"sync": {"validate": "nonsense"}},
        {"store": []},
        {"uploads": {"in_progress": 1}},
    ],
)
def test_a_damaged_plan_is_named(tmp_path: Path, change: dict[str, object]) -> None:
    store = DirectoryOutput(tmp_path)
    store.create("plan.json", json.dumps({**full_plan().as_document(), **change}).encode())
    with pytest.raises(IntegrityError) as caught:
        read_plan(store)
    assert caught.value.subject == f"{store.url}/plan.json"
