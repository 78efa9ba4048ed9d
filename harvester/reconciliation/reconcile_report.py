"""The report of a reconciliation: what is printed, and what to run next for every gap."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harvester.errors import ExitCode, HarvesterError, TimedOut
from harvester.reconciliation.job_runs import RunAccount, RunVerdict
from harvester.reconciliation.matching import Outcome, Reason, Reconciliation, TaskAccount
from harvester.reconciliation.rescue import Rescue

RECONCILIATION_SCHEMA = "nimble-harvester/reconciliation/v1"


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """The account of a promise."""

    destination: str
    """The destination's path."""
    location: str
    """URL of its source."""
    account: Reconciliation
    """Every promised task in exactly one class."""
    runs: tuple[RunAccount, ...] = ()
    """The runs of jobs."""
    unlisted: int = 0
    """Tasks the API or the file counts without naming them."""
    rescue: Rescue | None = None
    """What was rescued; None when it was not asked for."""
    timed_out: TimedOut | None = None
    """Set when the waiting ended before the tasks did."""

    @property
    def error(self) -> HarvesterError | None:
        """What kept the work from being done whole; the account is true all the same."""
        if self.rescue is not None and self.rescue.error is not None:
            return self.rescue.error
        return self.timed_out

    @property
    def exit_code(self) -> ExitCode:
        """That of the error, else DIFFERENCE when there is a gap."""
        if self.error is not None:
            return ExitCode(self.error.exit_code)
        gap = bool(self.account.gaps) or any(run.verdict.gap for run in self.runs)
        return ExitCode.DIFFERENCE if gap else ExitCode.OK

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        account = self.account
        return {
            "schema": RECONCILIATION_SCHEMA,
            "destination": self.destination,
            "location": self.location,
            "promised": account.promised,
            "counts": {outcome.value: number for outcome, number in account.counts.items()},
            "unlisted": self.unlisted,
            "expires_at": _moment(account.expires_at),
            "exit_code": int(self.exit_code),
            "rescue": None if self.rescue is None else _rescue(self.rescue),
            "runs": [self._run(run) for run in self.runs],
            "tasks": [self._task(task) for task in account.tasks],
            "unexpected": [
                {"key": found.key, "local": found.local.value, "path": found.path, "task_id": found.task_id}
                for found in account.unexpected
            ],
        }

    def _task(self, account: TaskAccount) -> dict[str, Any]:
        task = account.task
        return {
            "id": task.id,
            "batch_id": task.batch_id,
            "outcome": account.outcome.value,
            "reason": account.reason.value or None,
            "gap": account.gap,
            "state": task.state.value,
            "word": task.word,
            "error": task.error,
            "error_type": task.error_type,
            "objects": [
                {"key": found.key, "local": found.local.value, "path": found.path} for found in account.objects
            ],
            "expires_at": _moment(account.expires_at),
            "next_step": self.next_step(account),
        }

    def _run(self, account: RunAccount) -> dict[str, Any]:
        run = account.run
        return {
            "id": run.id,
            "state": run.state.value,
            "word": run.word,
            "verdict": account.verdict.value,
            "gap": account.verdict.gap,
            "result_count": run.result_count,
            "rows_landed": account.rows_landed,
            "keys": list(account.keys),
            "not_landed": list(account.not_landed),
            "error": run.error,
            "error_step": run.error_step,
            "next_step": self.run_step(account),
        }

    def next_step(self, account: TaskAccount) -> str | None:
        """Return what to run or do next for a gap; None where there is none."""
        if not account.gap:
            return None
        if account.reason in {Reason.EXPIRED, Reason.NOT_HELD}:
            return "submit the request again: neither the bucket nor Nimble holds its result"
        if account.reason is Reason.RESCUED_INVALID:
            look = f"nimble-harvester status {shlex.quote(self.destination)} --problems"
            return f"look at what Nimble gave ({look}), or submit the request again"
        if account.reason is Reason.REFUSED:
            return f"{self._sync}, with a higher --max-object-bytes or --unsafe-names hash"
        if account.rescuable:
            return self._rescue_step(account)
        if account.outcome is Outcome.DUPLICATE:
            absent = any(not found.landed for found in account.objects)
            return self._sync if absent else f"delete all but one of its objects from the bucket, then {self._sync}"
        return self._sync

    def run_step(self, account: RunAccount) -> str | None:
        """Return what to run next for a run; None where there is nothing to do."""
        if account.verdict is RunVerdict.FAILED:
            return f"nimble-harvester runs get {account.run.id}"
        if not account.verdict.gap:
            return None
        return self._sync if account.not_landed else f"nimble-harvester runs get {account.run.id} --format json"

    @property
    def _sync(self) -> str:
        return f"nimble-harvester sync {shlex.quote(self.location)} {shlex.quote(self.destination)}"

    def _rescue_step(self, account: TaskAccount) -> str:
        asked = f"--batch {account.task.batch_id}" if account.task.batch_id else "--tasks FILE"
        return f"nimble-harvester reconcile {shlex.quote(self.destination)} {asked} --rescue"


def _rescue(rescue: Rescue) -> dict[str, Any]:
    return {
        "landed": list(rescue.landed),
        "quarantined": [{"id": task_id, "reason": reason} for task_id, reason in rescue.quarantined],
        "lost": [{"id": each.task_id, "reason": each.reason.value, "words": each.words} for each in rescue.lost],
        "error": None if rescue.error is None else str(rescue.error),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
