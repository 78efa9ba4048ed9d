"""Match expected tasks with delivered objects: each task has exactly one outcome. Pure."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import unquote

from harvester.nimble_api import Task, TaskState
from policies import facts


class TaskOutcome(StrEnum):
    """Outcome of an expected task; every task has exactly one."""

    LANDED = "landed"
    """Delivered and landed."""
    DELIVERED = "delivered"
    """Delivered, but not landed: not fetched yet, quarantined, refused or failed."""
    ARRIVING = "arriving"
    """Succeeded, without an object, within the grace period."""
    FAILED_UPSTREAM = "failed_upstream"
    """Failed according to Nimble."""
    RUNNING = "running"
    """Not ended yet, or in an undocumented state."""
    MISSING = "missing"
    """Succeeded, without an object, after the grace period."""
    DUPLICATE = "duplicate"
    """Delivered more than once, or its key holds another task's result."""


class LocalState(StrEnum):
    """State of a delivered object in the destination."""

    LANDED = "landed"
    RESCUED = "rescued"
    """Fetched through the results API, not from the bucket."""
    QUARANTINED = "quarantined"
    REFUSED = "refused"
    FAILED = "failed"
    ABSENT = "absent"
    """Listed in the bucket, not fetched yet."""
    LOST = "lost"
    """Landed before; its file is missing or altered."""


class TaskReason(StrEnum):
    """Why a task has its outcome, if the outcome alone does not show it."""

    NONE = ""
    UNKNOWN_STATE = "unknown_state"
    """Its state is undocumented: treated as running."""
    END_UNKNOWN = "end_unknown"
    """It succeeded without a time of its end, so no grace period applies."""
    NOT_FETCHED = "not_fetched"
    QUARANTINED = "quarantined"
    REFUSED = "refused"
    FETCH_FAILED = "fetch_failed"
    FILE_LOST = "file_lost"
    """It landed before; its file is missing or altered."""
    DELIVERED_TWICE = "delivered_twice"
    """Several objects hold its result; they differ or have not all been read."""
    IDENTICAL_COPIES = "identical_copies"
    """Several objects hold its result; all have landed with the same bytes."""
    NAME_COLLISION = "name_collision"
    """The object at its key holds another task's result, or several tasks were given that key."""
    NOT_KNOWN = "unknown_ids"
    """Nimble does not know the task (any more), and no object holds its result."""
    EXPIRED = "expired"
    """The results API answered that the result has expired."""
    NOT_HELD = "not_held"
    """The results API does not know the result."""
    RESCUED_INVALID = "rescued_invalid"
    """The result from the results API was invalid and is quarantined."""
    RESCUE_FAILED = "rescue_failed"
    """The request to the results API failed."""


@dataclass(frozen=True, slots=True)
class DeliveredObject:
    """One object of the bucket, or one rescued file, and its state in the destination."""

    key: str
    """The whole key."""
    url: str
    """The key as a URL with scheme and bucket, to compare with a task's ``output_url``."""
    local: LocalState
    """Its state in the destination."""
    path: str | None = None
    """Its file below the destination, if any."""
    task_id: str | None = None
    """The ``task_id`` of its body, if it was read and has one."""
    digest: str | None = None
    """The hash of its landed bytes, if it landed."""
    listed: bool = True
    """Whether the bucket has this version now; otherwise it exists only locally."""

    @property
    def landed(self) -> bool:
        """Whether its bytes have landed and are valid."""
        return self.local in {LocalState.LANDED, LocalState.RESCUED}

    @property
    def name(self) -> str:
        """The file name: what follows the last slash of the key."""
        return self.key.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class ReconciledTask:
    """One expected task with its outcome."""

    task: Task
    """The task as the API reports it."""
    outcome: TaskOutcome
    """Its outcome."""
    reason: TaskReason = TaskReason.NONE
    """Why, if the outcome alone does not show it."""
    objects: tuple[DeliveredObject, ...] = ()
    """The objects that hold its result; for a collision, those at its key."""
    expires_at: datetime | None = None
    """Expected end of retention in the results API, for a result that could be rescued from it."""

    @property
    def is_incomplete(self) -> bool:
        """Whether a result that was charged has not landed exactly once."""
        return self.outcome in {TaskOutcome.DELIVERED, TaskOutcome.MISSING, TaskOutcome.DUPLICATE}

    @property
    def rescuable(self) -> bool:
        """Whether the results API may hold what the bucket does not."""
        return (
            self.outcome is TaskOutcome.MISSING
            or (self.outcome is TaskOutcome.DUPLICATE and self.reason is TaskReason.NAME_COLLISION)
            or (self.outcome is TaskOutcome.DELIVERED and self.reason is TaskReason.QUARANTINED)
        )


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Every expected task with its outcome, and the unexpected objects."""

    tasks: tuple[ReconciledTask, ...]
    """One per expected task, in the order given."""
    unexpected: tuple[DeliveredObject, ...]
    """Objects that belong to no expected task, in the order given."""
    expires_at: datetime | None
    """Earliest expected end of retention of a rescuable result; None if there is none."""

    @property
    def expected(self) -> int:
        """Number of expected tasks."""
        return len(self.tasks)

    @property
    def counts(self) -> Mapping[TaskOutcome, int]:
        """Number of tasks per outcome, zeros included; the sum is ``expected``."""
        counted = Counter(task.outcome for task in self.tasks)
        return {outcome: counted[outcome] for outcome in TaskOutcome}

    @property
    def incomplete(self) -> tuple[ReconciledTask, ...]:
        """The tasks whose result was charged and has not landed exactly once."""
        return tuple(task for task in self.tasks if task.is_incomplete)


def match_tasks(
    expected: Iterable[Task],
    objects: Sequence[DeliveredObject],
    *,
    now: datetime,
    grace: timedelta,
    retention: timedelta | None = None,
    unknown_ids: Container[str] = (),
) -> Reconciliation:
    """Determine the outcome of every expected task, and the unexpected objects.

    An object belongs to the task whose id is in its body, else to the one whose ``output_url`` it is, else to the one
    whose id its file name is, or contains between separators (how a batch joins a custom name is undocumented).
    A task that occurs twice counts once; the last entry wins. ``now`` has a time zone; a success younger than ``grace``
    is arriving. ``retention`` is how long the results API keeps a result; default: the shortest documented.
    ``unknown_ids`` are ids that Nimble does not know (any more): without an object they are missing.
    """
    if retention is None:
        retention = timedelta(hours=facts().api.retention_hours["completed"])
    tasks = {task.id: task for task in expected}
    matches = _match(tasks, objects)
    reconciled = tuple(
        _reconcile(task, matches, now=now, grace=grace, retention=retention, known=task.id not in unknown_ids)
        for task in tasks.values()
    )
    expiries = [task.expires_at for task in reconciled if task.expires_at is not None]
    return Reconciliation(reconciled, tuple(matches.unexpected), min(expiries, default=None))


# ---- which task an object belongs to


@dataclass(frozen=True, slots=True)
class _Matches:
    owned: Mapping[str, Sequence[DeliveredObject]]
    """Task id to the objects that hold its result."""
    collided: Mapping[str, Sequence[DeliveredObject]]
    """Task id to the objects at its key that hold another task's result, or an ambiguous one."""
    unexpected: Sequence[DeliveredObject]


def _match(tasks: Mapping[str, Task], objects: Sequence[DeliveredObject]) -> _Matches:
    owned: defaultdict[str, list[DeliveredObject]] = defaultdict(list)
    collided: defaultdict[str, list[DeliveredObject]] = defaultdict(list)
    unexpected: list[DeliveredObject] = []
    claims: defaultdict[str, list[str]] = defaultdict(list)
    for task in tasks.values():
        if task.output_url:
            # Whether a key is percent-encoded in output_url is undocumented: both forms claim.
            for url in {task.output_url, unquote(task.output_url)}:
                claims[url].append(task.id)
    counts = piece_counts(tasks)
    for found in objects:
        claimants = claims.get(found.url, [])
        owner = _owner(found, tasks, claimants)
        if owner is None:
            # An unexpected id in the body, but an expected id in the name: no other task is written there.
            owner = contained_id(found.name, tasks, counts)
        if owner is not None:
            owned[owner].append(found)
        for claimant in claimants:
            if claimant != owner:
                collided[claimant].append(found)
        if owner is None and not claimants:
            unexpected.append(found)
    return _Matches(owned, collided, unexpected)


def _owner(found: DeliveredObject, tasks: Mapping[str, Task], claimants: Sequence[str]) -> str | None:
    if found.task_id is not None:
        return found.task_id if found.task_id in tasks else None
    # If exactly one of the tasks with this key has not failed, the object is its result.
    able = [task_id for task_id in claimants if tasks[task_id].state is not TaskState.FAILED] or claimants
    return able[0] if len(able) == 1 else None


def piece_counts(ids: Iterable[str]) -> Sequence[int]:
    """Return the distinct numbers of pieces of ``ids``, the largest first, for ``contained_id``."""
    return sorted({len(_pieces(each)) for each in ids}, reverse=True)


def contained_id(name: str, ids: Container[str], counts: Sequence[int]) -> str | None:
    """Return the id that ``name`` is or contains between separators: the longest, then the first.

    Only runs of as many pieces as some id has are looked up, so the cost is linear in the length of a hostile name.
    """
    pieces = _pieces(name)
    for count in counts:
        for start in range(0, len(pieces) - count + 1, 2):
            candidate = "".join(pieces[start : start + count])
            if candidate in ids:
                return candidate
    return None


def _pieces(name: str) -> list[str]:
    """Split into alphanumeric pieces and, at odd indices, the separators between them."""
    return re.split(r"([^A-Za-z0-9]+)", name)


# ---- outcome of a task


def _reconcile(
    task: Task, matches: _Matches, *, now: datetime, grace: timedelta, retention: timedelta, known: bool
) -> ReconciledTask:
    delivered = _deciding(matches.owned.get(task.id, ()))
    collided = tuple(matches.collided.get(task.id, ()))
    if task.state is TaskState.FAILED:
        return ReconciledTask(task, TaskOutcome.FAILED_UPSTREAM, objects=delivered)
    if len(delivered) > 1:
        return ReconciledTask(task, TaskOutcome.DUPLICATE, _copies(delivered), delivered)
    ended_at = task.modified_at if known else None
    expires_at = ended_at + retention if ended_at is not None else None
    if len(delivered) == 1:
        if delivered[0].landed:
            return ReconciledTask(task, TaskOutcome.LANDED, TaskReason.NONE, delivered)
        reason = _REASONS[delivered[0].local]
        rescuable = reason is TaskReason.QUARANTINED
        return ReconciledTask(task, TaskOutcome.DELIVERED, reason, delivered, expires_at if rescuable else None)
    if known and not task.state.finished:
        unknown = task.state is TaskState.UNKNOWN
        return ReconciledTask(task, TaskOutcome.RUNNING, TaskReason.UNKNOWN_STATE if unknown else TaskReason.NONE)
    if ended_at is not None and now - ended_at <= grace:
        return ReconciledTask(task, TaskOutcome.ARRIVING)
    if collided:
        return ReconciledTask(task, TaskOutcome.DUPLICATE, TaskReason.NAME_COLLISION, collided, expires_at)
    reason = TaskReason.NONE if ended_at else TaskReason.END_UNKNOWN if known else TaskReason.NOT_KNOWN
    return ReconciledTask(task, TaskOutcome.MISSING, reason, (), expires_at)


def _deciding(owned: Sequence[DeliveredObject]) -> tuple[DeliveredObject, ...]:
    """Return the objects that determine the outcome of a task, of all that hold its result.

    Listed objects take precedence over former ones, and valid copies over invalid ones. A delivered object takes
    precedence over a rescued copy, unless it is invalid.
    """
    delivered = [found for found in owned if found.local is not LocalState.RESCUED]
    delivered = [found for found in delivered if found.listed] or delivered
    valid = [found for found in delivered if found.local is not LocalState.QUARANTINED]
    rescued = [found for found in owned if found.local is LocalState.RESCUED]
    return tuple(valid or rescued[:1] or delivered)


def _copies(delivered: Sequence[DeliveredObject]) -> TaskReason:
    whole = all(found.landed and found.digest is not None for found in delivered)
    same = whole and len({found.digest for found in delivered}) == 1
    return TaskReason.IDENTICAL_COPIES if same else TaskReason.DELIVERED_TWICE


_REASONS = {
    LocalState.ABSENT: TaskReason.NOT_FETCHED,
    LocalState.QUARANTINED: TaskReason.QUARANTINED,
    LocalState.REFUSED: TaskReason.REFUSED,
    LocalState.FAILED: TaskReason.FETCH_FAILED,
    LocalState.LOST: TaskReason.FILE_LOST,
}
