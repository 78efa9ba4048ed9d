"""Print a reconciliation: incomplete tasks by outcome with the next step, then the totals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from harvester import text
from harvester.cli.shared.next_steps import remedy_step
from harvester.nimble_api import Task, TaskState, unknown_states
from harvester.reconciliation import (
    ReconciledRun,
    ReconciledTask,
    ReconcileReport,
    TaskOutcome,
    run_remedy,
    task_remedy,
)

_SHOWN = 10
_WIDTH = 80
_WORDS = {
    TaskOutcome.LANDED: "landed",
    TaskOutcome.DELIVERED: "not landed",
    TaskOutcome.ARRIVING: "arriving",
    TaskOutcome.FAILED_UPSTREAM: "failed upstream",
    TaskOutcome.RUNNING: "running",
    TaskOutcome.MISSING: "missing",
    TaskOutcome.DUPLICATE: "duplicate",
}
_TITLES = {
    TaskOutcome.MISSING: "Missing: succeeded, and no object in the bucket",
    TaskOutcome.DELIVERED: "Delivered, not landed",
    TaskOutcome.DUPLICATE: "Delivered twice, or under a name that holds another result",
}


def render_reconciliation(report: ReconcileReport) -> list[str]:
    """Return the lines of the report."""
    found = report.reconciliation
    lines: list[str] = []
    for outcome in _TITLES:
        lines += _incomplete(report, outcome, [task for task in found.incomplete if task.outcome is outcome])
    lines += _failures([task for task in found.tasks if task.outcome is TaskOutcome.FAILED_UPSTREAM])
    lines += _runs(report)
    lines += _rescue(report)
    lines += _notes(report)
    counted = ", ".join(f"{number:,} {_WORDS[outcome]}" for outcome, number in found.counts.items() if number)
    if found.tasks or not report.runs:
        lines += _wrapped(f"{found.expected:,} expected: {counted or 'nothing'}")
    return lines


def reconciliation_document(report: ReconcileReport) -> dict[str, Any]:
    """Return the report as JSON has it, with the next step of every incomplete task and run."""
    document = report.as_document()
    for entry, task in zip(document["tasks"], report.reconciliation.tasks, strict=True):
        entry["next_step"] = _task_step(report, task)
    for entry, run in zip(document["runs"], report.runs, strict=True):
        entry["next_step"] = _run_step(report, run)
    return document


def _task_step(report: ReconcileReport, task: ReconciledTask) -> str | None:
    remedy = task_remedy(task)
    if remedy is None:
        return None
    batch = task.task.batch_id
    return remedy_step(remedy, destination=report.destination, location=report.location, batch=batch)


def _run_step(report: ReconcileReport, run: ReconciledRun) -> str | None:
    remedy = run_remedy(run)
    if remedy is None:
        return None
    return remedy_step(remedy, destination=report.destination, location=report.location, run=run.run.id)


def _incomplete(report: ReconcileReport, outcome: TaskOutcome, members: Sequence[ReconciledTask]) -> Iterator[str]:
    """Yield the incomplete tasks of one outcome, grouped by next step."""
    if not members:
        return
    yield f"{_TITLES[outcome]}: {len(members):,}"
    by_step: defaultdict[str, list[ReconciledTask]] = defaultdict(list)
    for task in members:
        by_step[_task_step(report, task) or ""].append(task)
    for step, tasks in by_step.items():
        for task in tasks[:_SHOWN]:
            reason = task.reason.value.replace("_", " ")
            yield f"  {task.task.id}{'  ' + reason if reason else ''}"
        yield from _more(tasks)
        yield f"  next: {step}"


def _failures(members: Sequence[ReconciledTask]) -> Iterator[str]:
    """Yield failed tasks grouped by reason."""
    if not members:
        return
    yield f"Failed upstream: {len(members):,}"
    by_reason = _grouped(members, lambda task: text.printable(": ".join(filter(None, (task.error_type, task.error)))))
    if len(by_reason) > _SHOWN:
        by_reason = _grouped(members, lambda task: text.printable(task.error_type or ""))
    largest_first = sorted(by_reason.items(), key=lambda group: -len(group[1]))
    for reason, tasks in largest_first[:_SHOWN]:
        first = tasks[0]
        yield from _wrapped(f"  {len(tasks):,} × {reason or 'no reason given'}", "      ")
        other = text.printable(first.error or "")
        suffix = f": {other}" if other and other not in reason else ""
        yield from _wrapped(f"      e.g. {first.id}{suffix}", "      ")
    yield from _more(largest_first, "more reasons")


def _grouped(members: Sequence[ReconciledTask], reason: Callable[[Task], str]) -> dict[str, list[Task]]:
    groups: defaultdict[str, list[Task]] = defaultdict(list)
    for member in members:
        groups[reason(member.task)].append(member.task)
    return groups


def _runs(report: ReconcileReport) -> Iterator[str]:
    for run in report.runs:
        produced = "unknown" if run.run.result_count is None else f"{run.run.result_count:,}"
        yield f"Run {run.run.id} {run.outcome.value}: {produced} rows produced, {run.rows_landed:,} landed"
        errors = [text.printable(part) for part in (run.run.error_step, run.run.error) if part]
        if errors:
            yield from _wrapped(f"  {': '.join(errors)}")
        if run.not_landed:
            objects = text.count(len(run.not_landed), "object")
            yield f"  {objects} delivered in its time not landed, e.g. {text.printable(run.not_landed[0])}"
        step = _run_step(report, run)
        if step is not None:
            yield f"  next: {step}"


def _rescue(report: ReconcileReport) -> Iterator[str]:
    rescue = report.rescue
    if rescue is None:
        return
    counts = (("landed", rescue.landed), ("quarantined", rescue.quarantined), ("failed", rescue.failed))
    yield "Rescued: " + ", ".join(f"{len(found):,} {word}" for word, found in counts if found or word == "landed")
    details = Counter(each.detail for each in rescue.failed)
    for detail, number in details.most_common(_SHOWN):
        yield from _wrapped(f"  {number:,} × {text.printable(detail)}", "      ")
    for reason, number in Counter(reason for _, reason in rescue.quarantined).items():
        yield f"  {number:,} × invalid: {reason.replace('_', ' ')}"


def _notes(report: ReconcileReport) -> Iterator[str]:
    found = report.reconciliation
    running = [task.task for task in found.tasks if task.outcome is TaskOutcome.RUNNING]
    unknown = [task for task in running if task.state is TaskState.UNKNOWN]
    if unknown:
        names = ", ".join(text.printable(name) for name in unknown_states(unknown)) or "none given"
        yield from _wrapped(f"In an undocumented state ({names}), treated as running: {len(unknown):,}")
    if found.unexpected:
        first = text.printable(found.unexpected[0].key)
        yield from _wrapped(f"Objects of other tasks or runs: {len(found.unexpected):,}, e.g. {first}")
    if report.unlisted:
        yield f"Tasks that Nimble counts without naming: {report.unlisted:,}"
    if found.expires_at is not None:
        yield f"Nimble may drop the first of these results from {found.expires_at:%Y-%m-%d %H:%MZ} on"


def _more(members: Sequence[object], what: str = "more") -> Iterator[str]:
    if len(members) > _SHOWN:
        yield f"  and {len(members) - _SHOWN:,} {what}: see --format json"


def _wrapped(line: str, indent: str = "  ") -> Iterable[str]:
    # Long ids and keys are not broken, so that they can be copied.
    return text.wrap(line, rest=indent, width=_WIDTH).split("\n")
