"""A bucket, its mirror, and an API with the tasks expected in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import harvester
from harvester.nimble_api.client import NimbleClient
from harvester.reconciliation.matching import TaskOutcome, TaskReason
from harvester.reconciliation.reconcile_report import ReconcileReport
from scripts.servers.nimble_server import NimbleApi, Scenario

BATCH = "batch-1"
LONG_AGO = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
SOON = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
"""Within every grace for as long as the tests run."""


def envelope(task_id: str, text: str = "<p>") -> dict[str, Any]:
    return {"url": f"https://example.com/{task_id}", "task_id": task_id, "status": "success", "data": {"html": text}}


def outcomes(report: ReconcileReport) -> dict[str, tuple[TaskOutcome, TaskReason]]:
    """Return the outcome of each task, whose counts add up, with its reason."""
    assert sum(report.reconciliation.counts.values()) == report.reconciliation.expected
    return {account.task.id: (account.outcome, account.reason) for account in report.reconciliation.tasks}


class World:
    """A bucket, its mirror, and the tasks that the API reports."""

    def __init__(self, folder: Path) -> None:
        self.source = folder / "bucket"
        self.source.mkdir()
        self.location = f"file://{self.source}/"
        self.destination = folder / "results"
        self.scenario = Scenario()
        self.expected: dict[str, int] = {}

    def task(self, kind: str, *, delivered: bool = False, **fields: Any) -> str:
        """Add a task to the batch, with the expected outcome ``kind``; ``delivered``: put its object."""
        task_id = f"{len(self.scenario.tasks):08x}-{kind.replace('_', '')}"
        state = {"failed_upstream": "error", "running": "pending"}.get(kind, "success")
        task = {"id": task_id, "state": state, "created_at": LONG_AGO, "modified_at": LONG_AGO, "batch_id": BATCH}
        self.scenario.tasks.append(task | fields)
        self.expected[kind] = self.expected.get(kind, 0) + 1
        if delivered:
            self.deliver(task_id)
        return task_id

    def batch(self, *more: None, looks: int = 0) -> None:
        """Make the tasks so far a batch, with ``more`` nulls."""
        ids = [task["id"] for task in self.scenario.tasks]
        self.scenario.batches = [{"id": BATCH, "tasks": [*ids, *more], "looks": looks}]

    def deliver(self, task_id: str, name: str | None = None, body: str | None = None) -> Path:
        path = self.source / f"{name or task_id}.json"
        path.write_text(body if body is not None else json.dumps(envelope(task_id)))
        return path

    def held(self, *task_ids: str, **answer: Any) -> None:
        """Let the results API hold these results, or give ``answer`` for them."""
        self.scenario.results |= {task_id: answer or {"body": envelope(task_id)} for task_id in task_ids}

    def sync(self) -> harvester.SyncReport:
        return harvester.sync(self.location, self.destination, harvester.SyncOptions(workers=1))

    def reconcile(self, api: NimbleApi, **options: Any) -> ReconcileReport:
        """Reconcile the batch, or what ``batches``, ``runs`` or ``tasks`` name, within this process."""
        names = {name: options.pop(name) for name in ("batches", "runs", "tasks") if name in options}
        with NimbleClient(api.scenario.api_key, base_url=api.url, attempts=2) as client:
            return harvester.reconcile(
                self.destination,
                **(names or {"batches": [BATCH]}),
                options=harvester.ReconcileOptions(**options),
                client=client,
            )
