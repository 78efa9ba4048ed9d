"""What completes a task or a job run that is incomplete."""

from __future__ import annotations

from enum import StrEnum

from harvester.reconciliation.job_runs import ReconciledRun, RunOutcome
from harvester.reconciliation.matching import ReconciledTask, TaskOutcome, TaskReason


class Remedy(StrEnum):
    """The action that completes a task or a run."""

    SYNC = "sync"
    """A sync lands the object."""
    SYNC_WITH_LIMITS = "sync_with_limits"
    """A sync with a higher limit on size, or with other names for keys, lands the object."""
    RESCUE = "rescue"
    """Nimble's API still holds the result."""
    SUBMIT_AGAIN = "submit_again"
    """Neither the bucket nor Nimble holds the result."""
    CHECK_RESCUED = "check_rescued"
    """The rescued result is invalid: inspect it, or submit the request again."""
    REMOVE_DUPLICATES = "remove_duplicates"
    """All but one of the objects are to be deleted from the bucket, then synced."""
    SHOW_RUN = "show_run"
    """The job run failed, or its count is not explained by listed objects: inspect the run."""


def task_remedy(task: ReconciledTask) -> Remedy | None:
    """Return what completes a task; None if it is complete."""
    if not task.is_incomplete:
        return None
    if task.reason in {TaskReason.EXPIRED, TaskReason.NOT_HELD}:
        return Remedy.SUBMIT_AGAIN
    if task.reason is TaskReason.RESCUED_INVALID:
        return Remedy.CHECK_RESCUED
    if task.reason is TaskReason.REFUSED:
        return Remedy.SYNC_WITH_LIMITS
    if task.rescuable:
        return Remedy.RESCUE
    if task.outcome is TaskOutcome.DUPLICATE and all(found.landed for found in task.objects):
        return Remedy.REMOVE_DUPLICATES
    return Remedy.SYNC


def run_remedy(run: ReconciledRun) -> Remedy | None:
    """Return what completes a job run; None if it is complete or has not ended."""
    if run.outcome is RunOutcome.FAILED:
        return Remedy.SHOW_RUN
    if not run.outcome.is_incomplete:
        return None
    return Remedy.SYNC if run.not_landed else Remedy.SHOW_RUN
