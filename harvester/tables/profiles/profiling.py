"""Profile the rows of a destination, and compare them with the accepted profile or with an earlier time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from harvester.destination import state_directory
from harvester.errors import ExitCode, HarvesterError, UsageError
from harvester.tables.destination_rows import TABLE_OF, DestinationRows, open_rows
from harvester.tables.profiles.profile_collector import PROFILE_SCHEMA, ProfileCollector
from harvester.tables.profiles.profile_comparison import DEFAULT_TOLERANCE, ProfileFinding, compare_profiles
from harvester.tables.profiles.profile_files import read_accepted, write_accepted, write_newest
from harvester.tables.row_source import SourceObject
from harvester.tables.table_columns import PURGED
from harvester.text import rfc3339

ALL_GROUPS: Final = "*"
"""Accept every group."""
DEFAULT_WINDOW: Final = 24 * 3600.0
"""Seconds of landed rows that are profiled."""


@dataclass(slots=True)
class ProfileReport:
    """The profile of some rows, and what differs from the baseline."""

    destination: str
    """The destination's path."""
    since: float | None
    """Rows landed at or after, seconds since the epoch; None for a consumer's rows."""
    until: float
    """Rows landed before, seconds since the epoch."""
    consumer: str | None
    """The consumer whose unacknowledged rows were profiled."""
    groups: dict[str, Any] = field(default_factory=dict)
    """By agent or shape, see the published schema."""
    baseline: Literal["accepted", "earlier"] | None = None
    """What the rows were compared with."""
    findings: list[ProfileFinding] = field(default_factory=list)
    """What differs from the baseline and was not accepted."""
    accepted: list[str] = field(default_factory=list)
    """Groups whose profile has been accepted now."""
    evicted: int = 0
    """Objects that could not be profiled because they were evicted."""
    unreadable: list[str] = field(default_factory=list)
    """Landed files that are missing or altered."""

    @property
    def exit_code(self) -> ExitCode:
        """16 with findings, 7 with files that cannot be read, else 0."""
        return ExitCode.DATA_CHANGED if self.findings else ExitCode.INTEGRITY if self.unreadable else ExitCode.OK

    def as_document(self) -> dict[str, Any]:
        """Return the report as published JSON has it."""
        return {
            "schema": PROFILE_SCHEMA,
            "destination": self.destination,
            "since": None if self.since is None else rfc3339(self.since),
            "until": rfc3339(self.until),
            "consumer": self.consumer,
            "groups": self.groups,
            "baseline": self.baseline,
            "findings": [finding.as_document() for finding in self.findings],
            "accepted": self.accepted,
            "evicted": self.evicted,
            "unreadable": self.unreadable,
        }


def profile(
    destination: Path | str,
    *,
    consumer: str | None = None,
    window: float = DEFAULT_WINDOW,
    against: float | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
    accept: str | None = None,
    state_dir: Path | None = None,
    now: float | None = None,
) -> ProfileReport:
    """Profile the rows that landed in the last ``window`` seconds, or that a consumer has not acknowledged.

    They are compared with the accepted profile, or with as long a window that ended ``against`` seconds ago.
    ``accept`` makes the profile of a group, or of `ALL_GROUPS`, the one that later ones are compared with. Raises
    ConfigurationError when the destination was never synced, UsageError for options that exclude each other,
    IntegrityError for an accepted profile that cannot be read.
    """
    if against is not None and (consumer is not None or accept is not None):
        raise UsageError(
            "rows are compared with an earlier time or with the accepted profile",
            cause="an earlier time goes with a window, and nothing is accepted then",
        )
    until = time.time() if now is None else now
    path = Path(destination)
    report = ProfileReport(str(destination), None if consumer else until - window, until, consumer)
    with open_rows(path, state_dir) as source:
        objects = source.objects_of(consumer) if consumer else _between(source, until - window, until)
        report.groups = _collected(objects, report).as_document()
        folder = state_directory(path, state_dir)
        known = read_accepted(folder)
        if against is not None:
            earlier = _collected(_between(source, until - window - against, until - against), report)
            baseline = earlier.as_document()
            report.baseline = "earlier" if baseline else None
        else:
            report.baseline = None if known is None else "accepted"
            baseline = known or {}
    if consumer is None:
        # For the report; where the state is read-only, a profile can be made all the same.
        with contextlib.suppress(HarvesterError):
            write_newest(path, folder, report.groups)
    if accept is not None:
        baseline = _accepted(baseline, report, accept)
        write_accepted(path, folder, baseline)
    report.findings = compare_profiles(baseline, report.groups, tolerance)
    return report


def _between(source: DestinationRows, since: float, until: float) -> Iterator[SourceObject]:
    return (each for each in source.objects("0") if since <= each.facts.landed_at < until)


def _collected(objects: Iterator[SourceObject], report: ProfileReport) -> ProfileCollector:
    collector = ProfileCollector()
    for found in objects:
        if found.facts.source == PURGED:
            continue
        if found.evicted:
            report.evicted += 1
            continue
        try:
            rows = (text for _, text in found.rows())
            collector.add_object(found.facts, TABLE_OF[str(found.facts.shape)], rows)
        except (OSError, HarvesterError):
            report.unreadable.append(found.path)
    return collector


def _accepted(baseline: dict[str, Any], report: ProfileReport, accept: str) -> dict[str, Any]:
    """Return the baseline after accepting a group, or all of them."""
    if accept == ALL_GROUPS:
        report.accepted = sorted({*baseline, *report.groups})
        return report.groups
    if accept not in report.groups and accept not in baseline:
        raise UsageError(
            f"no group is called {accept!r}",
            cause=f"groups: {', '.join(sorted(report.groups)) or 'none'}",
            subject=accept,
        )
    report.accepted = [accept]
    others = {name: group for name, group in baseline.items() if name != accept}
    return {**others, **({accept: report.groups[accept]} if accept in report.groups else {})}
