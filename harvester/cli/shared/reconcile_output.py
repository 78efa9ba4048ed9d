"""A reconciliation for people: every class that needs a look, its tasks, the next step; the sum last."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from harvester import text
from harvester.nimble_api import Task, TaskState, unknown_words
from harvester.reconciliation import Outcome, ReconcileReport, TaskAccount

_SHOWN = 10
_WIDTH = 80
_WORDS = {
    Outcome.LANDED: "landed",
    Outcome.DELIVERED: "not landed",
    Outcome.ARRIVING: "arriving",
    Outcome.FAILED_UPSTREAM: "failed upstream",
    Outcome.RUNNING: "running",
    Outcome.MISSING: "missing",
    Outcome.DUPLICATE: "duplicate",
}
_TITLES = {
    Outcome.MISSING: "Missing: succeeded, and no object in the bucket",
    Outcome.DELIVERED: "Delivered, not landed",
    Outcome.DUPLICATE: "Delivered twice, or under a name that holds another result",
}


def render_reconciliation(report: ReconcileReport) -> list[str]:
    """Return the lines of the report."""
    account = report.account
    lines: list[str] = []
    for outcome in _TITLES:
        lines += _gaps(report, outcome, [task for task in account.gaps if task.outcome is outcome])
    lines += _failures([task for task in account.tasks if task.outcome is Outcome.FAILED_UPSTREAM])
    lines += _runs(report)
    lines += _rescue(report)
    lines += _notes(report)
    counted = ", ".join(f"{number:,} {_WORDS[outcome]}" for outcome, number in account.counts.items() if number)
    if account.tasks or not report.runs:
        lines += _wrapped(f"{account.promised:,} promised: {counted or 'nothing'}")
    return lines


def _gaps(report: ReconcileReport, outcome: Outcome, members: Sequence[TaskAccount]) -> Iterator[str]:
    """Yield the gaps of one class by their next step, so that each is told with its own."""
    if not members:
        return
    yield f"{_TITLES[outcome]}: {len(members):,}"
    by_step: defaultdict[str, list[TaskAccount]] = defaultdict(list)
    for task in members:
        by_step[report.next_step(task) or ""].append(task)
    for step, tasks in by_step.items():
        for task in tasks[:_SHOWN]:
            told = task.reason.value.replace("_", " ")
            yield f"  {task.task.id}{'  ' + told if told else ''}"
        yield from _more(tasks)
        yield f"  next: {step}"


def _failures(members: Sequence[TaskAccount]) -> Iterator[str]:
    """Yield what failed by its reason: a batch often fails in few ways."""
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
        told = f": {other}" if other and other not in reason else ""
        yield from _wrapped(f"      e.g. {first.id}{told}", "      ")
    yield from _more(largest_first, "more reasons")


def _grouped(members: Sequence[TaskAccount], reason: Callable[[Task], str]) -> dict[str, list[Task]]:
    groups: defaultdict[str, list[Task]] = defaultdict(list)
    for account in members:
        groups[reason(account.task)].append(account.task)
    return groups


def _runs(report: ReconcileReport) -> Iterator[str]:
    for run in report.runs:
        produced = "untold" if run.run.result_count is None else f"{run.run.result_count:,}"
        yield f"Run {run.run.id} {run.verdict.value}: {produced} rows produced, {run.rows_landed:,} landed"
        told = [text.printable(part) for part in (run.run.error_step, run.run.error) if part]
        if told:
            yield from _wrapped(f"  {': '.join(told)}")
        if run.not_landed:
            objects = text.count(len(run.not_landed), "object")
            yield f"  {objects} of its time not landed, e.g. {text.printable(run.not_landed[0])}"
        step = report.run_step(run)
        if step is not None:
            yield f"  next: {step}"


def _rescue(report: ReconcileReport) -> Iterator[str]:
    rescue = report.rescue
    if rescue is None:
        return
    counts = (("landed", rescue.landed), ("quarantined", rescue.quarantined), ("not to be had", rescue.lost))
    yield "Rescued: " + ", ".join(f"{len(found):,} {word}" for word, found in counts if found or word == "landed")
    told = Counter(each.words for each in rescue.lost)
    for said, number in told.most_common(_SHOWN):
        yield from _wrapped(f"  {number:,} × {text.printable(said)}", "      ")
    for reason, number in Counter(reason for _, reason in rescue.quarantined).items():
        yield f"  {number:,} × invalid: {reason.replace('_', ' ')}"


def _notes(report: ReconcileReport) -> Iterator[str]:
    account = report.account
    running = [task.task for task in account.tasks if task.outcome is Outcome.RUNNING]
    unknown = [task for task in running if task.state is TaskState.UNKNOWN]
    if unknown:
        said = ", ".join(text.printable(word) for word in unknown_words(unknown)) or "none given"
        yield from _wrapped(f"In a state nobody documents ({said}), taken for running: {len(unknown):,}")
    if account.unexpected:
        first = text.printable(account.unexpected[0].key)
        yield from _wrapped(f"Objects of other tasks or runs: {len(account.unexpected):,}, e.g. {first}")
    if report.unlisted:
        yield f"Tasks that Nimble counts without naming: {report.unlisted:,}"
    if account.expires_at is not None:
        yield f"Nimble may drop the first of these results from {account.expires_at:%Y-%m-%d %H:%MZ} on"


def _more(members: Sequence[object], what: str = "more") -> Iterator[str]:
    if len(members) > _SHOWN:
        yield f"  and {len(members) - _SHOWN:,} {what}: see --format json"


def _wrapped(line: str, indent: str = "  ") -> Iterable[str]:
    # A long id or key stays whole, to be copied.
    return text.wrap(line, rest=indent, width=_WIDTH).split("\n")
