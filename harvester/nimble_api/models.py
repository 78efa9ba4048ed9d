"""Value types of the API: tasks, batches, job runs, results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from harvester.nimble_api.states import TaskState, task_state


@dataclass(frozen=True, slots=True)
class Task:
    """One task: a result that was ordered."""

    id: str
    """The task's id."""
    raw_state: str | None = None
    """The state name as the API sent it; None if only the id is known."""
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
    """The object the result is delivered to; may be set before the object exists."""
    download_url: str | None = None
    """URL of the result in the results API."""
    error: str | None = None
    """The API's error message."""
    error_type: str | None = None
    """The API's error class."""

    @property
    def state(self) -> TaskState:
        """Meaning of ``raw_state``."""
        return task_state(self.raw_state)


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """Progress of a batch, without its tasks."""

    id: str
    """The batch's id."""
    completed: bool
    """Whether every task has ended, with success or failure."""
    completed_count: int
    """Number of tasks that have ended, with success or failure."""
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
    """Whether every task has ended, with success or failure."""
    completed_count: int
    """Number of tasks that have ended, with success or failure."""
    progress: float
    """The ended share, 0 to 1."""
    tasks: tuple[Task, ...]
    """The tasks that the API listed."""
    null_tasks: int = 0
    """Number of tasks that the API sent as ``null``."""
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
    """A batch as the list of batches describes it."""

    id: str
    """The batch's id."""
    completed: bool
    """Whether every task has ended, with success or failure."""
    task_ids: tuple[str, ...]
    """The ids of its tasks."""
    created_at: datetime | None = None
    """When the batch was accepted."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job."""

    id: str
    """The run's id."""
    raw_state: str | None
    """The state name as the API sent it."""
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
    """The API's error message."""
    error_step: str | None = None
    """The step of the pipeline that failed."""

    @property
    def state(self) -> TaskState:
        """Meaning of ``raw_state``."""
        return task_state(self.raw_state)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The body of a result as the results API sent it."""

    task_id: str
    """The task asked for."""
    content: bytes
    """The body, content encoding removed: for most tasks one JSON document."""
    content_type: str
    """The body's media type as declared, lower case, without parameters; may be empty."""


def counts_by_state(tasks: Iterable[Task], *, nulls: int = 0) -> Mapping[TaskState, int]:
    """Count ``tasks`` by state, zeros included; ``nulls`` more are unknown."""
    counted = Counter(task.state for task in tasks)
    counted[TaskState.UNKNOWN] += nulls
    return {state: counted[state] for state in TaskState}


def unknown_states(tasks: Iterable[Task]) -> tuple[str, ...]:
    """Return the undocumented state names of ``tasks``, sorted, without duplicates."""
    return tuple(
        sorted({task.raw_state for task in tasks if task.raw_state is not None and task.state is TaskState.UNKNOWN})
    )
