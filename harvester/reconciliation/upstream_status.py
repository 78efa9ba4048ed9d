"""Fetch the upstream state of expected tasks and job runs from the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, TimedOut
from harvester.nimble_api import (
    Batch,
    BatchProgress,
    NimbleClient,
    Run,
    Task,
    TaskState,
    UnknownId,
    collect_concurrently,
    map_concurrently,
    no_signal,
    poll_until,
)
from harvester.reconciliation.task_file import TasksInFile


@dataclass(frozen=True, slots=True)
class ExpectedTasks:
    """What is to be reconciled."""

    batches: tuple[str, ...] = ()
    """Batch ids."""
    runs: tuple[str, ...] = ()
    """Ids of job runs."""
    tasks: tuple[Task, ...] = ()
    """Single tasks, and the tasks of batches that a file names."""
    unlisted: int = 0
    """Number of tasks that are counted but not named; they cannot be reconciled."""

    @classmethod
    def of_ids(
        cls, *, batches: Iterable[str] = (), runs: Iterable[str] = (), tasks: Iterable[str] = ()
    ) -> ExpectedTasks:
        """Return the expected tasks of these ids."""
        return cls(tuple(dict.fromkeys(batches)), tuple(dict.fromkeys(runs)), tuple(map(Task, dict.fromkeys(tasks))))

    @classmethod
    def of_file(cls, content: TasksInFile) -> ExpectedTasks:
        """Return the expected tasks of a tasks file."""
        return cls(batches=content.batch_ids, tasks=content.tasks, unlisted=content.unlisted)

    def __add__(self, other: ExpectedTasks) -> ExpectedTasks:
        """Return the union."""
        tasks = {task.id: task for task in (*self.tasks, *other.tasks)}
        return ExpectedTasks(
            tuple(dict.fromkeys((*self.batches, *other.batches))),
            tuple(dict.fromkeys((*self.runs, *other.runs))),
            tuple(tasks.values()),
            self.unlisted + other.unlisted,
        )

    def __bool__(self) -> bool:
        """Return whether anything is expected."""
        return bool(self.batches or self.runs or self.tasks or self.unlisted)


@dataclass(frozen=True, slots=True)
class UpstreamStatus:
    """The state of expected tasks as the API reports it."""

    tasks: tuple[Task, ...]
    """Every expected task in its current state."""
    unknown_ids: Mapping[str, UnknownId]
    """The ids that the API does not know (any more), each with its error."""
    unlisted: int
    """Number of tasks that are counted but not named."""
    runs: tuple[Run, ...]
    """The job runs."""


@dataclass(frozen=True, slots=True)
class WaitObserver:
    """Callbacks for progress and cancellation."""

    batches: Callable[[Mapping[str, BatchProgress]], object] = lambda _: None
    """Called after every round with the progress of the batches waited for."""
    others: Callable[[str, int, int], object] = lambda _noun, _ended, _total: None
    """Called after every round with ``task`` or ``run``, the number that have ended, and the total."""
    rescued: Callable[[int, int], object] = lambda _done, _total: None
    """Called after every requested result with the number requested so far, and the total."""
    stop_signal: Callable[[], int | None] = no_signal
    """Polled; a signal number ends the work after the state was saved."""


def fetch_status(
    client: NimbleClient, expected: ExpectedTasks, *, stop: Callable[[], int | None] = no_signal
) -> UpstreamStatus:
    """Return the current state of every expected task.

    An unknown task does not end the query; an unknown batch or run, or a rejected key, raises the client's error. Of
    an expired batch, the tasks that a file names are queried one by one.
    """
    batches = _batches(client, expected, stop)
    tasks = {task.id: task for batch in batches for task in _tasks_of(batch)}
    nulls = sum(batch.null_tasks for batch in batches)
    by_batch = {batch.id for batch in batches}
    single = {task.id: task for task in expected.tasks if task.id not in tasks}
    named = sum(task.batch_id in by_batch for task in single.values())
    unknown_ids: dict[str, UnknownId] = {}
    for task_id, answer in map_concurrently(client.task, single, stop=stop):
        if isinstance(answer, UnknownId):
            unknown_ids[task_id] = answer
        elif isinstance(answer, HarvesterError):
            raise answer
        else:
            tasks[task_id] = _merged(single[task_id], answer)
    # In the order given, whatever the order of the responses.
    order = [*(task_id for task_id in tasks if task_id not in single), *single]
    without_state = {task_id: replace(single[task_id], raw_state=None) for task_id in unknown_ids}
    whole = _completed(
        client, {task_id: tasks.get(task_id) or without_state[task_id] for task_id in order}, unknown_ids, stop
    )
    unlisted = max(0, nulls - named) + (0 if expected.batches else expected.unlisted)
    runs = tuple(collect_concurrently(client.run, expected.runs, stop=stop).values())
    return UpstreamStatus(tuple(whole.values()), unknown_ids, unlisted, runs)


def wait_until_ended(
    client: NimbleClient, expected: ExpectedTasks, *, deadline: float | None, observer: WaitObserver
) -> None:
    """Return when every expected task has ended. Raises TimedOut at ``deadline``, and the client's errors."""
    stop = observer.stop_signal
    by_file = {task.batch_id for task in expected.tasks if task.batch_id}

    def progress(batch_id: str) -> BatchProgress:
        try:
            return client.progress(batch_id)
        except UnknownId:
            if batch_id not in by_file:
                raise
            # Expired: nothing to wait for; its tasks are queried one by one.
            return BatchProgress(batch_id, completed=True, completed_count=0, progress=1.0)

    def task(task_id: str) -> Task | None:
        try:
            return client.task(task_id)
        except UnknownId:
            return None

    def others(noun: str, seen: Mapping[str, Task | Run | None]) -> None:
        observer.others(noun, sum(map(_ended, seen.values())), len(seen))

    with client.until(deadline):
        if expected.batches:
            poll_until(
                expected.batches,
                progress,
                lambda seen: seen.completed,
                timed_out=lambda open_: _timed_out("batch", "batches", open_, expected),
                deadline=deadline,
                report=observer.batches,
                stop=stop,
            )
        single = [each.id for each in expected.tasks if each.batch_id not in expected.batches]
        if single:
            poll_until(
                single,
                task,
                _ended,
                timed_out=lambda open_: _timed_out("task", "tasks", open_, expected),
                deadline=deadline,
                report=lambda seen: others("task", seen),
                stop=stop,
            )
        if expected.runs:
            poll_until(
                expected.runs,
                client.run,
                _ended,
                timed_out=lambda open_: _timed_out("run", "runs", open_, expected),
                deadline=deadline,
                report=lambda seen: others("run", seen),
                stop=stop,
            )


def _ended(seen: Task | Run | None) -> bool:
    return seen is None or seen.state.finished


def _timed_out(noun: str, nouns: str, waiting: Mapping[str, object], expected: ExpectedTasks) -> TimedOut:
    first = next(iter(waiting))
    total = len(expected.batches) + len(expected.runs) + len(expected.tasks)
    return TimedOut(
        f"{noun} {first} has not ended" if len(waiting) == 1 else f"{len(waiting):,} {nouns} have not ended",
        cause="the deadline has passed"
        + (f"; {total:,} were waited for" if total > 1 else "")
        + (f"; the first of them is {first}" if len(waiting) > 1 else ""),
        code=ErrorCode.TASKS_NOT_ENDED,
    )


def _batches(client: NimbleClient, expected: ExpectedTasks, stop: Callable[[], int | None]) -> list[Batch]:
    by_file = {task.batch_id for task in expected.tasks if task.batch_id}
    found: dict[str, Batch] = {}
    for batch_id, answer in map_concurrently(client.batch, expected.batches, stop=stop):
        if isinstance(answer, UnknownId) and batch_id in by_file:
            continue
        if isinstance(answer, HarvesterError):
            raise answer
        found[batch_id] = answer
    return [found[batch_id] for batch_id in expected.batches if batch_id in found]


def _tasks_of(batch: Batch) -> Iterator[Task]:
    """Yield the tasks of a batch, completed with its id and end: one documented page omits both in the tasks."""
    ended_at = batch.completed_at if batch.completed else None
    for task in batch.tasks:
        yield replace(
            task,
            batch_id=task.batch_id or batch.id,
            modified_at=task.modified_at or (ended_at if task.state.finished else None),
        )


def _completed(
    client: NimbleClient, tasks: dict[str, Task], unknown_ids: Mapping[str, UnknownId], stop: Callable[[], int | None]
) -> dict[str, Task]:
    """Query single tasks whose batch omits when they ended or why they failed."""
    wanting = [
        task.id
        for task in tasks.values()
        if task.id not in unknown_ids
        and (
            (task.state in {TaskState.SUCCEEDED, TaskState.PARTIAL} and task.modified_at is None)
            or (task.state is TaskState.FAILED and task.error is None and task.error_type is None)
        )
    ]
    for task_id, answer in map_concurrently(client.task, wanting, stop=stop):
        # A refinement only: if the query fails, the values of the batch remain.
        if not isinstance(answer, HarvesterError):
            tasks[task_id] = _merged(tasks[task_id], answer)
    return tasks


def _merged(known: Task, current: Task) -> Task:
    """Return ``current``, completed with the values of ``known``."""
    return replace(
        current,
        batch_id=current.batch_id or known.batch_id,
        output_url=current.output_url or known.output_url,
        created_at=current.created_at or known.created_at,
        modified_at=current.modified_at or known.modified_at,
    )
