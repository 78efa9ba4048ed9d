"""What the API tells, as values: tasks, batches, job runs, results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from harvester.nimble_api.states import TaskState, task_state


@dataclass(frozen=True, slots=True)
class Task:
    """One promised result."""

    id: str
    """The task's id."""
    word: str | None = None
    """The API's own word for the state; None where only the id is known."""
    batch_id: str | None = None
    """The batch the task belongs to."""
    api_type: str | None = None
    """Which API took the task: extract, agent, serp, media, …"""
    created_at: datetime | None = None
    """When the task was accepted."""
    modified_at: datetime | None = None
    """When the task last changed: for a finished one, the end."""
    status_code: int | None = None
    """The HTTP status the target answered with."""
    output_url: str | None = None
    """The object the result is delivered to; may be told before the object exists."""
    download_url: str | None = None
    """Where the results API offers the result."""
    error: str | None = None
    """Why it failed, in the API's words."""
    error_type: str | None = None
    """The API's class of the failure."""

    @property
    def state(self) -> TaskState:
        """What the API's word means."""
        return task_state(self.word)


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is, without its tasks."""

    id: str
    """The batch's id."""
    completed: bool
    """Whether every task has ended, well or badly."""
    completed_count: int
    """How many tasks have ended, well or badly."""
    progress: float
    """The ended share, 0 to 1."""
    completed_at: datetime | None = None
    """When the last task ended."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch with its tasks."""

    id: str
    """The batch's id."""
    completed: bool
    """Whether every task has ended, well or badly."""
    completed_count: int
    """How many tasks have ended, well or badly."""
    progress: float
    """The ended share, 0 to 1."""
    tasks: tuple[Task, ...]
    """The tasks the API told of."""
    null_tasks: int = 0
    """How many tasks the API gave as ``null``: promised, but nothing else is known of them."""
    created_at: datetime | None = None
    """When the batch was accepted."""
    completed_at: datetime | None = None
    """When the last task ended."""

    @property
    def counts(self) -> Mapping[TaskState, int]:
        """How many tasks are in each state, zeros included; a ``null`` counts as unknown."""
        return counts_by_state(self.tasks, nulls=self.null_tasks)


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """A batch as the list of batches tells of it."""

    id: str
    """The batch's id."""
    completed: bool
    """Whether every task has ended, well or badly."""
    task_ids: tuple[str, ...]
    """The ids of its tasks."""
    created_at: datetime | None = None
    """When the batch was accepted."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job."""

    id: str
    """The run's id."""
    word: str | None
    """The API's own word for the state."""
    job_id: str | None = None
    """The job it is a run of."""
    job_name: str | None = None
    """The job's name."""
    triggered_by: str | None = None
    """``schedule`` or ``manual``."""
    created_at: datetime | None = None
    """When the run was created."""
    started_at: datetime | None = None
    """When it began."""
    finished_at: datetime | None = None
    """When it ended."""
    input_count: int | None = None
    """Input records processed."""
    result_count: int | None = None
    """Result records produced."""
    match_rate: float | None = None
    """result_count / input_count, 0 to 1."""
    error: str | None = None
    """Why it failed, in the API's words."""
    error_step: str | None = None
    """The step of the pipeline that failed."""

    @property
    def state(self) -> TaskState:
        """What the API's word means."""
        return task_state(self.word)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """A result as the results API sent it."""

    task_id: str
    """The task asked for."""
    content: bytes
    """The body, to the byte, content encoding removed: for most tasks one JSON document."""
    content_type: str
    """The body's media type as declared, lower case, without parameters; may be empty."""


def counts_by_state(tasks: Iterable[Task], *, nulls: int = 0) -> Mapping[TaskState, int]:
    """Count ``tasks`` by state, zeros included; ``nulls`` more are unknown."""
    counted = Counter(task.state for task in tasks)
    counted[TaskState.UNKNOWN] += nulls
    return {state: counted[state] for state in TaskState}


def unknown_words(tasks: Iterable[Task]) -> tuple[str, ...]:
    """Return the words of no documentation that ``tasks`` carry, sorted, each once."""
    return tuple(sorted({task.word for task in tasks if task.word is not None and task.state is TaskState.UNKNOWN}))
