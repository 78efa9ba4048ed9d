"""What a report shows of one destination, gathered from its state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harvester.destination import (
    HARVESTING,
    ConsumerStatus,
    DestinationStatus,
    KnownProblem,
    RunRow,
    destination_status,
    list_consumers,
    list_problems,
    read_destination,
    shown_key,
)
from harvester.html_report.access_state import AccessState, explain_state
from harvester.html_report.fill_rates import FillRate, compare_fill_rates
from harvester.html_report.landing_statistics import MOST_BARS, LandingStatistics, sum_up
from harvester.html_report.report_options import HtmlReportOptions, ReportWording
from harvester.tables import saved_profiles

MOST_DESTINATIONS = 25
"""Destinations of one report: of more, the file would grow beyond 1 MB."""
_MOST_RUNS_READ = 2_000
_OUTCOMES = ("landed", "unchanged", "ignored", "refused", "quarantined", "failed", "not_attempted")


class ReportLimits(NamedTuple):
    """How much is shown of one destination, for the size of the file."""

    entries: int
    """Rows of each table, and bars of runs."""
    bars: int
    """Bars over time."""


def limits_for(destinations: int) -> ReportLimits:
    """Return the limits for each of so many destinations: together they keep the file below 1 MB."""
    several = max(1, destinations)
    return ReportLimits(max(4, 200 // several), max(28, MOST_BARS // several))


class RunView(NamedTuple):
    """One run."""

    run: int
    """Its number."""
    started_at: float
    """Seconds since the epoch."""
    seconds: float | None
    """How long it took; None for one that works or was killed."""
    exit_code: int | None
    """Its exit code; None likewise."""
    counts: dict[str, int]
    """Listed objects by outcome, every outcome present."""
    bytes_fetched: int
    """Bytes that crossed the network."""


class ProblemGroup(NamedTuple):
    """The problems of one cause."""

    outcome: str
    """What became of the objects."""
    reason: str
    """A stable code."""
    objects: int
    """How many objects."""
    accepted: int
    """How many of them a person has accepted."""
    since_run: int
    """The first run that met one."""
    example: str
    """The key of one."""
    detail: str
    """What is wrong with that one."""
    next_step: str
    """What to run or do; may be empty."""


@dataclass(frozen=True, slots=True)
class DestinationReport:
    """What the report shows of one destination."""

    status: DestinationStatus
    """Counts, the newest object, heartbeats."""
    last_success: float | None
    """The newest success of any verb that harvests, seconds since the epoch."""
    runs: tuple[RunView, ...]
    """The runs within the window, oldest first."""
    runs_left_out: int
    """Runs within the window that are not shown."""
    statistics: LandingStatistics
    """What landed within the window."""
    problems: tuple[ProblemGroup, ...]
    """Known problems by cause, the most frequent first."""
    problems_left_out: int
    """Causes that are not shown."""
    consumers: tuple[ConsumerStatus, ...]
    """The consumers and their lag, the largest first."""
    fill_rates: tuple[FillRate, ...]
    """Fill rates of the accepted and the newest profile, the largest change first."""
    fill_rates_left_out: int
    """Fields that are not shown."""
    has_accepted_profile: bool
    """Whether a profile was accepted."""
    has_newest_profile: bool
    """Whether a profile was made."""
    access: AccessState | None
    """The access of Nimble to the source; None where it was not asked for."""
    access_step: str
    """What to run to have it; may be empty."""


def gather(destination: Path, options: HtmlReportOptions, now: float, limits: ReportLimits) -> DestinationReport:
    """Read what the report shows of a destination. Raises ConfigurationError when it was never synced."""
    most = limits.entries
    state_dir = options.state_dir
    since = now - options.window
    with read_destination(destination, state_dir) as opened:
        statistics = sum_up(opened.manifest.landings(), since, now, limits.bars)
        in_window = [run for run in opened.manifest.runs(_MOST_RUNS_READ) if run.started_at >= since]
    status = destination_status(destination, state_dir=state_dir, runs=0)
    problems = group_problems(
        list_problems(destination, state_dir=state_dir), options.wording, str(destination), status.source
    )
    consumers = sorted(list_consumers(destination, state_dir=state_dir), key=lambda each: -each.rows_behind)
    profiles = saved_profiles(destination, state_dir=state_dir)
    rates, rates_left_out = compare_fill_rates(profiles.accepted, profiles.newest, most)
    successes = [
        beat.succeeded_at for beat in status.heartbeats if beat.verb in HARVESTING and beat.succeeded_at is not None
    ]
    access = None
    if options.access is not None:
        access = explain_state(status.source, options.access, options.wording)
    return DestinationReport(
        status=status,
        last_success=max(successes, default=None),
        runs=tuple(view_run(run) for run in reversed(in_window[:most])),
        runs_left_out=max(0, len(in_window) - most),
        statistics=statistics,
        problems=problems[:most],
        problems_left_out=max(0, len(problems) - most),
        consumers=tuple(consumers[:most]),
        fill_rates=rates,
        fill_rates_left_out=rates_left_out,
        has_accepted_profile=profiles.accepted is not None,
        has_newest_profile=profiles.newest is not None,
        access=access,
        access_step=options.wording.examine_access(str(destination)),
    )


def view_run(row: RunRow) -> RunView:
    """Return what is shown of a run."""
    report: dict[str, Any] = json.loads(row.report) if row.report else {}
    counts = report.get("counts") or {}
    return RunView(
        row.run,
        row.started_at,
        None if row.ended_at is None else max(0.0, row.ended_at - row.started_at),
        row.exit_code,
        {outcome: int(counts.get(outcome, 0)) for outcome in _OUTCOMES},
        int(report.get("bytes_fetched", 0)),
    )


def group_problems(
    problems: Iterable[KnownProblem], wording: ReportWording, destination: str, location: str
) -> tuple[ProblemGroup, ...]:
    """Return problems by outcome and reason, the most frequent first, then by name."""
    groups: dict[tuple[str, str], ProblemGroup] = {}
    for row, acceptance in problems:
        known = groups.get((row.outcome, row.reason))
        if known is None:
            step = wording.problem_step(row.outcome, row.reason, destination, location)
            known = ProblemGroup(row.outcome, row.reason, 0, 0, row.first_run, shown_key(row.key), row.detail, step)
        groups[row.outcome, row.reason] = known._replace(
            objects=known.objects + 1,
            accepted=known.accepted + (acceptance is not None),
            since_run=min(known.since_run, row.first_run),
        )
    return tuple(sorted(groups.values(), key=lambda each: (-each.objects, each.outcome, each.reason)))
