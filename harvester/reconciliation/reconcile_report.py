"""The report of a reconciliation, with what completes every incomplete task."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from harvester.errors import ExitCode, HarvesterError, TimedOut
from harvester.metrics import Metric
from harvester.reconciliation.job_runs import ReconciledRun
from harvester.reconciliation.matching import ReconciledTask, Reconciliation
from harvester.reconciliation.remedies import run_remedy, task_remedy
from harvester.reconciliation.rescue import RescueReport
from harvester.text import rfc3339_of

RECONCILIATION_SCHEMA = "urn:nimble-harvester:reconciliation:v1"


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """The outcome of every expected task and run."""

    destination: str
    """The destination's path."""
    location: str
    """URL of its source."""
    reconciliation: Reconciliation
    """Every expected task with exactly one outcome."""
    runs: tuple[ReconciledRun, ...] = ()
    """The job runs."""
    unlisted: int = 0
    """Number of tasks that the API or the file counts without naming them."""
    rescue: RescueReport | None = None
    """What was rescued; None if no rescue was requested."""
    timed_out: TimedOut | None = None
    """Set if the deadline passed before all tasks had ended."""

    @property
    def error(self) -> HarvesterError | None:
        """What ended the work early; the report is valid nevertheless."""
        if self.rescue is not None and self.rescue.error is not None:
            return self.rescue.error
        return self.timed_out

    @property
    def exit_code(self) -> ExitCode:
        """The error's exit code, else DIFFERENCE if a task or run is incomplete."""
        if self.error is not None:
            return ExitCode(self.error.exit_code)
        incomplete = bool(self.reconciliation.incomplete) or any(run.outcome.is_incomplete for run in self.runs)
        return ExitCode.DIFFERENCE if incomplete else ExitCode.OK

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        found = self.reconciliation
        return {
            "schema": RECONCILIATION_SCHEMA,
            "destination": self.destination,
            "location": self.location,
            "promised": found.expected,
            "counts": {outcome.value: number for outcome, number in found.counts.items()},
            "unlisted": self.unlisted,
            "expires_at": _moment(found.expires_at),
            "exit_code": int(self.exit_code),
            "rescue": None if self.rescue is None else _rescue(self.rescue),
            "runs": [_run(run) for run in self.runs],
            "tasks": [_task(task) for task in found.tasks],
            "unexpected": [
                {"key": each.key, "local": each.local.value, "path": each.path, "task_id": each.task_id}
                for each in found.unexpected
            ],
        }


def reconcile_metrics(report: ReconcileReport) -> list[Metric]:
    """Return the expected tasks by outcome, the incomplete ones, and what was rescued."""
    found = report.reconciliation
    counts = {outcome.value: number for outcome, number in found.counts.items()}
    return [
        Metric("expected_tasks", "gauge", "Expected tasks of the last run by outcome.", counts, "outcome"),
        Metric("incomplete_tasks", "gauge", "Charged results that have not landed once.", {"": len(found.incomplete)}),
    ]


def _task(reconciled: ReconciledTask) -> dict[str, Any]:
    task = reconciled.task
    return {
        "id": task.id,
        "batch_id": task.batch_id,
        "outcome": reconciled.outcome.value,
        "reason": reconciled.reason.value or None,
        "gap": reconciled.is_incomplete,
        "state": task.state.value,
        "word": task.raw_state,
        "error": task.error,
        "error_type": task.error_type,
        "objects": [{"key": found.key, "local": found.local.value, "path": found.path} for found in reconciled.objects],
        "expires_at": _moment(reconciled.expires_at),
        "remedy": task_remedy(reconciled),
    }


def _run(reconciled: ReconciledRun) -> dict[str, Any]:
    run = reconciled.run
    return {
        "id": run.id,
        "state": run.state.value,
        "word": run.raw_state,
        "verdict": reconciled.outcome.value,
        "gap": reconciled.outcome.is_incomplete,
        "result_count": run.result_count,
        "rows_landed": reconciled.rows_landed,
        "keys": list(reconciled.keys),
        "not_landed": list(reconciled.not_landed),
        "error": run.error,
        "error_step": run.error_step,
        "remedy": run_remedy(reconciled),
    }


def _rescue(rescue: RescueReport) -> dict[str, Any]:
    return {
        "landed": list(rescue.landed),
        "quarantined": [{"id": task_id, "reason": reason} for task_id, reason in rescue.quarantined],
        "lost": [{"id": each.task_id, "reason": each.reason.value, "words": each.detail} for each in rescue.failed],
        "error": None if rescue.error is None else str(rescue.error),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339_of(moment)
