"""Rescue: what the API holds of results that did not arrive, and what later replaces it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import harvester
from harvester.errors import DestinationLocked, ExitCode
from harvester.reconciliation.matching import TaskOutcome, TaskReason
from harvester.reconciliation.remedies import Remedy, task_remedy
from harvester.transfer.rescued_results import RescuedResult
from harvester.transfer.session import land_rescued, open_session
from scripts.servers.nimble_server import NimbleApi
from scripts.servers.server_process import ServerProcess
from tests.rigs.expected_batch import World, envelope, outcomes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_a_rescued_result_gives_way_to_the_delivered_object_even_without_an_id_in_it(
    world: World, nimble_api: NimbleApi
) -> None:
    named, nameless = world.task("missing"), world.task("missing")
    world.batch()
    body = {name: value for name, value in envelope(nameless).items() if name != "task_id"}
    world.held(named)
    world.held(nameless, body=body)
    world.sync()
    nimble_api.load(world.scenario)
    assert world.reconcile(nimble_api, rescue=True).exit_code == 0
    rescued = [world.destination / "_rescued" / f"{task_id}.json" for task_id in (named, nameless)]
    assert all(path.is_file() for path in rescued)
    assert world.sync().source_gone == 0
    world.deliver(named)
    world.deliver(nameless, body=json.dumps(body))
    # Delivered and not fetched yet: the copy here is the rescued one, and a sync is due.
    assert outcomes(world.reconcile(nimble_api))[named] == (TaskOutcome.DELIVERED, TaskReason.NOT_FETCHED)
    world.sync()
    assert not any(path.exists() for path in rescued)
    assert outcomes(world.reconcile(nimble_api)) == dict.fromkeys(
        (named, nameless), (TaskOutcome.LANDED, TaskReason.NONE)
    )
    assert len(list(harvester.read(world.destination))) == 2


@pytest.mark.parametrize("body", [json.dumps(envelope("another")).encode(), b"{"], ids=["landed", "quarantined"])
@pytest.mark.parametrize("order", ["delivered first", "rescued first"])
def test_a_key_like_the_manifests_own_name_of_a_rescued_result_is_another_object(
    tmp_path: Path,
    s3: S3Client,
    s3_bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    moto: ServerProcess,
    order: str,
    body: bytes,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    location, destination = f"s3://{s3_bucket}/", tmp_path / "destination"
    rescued = RescuedResult("task-1", json.dumps(envelope("task-1")).encode())
    if order == "rescued first":
        harvester.sync(location, destination)
        land_rescued(destination, [rescued], harvester.SyncOptions())
    s3.put_object(Bucket=s3_bucket, Key="nimble-task:task-1", Body=body)
    harvester.sync(location, destination)
    if order == "delivered first":
        land_rescued(destination, [rescued], harvester.SyncOptions())

    report = harvester.sync(location, destination)
    assert (report.counts.landed, report.counts.unchanged + report.counts.quarantined) == (0, 1)
    rows = {row.seq: row.task_id for row in harvester.read(destination)}
    assert set(rows.values()) == {"task-1"} | ({"another"} if body != b"{" else set())
    paths = {str(path.relative_to(destination)) for path in destination.rglob("*-1*") if path.is_file()}
    assert paths >= {"_rescued/task-1.json"} | ({"nimble-task:task-1"} if body != b"{" else set())
    assert [each.mark for each in harvester.Verification(destination) if each.mark != "="] == []

    s3.put_object(Bucket=s3_bucket, Key="task-1.json", Body=rescued.body)
    assert harvester.sync(location, destination).counts.landed == 1
    assert not (destination / "_rescued" / "task-1.json").exists()
    assert harvester.sync(location, destination).counts.listed == 2
    assert [each.mark for each in harvester.Verification(destination) if each.mark != "="] == []


def test_a_quarantined_delivery_is_rescued_and_the_repaired_object_takes_its_place(
    world: World, nimble_api: NimbleApi
) -> None:
    broken = world.task("delivered")
    world.deliver(broken, body='{"task_id": "')
    world.batch()
    world.held(broken)
    world.sync()
    nimble_api.load(world.scenario)
    assert outcomes(world.reconcile(nimble_api))[broken] == (TaskOutcome.DELIVERED, TaskReason.QUARANTINED)
    report = world.reconcile(nimble_api, rescue=True)
    assert outcomes(report)[broken] == (TaskOutcome.LANDED, TaskReason.NONE)
    assert report.reconciliation.tasks[0].objects[0].local == "rescued"
    assert world.sync().counts.quarantined == 1
    assert outcomes(world.reconcile(nimble_api))[broken] == (TaskOutcome.LANDED, TaskReason.NONE)
    world.deliver(broken)
    world.sync()
    assert [row.key for row in harvester.read(world.destination)] == [f"{world.source}/{broken}.json"]


def test_an_image_is_rescued_unchanged(world: World, nimble_api: NimbleApi) -> None:
    picture = world.task("missing")
    pixels = "\x89PNG\r\n\x1a\n" + "pixels"
    world.batch()
    world.held(picture, text=pixels, headers={"Content-Type": "image/png"})
    world.sync()
    nimble_api.load(world.scenario)
    report = world.reconcile(nimble_api, rescue=True)
    assert report.exit_code == 0, report.as_document()
    assert (world.destination / "_rescued" / f"{picture}.png").read_bytes() == pixels.encode()


def test_what_a_killed_rescue_left_unrecorded_is_no_result(world: World, nimble_api: NimbleApi) -> None:
    task_id = world.task("missing")
    world.batch()
    world.held(task_id, status=404, body={"status": "failed", "error": "Results not found"})
    world.sync()
    left = world.destination / "_rescued" / f"{task_id}.json"
    left.parent.mkdir()
    left.write_text("{}")
    nimble_api.load(world.scenario)
    report = world.reconcile(nimble_api, rescue=True)
    assert outcomes(report)[task_id] == (TaskOutcome.MISSING, TaskReason.NOT_HELD)
    assert not left.exists()
    assert task_remedy(report.reconciliation.tasks[0]) is Remedy.SUBMIT_AGAIN


def test_one_result_that_cannot_be_had_does_not_keep_the_others(world: World, nimble_api: NimbleApi) -> None:
    missing = [world.task("missing") for _ in range(12)]
    world.batch()
    world.held(*missing)
    world.held(missing[3], status=500, body={"status": "failed", "success": "false", "msg": "internal error"})
    world.sync()
    nimble_api.load(world.scenario)
    report = world.reconcile(nimble_api, rescue=True)
    assert report.rescue is not None
    assert sorted(report.rescue.landed) == sorted({*missing} - {missing[3]})
    assert outcomes(report)[missing[3]] == (TaskOutcome.MISSING, TaskReason.RESCUE_FAILED)
    assert "internal error" in report.rescue.failed[0].detail
    assert (report.error, report.exit_code) == (None, ExitCode.DIFFERENCE)
    del world.scenario.results[missing[3]]
    nimble_api.load(world.scenario)
    assert world.reconcile(nimble_api, rescue=True).exit_code == 0


def test_a_throttled_rescue_honours_retry_after(world: World, nimble_api: NimbleApi) -> None:
    missing = [world.task("missing") for _ in range(8)]
    world.batch()
    world.held(*missing)
    world.scenario.faults = [
        {"path": f"/tasks/{task_id}/results", "status": 429, "headers": {"Retry-After": "1"}} for task_id in missing[:2]
    ]
    world.sync()
    nimble_api.load(world.scenario)
    assert world.reconcile(nimble_api, rescue=True).exit_code == 0
    assert nimble_api.impatient == 0


def test_a_locked_destination_is_reported_beside_the_outcomes(world: World, nimble_api: NimbleApi) -> None:
    missing = world.task("missing")
    world.batch()
    world.held(missing)
    world.sync()
    nimble_api.load(world.scenario)
    location = harvester.parse_location(world.location)
    with open_session(location, world.destination, harvester.SyncOptions(workers=1)):
        report = world.reconcile(nimble_api, rescue=True)
    assert isinstance(report.error, DestinationLocked)
    assert (report.exit_code, outcomes(report)[missing]) == (ExitCode.LOCKED, (TaskOutcome.MISSING, TaskReason.NONE))
