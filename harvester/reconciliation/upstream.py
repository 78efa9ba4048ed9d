"""What the API tells of a promise: every task as it is now, those it does not know, and the runs of jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, TimedOut
from harvester.nimble_api import (
    Batch,
    BatchProgress,
    NimbleClient,
    NotThere,
    Run,
    Task,
    TaskState,
    ask_all,
    ask_each,
    never,
    wait_for,
)
from harvester.reconciliation.task_file import PromisedTasks


@dataclass(frozen=True, slots=True)
class Promise:
    """What is to be accounted for."""

    batches: tuple[str, ...] = ()
    """Batch ids."""
    runs: tuple[str, ...] = ()
    """Ids of job runs."""
    tasks: tuple[Task, ...] = ()
    """Single tasks, and those a file names of the batches."""
    unlisted: int = 0
    """Tasks that are promised by number alone; they cannot be accounted for."""

    @classmethod
    def of_ids(cls, *, batches: Iterable[str] = (), runs: Iterable[str] = (), tasks: Iterable[str] = ()) -> Promise:
        """Return the promise of these ids."""
        return cls(tuple(dict.fromkeys(batches)), tuple(dict.fromkeys(runs)), tuple(map(Task, dict.fromkeys(tasks))))

    @classmethod
    def of_file(cls, promised: PromisedTasks) -> Promise:
        """Return what a tasks file promises."""
        return cls(batches=promised.batch_ids, tasks=promised.tasks, unlisted=promised.unlisted)

    def __add__(self, other: Promise) -> Promise:
        """Return both promises as one."""
        tasks = {task.id: task for task in (*self.tasks, *other.tasks)}
        return Promise(
            tuple(dict.fromkeys((*self.batches, *other.batches))),
            tuple(dict.fromkeys((*self.runs, *other.runs))),
            tuple(tasks.values()),
            self.unlisted + other.unlisted,
        )

    def __bool__(self) -> bool:
        """Return whether anything is promised."""
        return bool(self.batches or self.runs or self.tasks or self.unlisted)


@dataclass(frozen=True, slots=True)
class Told:
    """What the API tells of a promise."""

    tasks: tuple[Task, ...]
    """Every promised task, as it is now."""
    not_known: Mapping[str, NotThere]
    """The ids of which the API knows nothing (any more), each with its words."""
    unlisted: int
    """Tasks that are promised by number alone."""
    runs: tuple[Run, ...]
    """The runs of jobs."""


@dataclass(frozen=True, slots=True)
class WaitObserver:
    """Whom the waiting tells how far it is."""

    batches: Callable[[Mapping[str, BatchProgress]], object] = lambda _: None
    """Called after every round with the progress of the batches waited for."""
    others: Callable[[str, int, int], object] = lambda _noun, _ended, _total: None
    """Called after every round with ``task`` or ``run``, how many of them have ended, and how many there are."""
    rescued: Callable[[int, int], object] = lambda _done, _total: None
    """Called after every result asked for, with how many were, and how many there are to ask for."""
    stop_signal: Callable[[], int | None] = never
    """Asked often; a signal number ends the work after the state was saved."""


def ask_promise(client: NimbleClient, promise: Promise, *, stop: Callable[[], int | None] = never) -> Told:
    """Return what the API tells of every promised task now.

    A task that the API does not know is no reason to give up on the others; a batch or run that it does not know, or
    a key it rejects, raises what the client raises. Of a batch that has expired, the tasks that a file names are asked.
    """
    batches = _batches(client, promise, stop)
    tasks = {task.id: task for batch in batches for task in _tasks_of(batch)}
    nulls = sum(batch.null_tasks for batch in batches)
    by_batch = {batch.id for batch in batches}
    single = {task.id: task for task in promise.tasks if task.id not in tasks}
    named = sum(task.batch_id in by_batch for task in single.values())
    not_known: dict[str, NotThere] = {}
    for task_id, answer in ask_each(client.task, single, stop=stop):
        if isinstance(answer, NotThere):
            not_known[task_id] = answer
        elif isinstance(answer, HarvesterError):
            raise answer
        else:
            tasks[task_id] = _merged(single[task_id], answer)
    # In the order of the promise, whatever the order of the answers.
    order = [*(task_id for task_id in tasks if task_id not in single), *single]
    unasked = {task_id: replace(single[task_id], word=None) for task_id in not_known}
    whole = _completed(client, {task_id: tasks.get(task_id) or unasked[task_id] for task_id in order}, not_known, stop)
    unlisted = max(0, nulls - named) + (0 if promise.batches else promise.unlisted)
    runs = tuple(ask_all(client.run, promise.runs, stop=stop).values())
    return Told(tuple(whole.values()), not_known, unlisted, runs)


def wait_for_promise(client: NimbleClient, promise: Promise, *, deadline: float | None, observer: WaitObserver) -> None:
    """Return when everything promised has ended. Raises TimedOut at ``deadline``, and what the client raises."""
    stop = observer.stop_signal
    by_file = {task.batch_id for task in promise.tasks if task.batch_id}

    def progress(batch_id: str) -> BatchProgress:
        try:
            return client.progress(batch_id)
        except NotThere:
            if batch_id not in by_file:
                raise
            # Expired: there is nothing to wait for, its tasks are asked one by one.
            return BatchProgress(batch_id, completed=True, completed_count=0, progress=1.0)

    def task(task_id: str) -> Task | None:
        try:
            return client.task(task_id)
        except NotThere:
            return None

    def others(noun: str, seen: Mapping[str, Task | Run | None]) -> None:
        observer.others(noun, sum(map(_ended, seen.values())), len(seen))

    with client.until(deadline):
        if promise.batches:
            wait_for(
                promise.batches,
                progress,
                lambda seen: seen.completed,
                timed_out=lambda open_: _timed_out("batch", "batches", open_, promise),
                deadline=deadline,
                report=observer.batches,
                stop=stop,
            )
        single = [each.id for each in promise.tasks if each.batch_id not in promise.batches]
        if single:
            wait_for(
                single,
                task,
                _ended,
                timed_out=lambda open_: _timed_out("task", "tasks", open_, promise),
                deadline=deadline,
                report=lambda seen: others("task", seen),
                stop=stop,
            )
        if promise.runs:
            wait_for(
                promise.runs,
                client.run,
                _ended,
                timed_out=lambda open_: _timed_out("run", "runs", open_, promise),
                deadline=deadline,
                report=lambda seen: others("run", seen),
                stop=stop,
            )


def _ended(seen: Task | Run | None) -> bool:
    return seen is None or seen.state.finished


def _timed_out(noun: str, nouns: str, waiting: Mapping[str, object], promise: Promise) -> TimedOut:
    first = next(iter(waiting))
    asked = len(promise.batches) + len(promise.runs) + len(promise.tasks)
    return TimedOut(
        f"{noun} {first} has not ended" if len(waiting) == 1 else f"{len(waiting):,} {nouns} have not ended",
        cause="the time is up"
        + (f"; {asked:,} were waited for" if asked > 1 else "")
        + (f"; the first of them is {first}" if len(waiting) > 1 else ""),
        code=ErrorCode.TASKS_NOT_ENDED,
    )


def _batches(client: NimbleClient, promise: Promise, stop: Callable[[], int | None]) -> list[Batch]:
    by_file = {task.batch_id for task in promise.tasks if task.batch_id}
    found: dict[str, Batch] = {}
    for batch_id, answer in ask_each(client.batch, promise.batches, stop=stop):
        if isinstance(answer, NotThere) and batch_id in by_file:
            continue
        if isinstance(answer, HarvesterError):
            raise answer
        found[batch_id] = answer
    return [found[batch_id] for batch_id in promise.batches if batch_id in found]


def _tasks_of(batch: Batch) -> Iterator[Task]:
    """Yield the tasks of a batch with what only the batch tells; one documented page shows neither of the two there."""
    ended_at = batch.completed_at if batch.completed else None
    for task in batch.tasks:
        yield replace(
            task,
            batch_id=task.batch_id or batch.id,
            modified_at=task.modified_at or (ended_at if task.state.finished else None),
        )


def _completed(
    client: NimbleClient, tasks: dict[str, Task], not_known: Mapping[str, NotThere], stop: Callable[[], int | None]
) -> dict[str, Task]:
    """Ask the tasks themselves where their batch leaves out when they ended, or why they failed."""
    wanting = [
        task.id
        for task in tasks.values()
        if task.id not in not_known
        and (
            (task.state in {TaskState.SUCCEEDED, TaskState.PARTIAL} and task.modified_at is None)
            or (task.state is TaskState.FAILED and task.error is None and task.error_type is None)
        )
    ]
    for task_id, answer in ask_each(client.task, wanting, stop=stop):
        # It is a refinement: what the batch has told stands where the task itself cannot be asked.
        if not isinstance(answer, HarvesterError):
            tasks[task_id] = _merged(tasks[task_id], answer)
    return tasks


def _merged(known: Task, told: Task) -> Task:
    """Return what is told now, with what was known where that says nothing."""
    return replace(
        told,
        batch_id=told.batch_id or known.batch_id,
        output_url=told.output_url or known.output_url,
        created_at=told.created_at or known.created_at,
        modified_at=told.modified_at or known.modified_at,
    )
