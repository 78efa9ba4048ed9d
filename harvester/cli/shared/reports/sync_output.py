"""A run's report: for people, and as a file."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from harvester import text
from harvester.cli.shared.next_steps.result_steps import list_problems
from harvester.cli.shared.reports.json_documents import json_text
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, ExitCode, HarvesterError
from harvester.file_replacement import replace_file
from harvester.location import Location
from harvester.transfer import ObjectProblem, SyncCounts, SyncReport

if TYPE_CHECKING:
    from harvester.events import LandingReport

_GROUPS = 20
_NOT_RECORDED = {"upstream_error", "name_not_utf8"}
_FILTERS = {"not_included", "excluded", "before_since", "after_until", "before_start"}


def render_report(report: SyncReport) -> str:
    """Return the report as people read it; its last line is the summary."""
    lines = []
    if report.problems:
        lines.append("Problems:")
        lines.extend(problem_lines(report.problems))
        recorded = [problem for problem in report.problems if problem.reason not in _NOT_RECORDED]
        if len(recorded) > len({(problem.outcome, problem.reason) for problem in recorded}) and report.run:
            lines.append(f"  each of them: {list_problems(report.destination)}")
    if report.renamed:
        lines.append(
            f"{text.count(report.renamed, 'object')} landed under _keys/, because the key cannot be a path here."
        )
    if report.replaced:
        lines.append(f"{text.count(report.replaced, 'object')} landed in the place of an older version.")
    if report.source_gone:
        lines.append(f"Landed before, no longer in the source, kept here: {text.count(report.source_gone, 'object')}.")
    if report.non_finite:
        lines.append(f"NaN or infinite, read as text: {text.count(report.non_finite, 'value')}.")
    if report.upstream and set(report.upstream) != {"success"}:
        statuses = ", ".join(f"{number:,} {status}" for status, number in report.upstream.items())
        lines.append(f"Landed envelopes by their own status: {statuses}.")
    if report.counts.listed == 0 and report.error is None:
        lines.append(f"There is no object under {report.location}")
    elif report.counts.listed == report.counts.ignored and report.error is None:
        filtered = _FILTERS & set(report.ignored_by_reason)
        lines.append(f"There is no result under {report.location}{' that the filters let through' if filtered else ''}")
    lines.append(_summary(report))
    return "\n".join(lines)


def _summary(report: SyncReport) -> str:
    counts = report.counts
    parts = [
        f"{getattr(counts, name):,} {name.replace('_', ' ')}"
        for name in ("landed", "unchanged", "ignored", "refused", "quarantined", "failed")
        if getattr(counts, name) or name in ("landed", "unchanged")
    ]
    if counts.not_attempted:
        parts.append(f"{counts.not_attempted:,} {'to fetch' if report.dry_run else 'not attempted'}")
    summary = f"{counts.listed:,} listed: {', '.join(parts)}; {text.duration(report.finished_at - report.started_at)}"
    if report.bytes_written:
        # Before the summary, not behind it: the last line shall fit a terminal.
        fetched = f"{text.size(report.bytes_fetched)} fetched, {text.size(report.bytes_written)} written."
        return f"{fetched}\n{summary}"
    return summary


def problem_lines(problems: tuple[ObjectProblem, ...]) -> list[str]:
    """Return equal problems grouped, the most frequent first."""
    if not problems:
        return []
    # Loaded by the runs that have problems.
    from harvester.cli.shared.next_steps import fetch_step

    groups: defaultdict[tuple[str, str], list[ObjectProblem]] = defaultdict(list)
    for problem in problems:
        groups[problem.outcome, problem.reason].append(problem)
    lines = []
    largest_first = sorted(groups.items(), key=lambda group: -len(group[1]))
    for (outcome, reason), members in largest_first[:_GROUPS]:
        first = members[0]
        known = sum(problem.known for problem in members)
        before = "reported before" if known == len(members) else f"{known:,} reported before"
        note = f" ({before})" if known else ""
        lines.append(f"  {len(members):,} × {outcome}: {reason.replace('_', ' ')}{note}")
        lines.append(f"      e.g. {text.printable(first.key)}")
        if first.detail:
            lines.append(f"      {text.printable(first.detail)}")
        step = fetch_step(reason) if outcome == "failed" else ""
        if step:
            lines.append(f"      to have {'it' if len(members) == 1 else 'them'}: {step}")
    if len(groups) > _GROUPS:
        lines.append(f"  and {len(groups) - _GROUPS:,} more kinds: see --format json")
    return lines


def render_landing(account: LandingReport) -> str:
    """Return the account of objects as people read it; its last line is the summary."""
    lines = []
    if account.problems:
        lines.append("Problems:")
        lines.extend(problem_lines(account.problems))
    counts = account.counts
    parts = [
        f"{getattr(counts, name):,} {name.replace('_', ' ')}"
        for name in ("landed", "unchanged", "ignored", "refused", "quarantined", "failed", "not_attempted")
        if getattr(counts, name) or name in ("landed", "unchanged")
    ]
    lines.append(
        f"{text.count(account.runs, 'run')}, {counts.listed:,} listed or announced: {', '.join(parts)};"
        f" {text.duration(account.finished_at - account.started_at)}"
    )
    return "\n".join(lines)


def exit_reasons(report: SyncReport) -> list[str]:
    """Return why a run without an error ends with another code than 0."""
    if report.exit_code is ExitCode.EMPTY:
        return [f"  there is no result under {report.location}"]
    lines = problem_lines(report.problems)
    if report.run and any(problem.reason not in _NOT_RECORDED for problem in report.problems):
        lines.append(f"  {list_problems(report.destination)}")
    return lines


def unstarted_report(
    location: Location, destination: Path | str, error: HarvesterError, started_at: float, *, dry_run: bool
) -> SyncReport:
    """Return the report of a run that could not start."""
    return SyncReport(
        location=location.url,
        destination=str(destination),
        run=0,
        dry_run=dry_run,
        started_at=started_at,
        finished_at=time.time(),
        exit_code=ExitCode(error.exit_code),
        counts=SyncCounts(),
        ignored_by_reason={},
        renamed=0,
        replaced=0,
        source_gone=0,
        bytes_fetched=0,
        bytes_written=0,
        non_finite=0,
        upstream={},
        first_seq=None,
        last_seq=None,
        problems=(),
        error=error,
    )


def write_report(path: Path, report: SyncReport) -> None:
    """Write the JSON report to ``path``, whole or not at all. Raises DestinationUnusable.

    A link stays one; a device or a pipe is written to, never replaced.
    """
    text = json_text(report.as_document(), indent=2) + "\n"
    try:
        if _is_standard_output(path):
            # Not opened anew: two positions in one file write over one another.
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        if path.exists() and not path.is_file():
            with path.open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
            return
        replace_file(path.resolve(), text.encode(errors="backslashreplace"))
    except OSError as error:
        raise DestinationUnusable(
            f"cannot write the report {path}",
            cause=error.strerror or str(error),
            code=ErrorCode.REPORT_NOT_WRITTEN,
            subject=str(path),
        ) from error


def _is_standard_output(path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except FileNotFoundError:
        return False
