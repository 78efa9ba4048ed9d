"""Reconcile and rescue, by the installed command, against a real API server and a real copy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scripts.nimble_api import NimbleApi, Scenario

COMMAND = Path(sys.executable).parent / "nimble-harvester"
LONG_AGO = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
JUST_NOW = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()


def run(
    *arguments: str | Path, api: NimbleApi | None = None, key: str = "demo-key"
) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NIMBLE_")}
    if api is not None:
        environment |= {"NIMBLE_API_KEY": key, "NIMBLE_BASE_URL": api.url}
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, env=environment, check=False)


def envelope(task_id: str) -> dict[str, Any]:
    return {"url": f"https://example.com/{task_id}", "task_id": task_id, "status": "success", "data": {"html": "<p>"}}


def deliver(source: Path, task_id: str, name: str | None = None) -> None:
    (source / f"{name or task_id}.json").write_text(json.dumps(envelope(task_id)))


class World:
    """A bucket, its copy, and what the API says was promised."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "bucket"
        self.source.mkdir()
        self.destination = folder / "results"
        self.scenario = Scenario()
        self.expected: dict[str, int] = {}

    def task(self, number: int, kind: str, **fields: Any) -> str:
        task_id = f"{number:08x}-{kind.replace('_', '')}"
        state = {"failed_upstream": "error", "running": "pending"}.get(kind, "success")
        task = {"id": task_id, "state": state, "created_at": LONG_AGO, "modified_at": LONG_AGO, "batch_id": "batch-1"}
        self.scenario.tasks.append(task | fields)
        self.expected[kind] = self.expected.get(kind, 0) + 1
        return task_id

    def sync(self) -> subprocess.CompletedProcess[str]:
        return run("sync", f"file://{self.source}", self.destination)

    def reconcile(self, api: NimbleApi, *more: str) -> tuple[int, dict[str, Any]]:
        done = run("reconcile", self.destination, "--batch", "batch-1", "--format", "json", *more, api=api)
        assert done.stderr == "" or "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)


def build_mixed(folder: Path) -> World:
    """A batch of 1,000 with every kind of ending."""
    world = World(folder)
    numbers = iter(range(1000))
    late: list[str] = []
    for _ in range(600):
        deliver(world.source, world.task(next(numbers), "landed"))
    for _ in range(50):
        late.append(world.task(next(numbers), "delivered"))
    for _ in range(60):
        world.task(next(numbers), "missing")
    for _ in range(20):
        lost = world.task(next(numbers), "missing")
        world.scenario.results[lost] = {"status": 404, "body": {"status": "failed", "error": "Task not found"}}
    for _ in range(30):
        world.task(next(numbers), "arriving", modified_at=JUST_NOW)
    for position in range(150):
        world.task(next(numbers), "failed_upstream", error=f"no answer {position}", error_type="timeout_error")
    for _ in range(40):
        world.task(next(numbers), "running")
    for _ in range(10):
        world.task(next(numbers), "running", state="levitating")
    for _ in range(40):
        twice = world.task(next(numbers), "duplicate")
        deliver(world.source, twice)
        deliver(world.source, twice, f"custom-{twice}")
    deliver(world.source, "nobody-asked")
    (world.source / ".nimble-connection-test").touch()
    assert world.sync().returncode == 0
    for task_id in late:
        deliver(world.source, task_id)
    ids = [task["id"] for task in world.scenario.tasks]
    assert len(ids) == 1000
    world.scenario.batches = [{"id": "batch-1", "tasks": [*ids, None], "looks": 0}]
    world.scenario.results |= {
        task_id: {"body": envelope(task_id)}
        for task_id in ids
        if task_id.endswith("missing") and task_id not in world.scenario.results
    }
    return world


def test_a_mixed_batch_of_a_thousand_is_accounted_for_and_rescued(tmp_path: Path) -> None:
    world = build_mixed(tmp_path)
    with NimbleApi(world.scenario) as api:
        code, report = world.reconcile(api)
        assert code == 10
        assert report["promised"] == 1000
        assert report["counts"] == world.expected
        assert sum(report["counts"].values()) == 1000
        assert [found["key"] for found in report["unexpected"]] == [f"{world.source}/nobody-asked.json"]
        assert report["unlisted"] == 1
        assert report["expires_at"] is not None
        failed = next(task for task in report["tasks"] if task["outcome"] == "failed_upstream")
        assert failed["error_type"] == "timeout_error"
        assert failed["error"].startswith("no answer")

        assert world.sync().returncode == 0
        code, report = world.reconcile(api, "--rescue")
        assert len(report["rescue"]["landed"]) == 60
        assert len(report["rescue"]["lost"]) == 20
        assert report["counts"]["landed"] == 600 + 50 + 60
        assert report["counts"]["missing"] == 20
        assert code == 10

        code, again = world.reconcile(api, "--rescue")
        assert again["rescue"]["landed"] == []
        assert again["counts"] == report["counts"]
    verified = run("verify", world.destination)
    assert verified.returncode == 0, verified.stdout
    rescued = run("cat", world.destination, "--run", "3")
    assert len(rescued.stdout.splitlines()) == 60


def test_a_rescued_result_gives_way_to_the_delivered_object(tmp_path: Path) -> None:
    world = World(tmp_path)
    deliver(world.source, world.task(1, "landed"))
    missing = world.task(2, "missing")
    world.scenario.results[missing] = {"body": envelope(missing)}
    world.scenario.batches = [{"id": "batch-1", "tasks": [task["id"] for task in world.scenario.tasks], "looks": 0}]
    assert world.sync().returncode == 0
    with NimbleApi(world.scenario) as api:
        code, report = world.reconcile(api, "--rescue")
        assert code == 0
        rescued = next(task for task in report["tasks"] if task["id"] == missing)
        assert rescued["objects"][0]["local"] == "rescued"
        assert (world.destination / "_rescued" / f"{missing}.json").is_file()
        unchanged = run("sync", f"file://{world.source}", world.destination, "--format", "json")
        assert json.loads(unchanged.stdout)["source_gone"] == 0
        deliver(world.source, missing)
        assert world.sync().returncode == 0
        assert not (world.destination / "_rescued" / f"{missing}.json").exists()
        assert (world.destination / f"{missing}.json").is_file()
        code, report = world.reconcile(api)
        assert (code, report["counts"]["landed"]) == (0, 2)
    assert run("verify", world.destination).returncode == 0


def test_an_invalid_rescued_result_is_quarantined_and_stays_a_gap(tmp_path: Path) -> None:
    world = World(tmp_path)
    missing = world.task(1, "missing")
    world.scenario.results[missing] = {"text": "<html>Bad gateway</html>"}
    world.scenario.batches = [{"id": "batch-1", "tasks": [missing], "looks": 0}]
    assert world.sync().returncode == 0
    with NimbleApi(world.scenario) as api:
        code, report = world.reconcile(api, "--rescue")
    assert code == 10
    assert [each["id"] for each in report["rescue"]["quarantined"]] == [missing]


def test_waiting_ends_when_the_batch_does(tmp_path: Path) -> None:
    world = World(tmp_path)
    delivered = world.task(1, "landed")
    deliver(world.source, delivered)
    world.scenario.batches = [{"id": "batch-1", "tasks": [delivered], "looks": 2}]
    assert world.sync().returncode == 0
    with NimbleApi(world.scenario) as api:
        code, report = world.reconcile(api, "--wait", "--timeout", "60s")
    assert (code, report["counts"]["landed"]) == (0, 1)


def test_waiting_no_longer_than_asked_exits_14_with_the_account(tmp_path: Path) -> None:
    world = World(tmp_path)
    running = world.task(1, "running")
    world.scenario.batches = [{"id": "batch-1", "tasks": [running], "looks": 10_000}]
    assert world.sync().returncode == 0
    with NimbleApi(world.scenario) as api:
        code, report = world.reconcile(api, "--wait", "--timeout", "1s")
    assert (code, report["counts"]["running"]) == (14, 1)


def test_a_job_run_is_held_against_the_rows_that_landed(tmp_path: Path) -> None:
    world = World(tmp_path)
    (world.source / "part-0.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    assert world.sync().returncode == 0
    started = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    finished = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    world.scenario.runs = [
        {"id": f"run-{rows}", "job_id": "job-1", "status": "SUCCESS", "created_at": started, "started_at": started,
         "finished_at": finished, "summary": {"input_count": 2, "result_count": rows, "match_rate": 1.0}}
        for rows in (2, 3)
    ]  # fmt: skip
    with NimbleApi(world.scenario) as api:
        whole = run("reconcile", world.destination, "--run", "run-2", "--format", "json", api=api)
        short = run("reconcile", world.destination, "--run", "run-3", "--format", "json", api=api)
    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout)["runs"][0]["verdict"] == "whole"
    assert short.returncode == 10
    assert json.loads(short.stdout)["runs"][0]["rows_landed"] == 2


def test_a_tasks_file_promises_single_tasks(tmp_path: Path) -> None:
    world = World(tmp_path)
    task_id = world.task(1, "landed", batch_id=None)
    deliver(world.source, task_id)
    assert world.sync().returncode == 0
    promised = tmp_path / "tasks.txt"
    promised.write_text(f"{task_id}\n")
    with NimbleApi(world.scenario) as api:
        done = run("reconcile", world.destination, "--tasks", promised, "--format", "jsonl", api=api)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [line["event"] for line in lines] == ["task", "report"]
    assert lines[0]["outcome"] == "landed"


@pytest.mark.parametrize(
    ("arguments", "key", "code"),
    [
        (("--batch", "nowhere"), "demo-key", 2),
        (("--batch", "batch-1"), "wrong-key", 4),
        ((), "demo-key", 2),
        (("--tasks", "no-such-file"), "demo-key", 2),
    ],
)
def test_bad_input_is_told_in_words(tmp_path: Path, arguments: tuple[str, ...], key: str, code: int) -> None:
    world = World(tmp_path)
    world.scenario.batches = [{"id": "batch-1", "tasks": [], "looks": 0}]
    assert world.sync().returncode == 0
    with NimbleApi(world.scenario) as api:
        done = run("reconcile", world.destination, *arguments, api=api, key=key)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) <= 4
    assert key not in done.stderr or key == "demo-key"


def test_no_key_and_no_copy_are_configuration_errors(tmp_path: Path) -> None:
    assert run("reconcile", tmp_path, "--batch", "x").returncode == 8
    with NimbleApi(Scenario()) as api:
        done = run("reconcile", tmp_path / "never", "--batch", "x", api=api)
    assert done.returncode == 8
    assert "never been synced" in done.stderr
