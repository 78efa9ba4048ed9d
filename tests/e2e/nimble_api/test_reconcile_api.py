"""``harvester.reconcile`` against a real API server and a real copy: what a program gets for every kind of ending."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest

import harvester
from harvester.errors import AccessDenied, ExitCode, UsageError
from harvester.nimble_api.responses import UnknownId
from harvester.reconciliation.matching import TaskOutcome, TaskReason
from harvester.reconciliation.remedies import Remedy, task_remedy
from harvester.reconciliation.upstream_status import WaitObserver
from scripts.servers.nimble_server import NimbleApi
from tests.rigs.expected_batch import BATCH, SOON, World, envelope, outcomes

# ---- what lies here


def test_a_file_lost_here_or_replaced_in_the_bucket_is_due_again(world: World, nimble_api: NimbleApi) -> None:
    evicted = world.task("landed", delivered=True)
    world.sync()
    harvester.evict(world.destination, older_than=0)
    lost, altered, replaced, gone, twice_gone = (world.task("landed", delivered=True) for _ in range(5))
    world.batch()
    world.sync()
    (world.destination / f"{lost}.json").unlink()
    (world.destination / f"{altered}.json").write_text("{}")
    world.deliver(replaced, body=json.dumps(envelope(replaced, "<p>again")))
    (world.source / f"{gone}.json").unlink()
    (world.source / f"{twice_gone}.json").unlink()
    (world.destination / f"{twice_gone}.json").unlink()
    nimble_api.load(world.scenario)
    assert outcomes(world.reconcile(nimble_api)) == {
        evicted: (TaskOutcome.LANDED, TaskReason.NONE),
        lost: (TaskOutcome.DELIVERED, TaskReason.FILE_LOST),
        altered: (TaskOutcome.DELIVERED, TaskReason.FILE_LOST),
        replaced: (TaskOutcome.DELIVERED, TaskReason.NOT_FETCHED),
        gone: (TaskOutcome.LANDED, TaskReason.NONE),
        # In neither place: only the results API can still have it.
        twice_gone: (TaskOutcome.MISSING, TaskReason.NONE),
    }


def test_copies_of_one_result_are_incomplete_until_one_is_left(world: World, nimble_api: NimbleApi) -> None:
    same, other = world.task("duplicate", delivered=True), world.task("duplicate", delivered=True)
    first = world.deliver(same, f"again-{same}")
    second = world.deliver(other, f"again-{other}", json.dumps(envelope(other, "<p>another")))
    world.batch()
    nimble_api.load(world.scenario)
    world.deliver("nothing")
    assert world.sync().exit_code == 0
    report = world.reconcile(nimble_api)
    assert outcomes(report) == {
        same: (TaskOutcome.DUPLICATE, TaskReason.IDENTICAL_COPIES),
        other: (TaskOutcome.DUPLICATE, TaskReason.DELIVERED_TWICE),
    }
    assert {account.task.id for account in report.reconciliation.incomplete} == {same, other}
    assert task_remedy(report.reconciliation.incomplete[0]) is Remedy.REMOVE_DUPLICATES
    first.unlink()
    second.unlink()
    world.sync()
    assert world.reconcile(nimble_api).exit_code == 0


# ---- states that the API reports, or no longer reports


def test_what_a_batch_leaves_out_is_asked_of_the_tasks(world: World, nimble_api: NimbleApi) -> None:
    outcome_by_task = world.task("failed_upstream", error="no answer", error_type="timeout_error")
    young = world.task("arriving", modified_at=SOON)
    world.batch()
    tasks = {task["id"]: task for task in world.scenario.tasks}
    bare = [{"id": outcome_by_task, "state": "error"}, {"id": young, "state": "success"}]
    body = {"id": BATCH, "completed": True, "completed_count": 2, "progress": 1, "tasks": bare}
    world.scenario.faults = [{"path": f"/batches/{BATCH}", "status": 200, "times": 9, "body": body}]
    world.sync()
    nimble_api.load(world.scenario)
    report = world.reconcile(nimble_api)
    assert outcomes(report)[young] == (TaskOutcome.ARRIVING, TaskReason.NONE)
    assert report.reconciliation.tasks[0].task.error == tasks[outcome_by_task]["error"]


def test_a_task_that_nimble_has_forgotten_is_accounted_for_all_the_same(world: World, nimble_api: NimbleApi) -> None:
    landed, missing = world.task("landed", delivered=True), world.task("missing")
    answer = {"batch_id": "b-expired", "batch_size": 2, "tasks": [{"id": landed, "state": "pending"}, {"id": missing}]}
    expected = world.source.parent / "submitted.json"
    expected.write_text(json.dumps(answer))
    world.sync()
    world.scenario.tasks.clear()
    nimble_api.load(world.scenario)
    with harvester.NimbleClient("demo-key", base_url=nimble_api.url) as client:
        report = harvester.reconcile(world.destination, tasks_file=expected, client=client)
        assert outcomes(report) == {
            landed: (TaskOutcome.LANDED, TaskReason.NONE),
            missing: (TaskOutcome.MISSING, TaskReason.NOT_KNOWN),
        }
        # None known and nothing delivered: another account's, or mistyped.
        with pytest.raises(UnknownId):
            harvester.reconcile(world.destination, tasks=["unknown-1", "unknown-2"], client=client)
        nimble_api.scenario.forbidden = ["theirs"]
        with pytest.raises(AccessDenied):
            harvester.reconcile(world.destination, tasks=[landed, "theirs"], client=client)


def test_a_file_fills_the_nulls_of_its_batch(world: World, nimble_api: NimbleApi) -> None:
    ids = [world.task("landed", delivered=True) for _ in range(3)]
    world.scenario.batches = [{"id": BATCH, "tasks": [ids[0], None, None, None], "looks": 0}]
    expected = world.source.parent / "submitted.jsonl"
    expected.write_text(json.dumps({"batch_id": BATCH, "tasks": [{"id": task_id} for task_id in ids]}) + "\n")
    world.sync()
    nimble_api.load(world.scenario)
    with harvester.NimbleClient("demo-key", base_url=nimble_api.url) as client:
        report = harvester.reconcile(world.destination, tasks_file=expected, client=client)
    assert (report.reconciliation.expected, report.reconciliation.counts[TaskOutcome.LANDED], report.unlisted) == (
        3,
        3,
        1,
    )


# ---- waiting


def test_waiting_ends_when_everything_has(world: World, nimble_api: NimbleApi) -> None:
    task_id = world.task("landed", delivered=True)
    world.batch(looks=2)
    world.scenario.runs = [{"id": "run-1", "status": "SUCCESS", "summary": {"result_count": 0}}]
    pending = {"task": {"id": "single", "state": "levitating"}}
    world.scenario.tasks.append({"id": "single", "state": "error", "error": "boom"})
    world.scenario.faults = [{"path": "/tasks/single", "status": 200, "body": pending}]
    world.sync()
    nimble_api.load(world.scenario)
    seen: list[object] = []
    with harvester.NimbleClient("demo-key", base_url=nimble_api.url) as client:
        report = harvester.reconcile(
            world.destination,
            batches=[BATCH],
            runs=["run-1"],
            tasks=["single"],
            options=harvester.ReconcileOptions(wait=True, timeout=60),
            client=client,
            observer=WaitObserver(lambda known: seen.append(known[BATCH].completed), lambda *done: seen.append(done)),
        )
    assert outcomes(report)[task_id][0] is TaskOutcome.LANDED
    assert outcomes(report)["single"][0] is TaskOutcome.FAILED_UPSTREAM
    assert seen == [False, True, ("task", 0, 1), ("task", 1, 1), ("run", 1, 1)]


@pytest.mark.parametrize("expected", ["batches", "tasks", "runs"])
def test_a_timeout_reports_the_outcomes_so_far(world: World, nimble_api: NimbleApi, expected: str) -> None:
    task_id = world.task("running")
    world.batch(looks=10_000)
    world.scenario.runs = [{"id": "run-1", "status": "RUNNING"}]
    world.sync()
    nimble_api.load(world.scenario)
    ids = {"batches": BATCH, "tasks": task_id, "runs": "run-1"}[expected]
    report = world.reconcile(nimble_api, wait=True, timeout=0.3, **{expected: [ids]})
    assert (report.exit_code, len(report.reconciliation.tasks) + len(report.runs)) == (ExitCode.TIMED_OUT, 1)


# ---- runs of jobs


def run_of(world: World, run_id: str, rows: int | None, status: str = "SUCCESS", **fields: object) -> None:
    started = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    finished = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    run = {"id": run_id, "job_id": "job-1", "status": status, "started_at": started, "finished_at": finished}
    world.scenario.runs.append(run | {"summary": {"input_count": 2, "result_count": rows}} | fields)


def test_a_run_is_held_against_the_rows_that_landed(world: World, nimble_api: NimbleApi) -> None:
    (world.source / "part-0.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    before = world.source / "yesterday.jsonl"
    before.write_text('{"a": 1}\n')
    os.utime(before, (time.time() - 86400,) * 2)
    world.sync()
    run_of(world, "whole", 2)
    run_of(world, "short", 3)
    run_of(world, "partial", 2, "WARNING")
    run_of(world, "failed", None, "FAILED", error={"message": "no input", "step": "read"})
    run_of(world, "running", None, "RUNNING", finished_at=None)
    run_of(world, "untold", None)
    nimble_api.load(world.scenario)
    ids = [run["id"] for run in world.scenario.runs]
    minute = timedelta(minutes=1)
    report = world.reconcile(nimble_api, runs=ids, grace=timedelta(minutes=1, seconds=30))
    assert {run.run.id: run.outcome for run in report.runs} == {
        **{run_id: run_id for run_id in ids},
        "partial": "whole",
        "short": "arriving",
    }
    assert (report.runs[0].rows_landed, report.exit_code) == (2, 0)
    late = world.reconcile(nimble_api, runs=["short"], grace=minute / 2)
    assert (late.runs[0].outcome, late.exit_code) == ("short", ExitCode.DIFFERENCE)
    # What was delivered since is not here yet: a sync is the next step.
    (world.source / "part-1.jsonl").write_text('{"a": 3}\n')
    waiting = world.reconcile(nimble_api, runs=["short"], grace=2 * minute)
    assert waiting.runs[0].not_landed == (f"{world.source}/part-1.jsonl",)
    world.sync()
    assert world.reconcile(nimble_api, runs=["short"], grace=2 * minute).runs[0].outcome == "whole"


def test_files_that_carry_a_runs_id_are_its_own(world: World, nimble_api: NimbleApi) -> None:
    (world.source / "run_1-part.jsonl").write_text('{"a": 1}\n')
    (world.source / "run_2-part.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    world.sync()
    run_of(world, "run_1", 2)
    run_of(world, "run_2", 2)
    nimble_api.load(world.scenario)
    report = world.reconcile(nimble_api, runs=["run_1", "run_2"], grace=timedelta(minutes=1, seconds=30))
    assert [run.rows_landed for run in report.runs] == [1, 2]
    assert report.reconciliation.unexpected == ()
    alone = world.reconcile(nimble_api, runs=["run_1"], grace=timedelta(minutes=1, seconds=30))
    assert [found.name for found in alone.reconciliation.unexpected] == ["run_2-part.jsonl"]


def test_no_expected_task_is_refused(world: World, nimble_api: NimbleApi) -> None:
    world.sync()
    with pytest.raises(UsageError, match="no tasks to reconcile"):
        world.reconcile(nimble_api, batches=[])
