"""The account of a job's run: the rows it says to have produced against the rows that landed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from harvester.nimble_api import Run, TaskState
from harvester.reconciliation.inventory import Delivery
from harvester.reconciliation.matching import contained_id, piece_counts

_CLOCK = timedelta(seconds=1)
"""A bucket's clock counts whole seconds."""


class RunVerdict(StrEnum):
    """How a run's output compares."""

    WHOLE = "whole"
    """As many rows landed as the run produced, or more (other runs may write at the same time)."""
    SHORT = "short"
    """Fewer rows landed than the run produced."""
    ARRIVING = "arriving"
    """Fewer rows landed than the run produced, and the grace after its end is not over."""
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
    """Rows of the jobs files that are taken for its output."""
    keys: tuple[str, ...]
    """The keys of those files."""
    not_landed: tuple[str, ...]
    """The keys of what was delivered in its time and is not at home: its output may be among them."""


def account_for_run(run: Run, deliveries: Iterable[Delivery], *, now: datetime, grace: timedelta) -> RunAccount:
    """Hold a run against the jobs files that are its output.

    The names of output files are undocumented. Where some carry the run's id, those are its output; else whatever was
    written between its start and ``grace`` after its end, as time is then all there is to tell runs apart.
    """
    start = run.started_at or run.created_at
    end = None if run.finished_at is None else run.finished_at + grace
    near = [each for each in deliveries if _carries(each, run.id) or _between(each.last_modified, start, end)]
    named = [each for each in near if each.rows is not None and _carries(each, run.id)]
    written = named or [each for each in near if each.rows is not None]
    rows = sum(each.rows or 0 for each in written)
    arriving = run.finished_at is not None and now - run.finished_at <= grace
    return RunAccount(
        run,
        _verdict(run, rows, arriving=arriving),
        rows,
        tuple(each.found.key for each in written),
        tuple(each.found.key for each in near if not each.found.landed),
    )


def _carries(delivery: Delivery, run_id: str) -> bool:
    return contained_id(delivery.found.key, {run_id}, piece_counts([run_id])) is not None


def _between(moment: float, start: datetime | None, end: datetime | None) -> bool:
    at = datetime.fromtimestamp(moment, UTC)
    return (start is None or at >= start - _CLOCK) and (end is None or at <= end + _CLOCK)


def _verdict(run: Run, rows: int, *, arriving: bool) -> RunVerdict:
    if run.state is TaskState.FAILED:
        return RunVerdict.FAILED
    if not run.state.finished:
        return RunVerdict.RUNNING
    if run.result_count is None:
        return RunVerdict.UNTOLD
    if rows >= run.result_count:
        return RunVerdict.WHOLE
    return RunVerdict.ARRIVING if arriving else RunVerdict.SHORT
