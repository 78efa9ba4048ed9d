"""The account of a job's run: the rows it says to have produced against the rows that landed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from harvester.tasks.inventory import Delivery
from harvester.tasks.model import Run
from harvester.tasks.states import TaskState


class RunVerdict(StrEnum):
    """How a run's output compares."""

    WHOLE = "whole"
    """As many rows landed as the run produced, or more (other runs may write at the same time)."""
    SHORT = "short"
    """Fewer rows landed than the run produced."""
    RUNNING = "running"
    """The run has not ended."""
    FAILED = "failed"
    """The run failed."""
    UNTOLD = "untold"
    """The run does not say how many rows it produced."""

    @property
    def gap(self) -> bool:
        """Whether something that was produced is not at home."""
        return self is RunVerdict.SHORT


@dataclass(frozen=True, slots=True)
class RunAccount:
    """The account of one run."""

    run: Run
    """The run as the API tells of it."""
    verdict: RunVerdict
    """How its output compares."""
    rows_landed: int
    """Rows of the jobs files written while it ran."""
    keys: tuple[str, ...]
    """The keys of those files."""


def account_for_run(run: Run, deliveries: Iterable[Delivery], *, grace: timedelta) -> RunAccount:
    """Hold a run against the jobs files that were written between its start and ``grace`` after its end.

    The names of output files are undocumented, so time is all there is to tell one run's files from another's.
    """
    start = run.started_at or run.created_at
    end = None if run.finished_at is None else run.finished_at + grace
    written = [
        delivery
        for delivery in deliveries
        if delivery.rows is not None and _between(delivery.last_modified, start, end)
    ]
    rows = sum(delivery.rows or 0 for delivery in written)
    return RunAccount(run, _verdict(run, rows), rows, tuple(delivery.found.key for delivery in written))


def _between(moment: float, start: datetime | None, end: datetime | None) -> bool:
    at = datetime.fromtimestamp(moment, UTC)
    # A bucket's clock counts whole seconds.
    return (start is None or at >= start - timedelta(seconds=1)) and (end is None or at <= end)


def _verdict(run: Run, rows: int) -> RunVerdict:
    if run.state is TaskState.FAILED:
        return RunVerdict.FAILED
    if not run.state.finished:
        return RunVerdict.RUNNING
    if run.result_count is None:
        return RunVerdict.UNTOLD
    return RunVerdict.WHOLE if rows >= run.result_count else RunVerdict.SHORT
