"""Compare the rows a job run reports with the rows that landed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from harvester.nimble_api import Run, TaskState
from harvester.reconciliation.inventory import Delivery
from harvester.reconciliation.matching import contained_id, piece_counts

_CLOCK = timedelta(seconds=1)
"""A bucket's timestamps have whole seconds."""


class RunOutcome(StrEnum):
    """How the output of a run compares with its reported row count."""

    COMPLETE = "whole"
    """As many rows landed as the run produced, or more (other runs may write at the same time)."""
    SHORT = "short"
    """Fewer rows landed than the run produced."""
    ARRIVING = "arriving"
    """Fewer rows landed than the run produced, and the grace after its end is not over."""
    RUNNING = "running"
    """The run has not ended."""
    FAILED = "failed"
    """The run failed."""
    COUNT_UNKNOWN = "untold"
    """The run does not report how many rows it produced."""

    @property
    def is_incomplete(self) -> bool:
        """Whether rows that were produced have not landed."""
        return self is RunOutcome.SHORT


@dataclass(frozen=True, slots=True)
class ReconciledRun:
    """One run compared with what landed."""

    run: Run
    """The run as the API reports it."""
    outcome: RunOutcome
    """How its output compares."""
    rows_landed: int
    """Rows of the jobs files that count as its output."""
    keys: tuple[str, ...]
    """The keys of those files."""
    not_landed: tuple[str, ...]
    """Keys of objects delivered in its time that have not landed: its output may be among them."""


def reconcile_run(run: Run, deliveries: Iterable[Delivery], *, now: datetime, grace: timedelta) -> ReconciledRun:
    """Compare a run with the jobs files that are its output.

    The names of output files are undocumented. If some contain the run's id, those are its output; otherwise all that
    were written between its start and ``grace`` after its end, as only time distinguishes runs then.
    """
    start = run.started_at or run.created_at
    end = None if run.finished_at is None else run.finished_at + grace
    near = [each for each in deliveries if _carries(each, run.id) or _between(each.last_modified, start, end)]
    named = [each for each in near if each.rows is not None and _carries(each, run.id)]
    written = named or [each for each in near if each.rows is not None]
    rows = sum(each.rows or 0 for each in written)
    arriving = run.finished_at is not None and now - run.finished_at <= grace
    return ReconciledRun(
        run,
        _outcome(run, rows, arriving=arriving),
        rows,
        tuple(each.object.key for each in written),
        tuple(each.object.key for each in near if not each.object.landed),
    )


def _carries(delivery: Delivery, run_id: str) -> bool:
    return contained_id(delivery.object.key, {run_id}, piece_counts([run_id])) is not None


def _between(moment: float, start: datetime | None, end: datetime | None) -> bool:
    at = datetime.fromtimestamp(moment, UTC)
    return (start is None or at >= start - _CLOCK) and (end is None or at <= end + _CLOCK)


def _outcome(run: Run, rows: int, *, arriving: bool) -> RunOutcome:
    if run.state is TaskState.FAILED:
        return RunOutcome.FAILED
    if not run.state.finished:
        return RunOutcome.RUNNING
    if run.result_count is None:
        return RunOutcome.COUNT_UNKNOWN
    if rows >= run.result_count:
        return RunOutcome.COMPLETE
    return RunOutcome.ARRIVING if arriving else RunOutcome.SHORT
