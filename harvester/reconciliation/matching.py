"""The account of a promise: promised tasks against delivered objects, each task in exactly one class. Pure."""

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


class Outcome(StrEnum):
    """What became of a promised task; every task has exactly one."""

    LANDED = "landed"
    """Delivered, and at home."""
    DELIVERED = "delivered"
    """Delivered, and not at home: not fetched yet, quarantined, refused or failed."""
    ARRIVING = "arriving"
    """Succeeded, no object yet, and still within the grace."""
    FAILED_UPSTREAM = "failed_upstream"
    """Nimble says that it failed."""
    RUNNING = "running"
    """Not ended yet, or in a state of no documented meaning."""
    MISSING = "missing"
    """Succeeded, the grace is over, and no object is there."""
    DUPLICATE = "duplicate"
    """Delivered more than once, or its name carries somebody else's result."""


class LocalState(StrEnum):
    """What has become of a delivered object here."""

    LANDED = "landed"
    RESCUED = "rescued"
    """Fetched through the results API, not from the bucket."""
    QUARANTINED = "quarantined"
    REFUSED = "refused"
    FAILED = "failed"
    ABSENT = "absent"
    """Listed in the bucket, not fetched yet."""
    LOST = "lost"
    """Landed once; its file is not here any more, or altered."""


class Reason(StrEnum):
    """Why a task is in its class, where the class alone does not say it."""

    NONE = ""
    UNKNOWN_STATE = "unknown_state"
    """Its state is a word of no documentation: taken for running."""
    END_UNKNOWN = "end_unknown"
    """A success that does not say when it ended: no grace can be given."""
    NOT_FETCHED = "not_fetched"
    QUARANTINED = "quarantined"
    REFUSED = "refused"
    FETCH_FAILED = "fetch_failed"
    FILE_LOST = "file_lost"
    """It landed once; its file is not here any more, or altered."""
    DELIVERED_TWICE = "delivered_twice"
    """Several objects carry its result, and they differ or have not all been read."""
    IDENTICAL_COPIES = "identical_copies"
    """Several objects carry its result, all are at home and hold the same bytes: whole, if more than once."""
    NAME_COLLISION = "name_collision"
    """The object at its name carries another task's result, or several tasks were given that name."""
    NOT_KNOWN = "not_known"
    """Nimble knows no such task (any more), and no object carries its result."""
    EXPIRED = "expired"
    """Asked for it, the results API says that it is there no more."""
    NOT_HELD = "not_held"
    """Asked for it, the results API knows nothing of it."""
    RESCUED_INVALID = "rescued_invalid"
    """What the results API gave was invalid, and is in the quarantine."""
    RESCUE_FAILED = "rescue_failed"
    """The results API could not be asked for it."""


@dataclass(frozen=True, slots=True)
class DeliveredObject:
    """One object of the bucket, or one rescued file, with what is known of it here."""

    key: str
    """The whole key."""
    url: str
    """The key as a URL with scheme and bucket, to compare with a task's ``output_url``."""
    local: LocalState
    """What has become of it here."""
    path: str | None = None
    """Its file below the destination, where there is one."""
    task_id: str | None = None
    """The ``task_id`` of its body, where it was read and has one."""
    digest: str | None = None
    """The hash of its landed bytes, where it landed."""
    listed: bool = True
    """Whether the bucket holds this version now; else it is only here."""

    @property
    def landed(self) -> bool:
        """Whether its bytes are at home and valid."""
        return self.local in {LocalState.LANDED, LocalState.RESCUED}

    @property
    def name(self) -> str:
        """The file name: what follows the last slash of the key."""
        return self.key.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class TaskAccount:
    """The account of one task."""

    task: Task
    """The task as promised."""
    outcome: Outcome
    """Its class."""
    reason: Reason = Reason.NONE
    """Why, where the class alone does not say it."""
    objects: tuple[DeliveredObject, ...] = ()
    """The objects that carry its result; for a collision, those at its name."""
    expires_at: datetime | None = None
    """Until when the results API can be expected to hold the result, for a gap that it could fill."""

    @property
    def gap(self) -> bool:
        """Whether something that was paid for is not whole at home, and once."""
        return self.outcome in {Outcome.DELIVERED, Outcome.MISSING, Outcome.DUPLICATE}

    @property
    def rescuable(self) -> bool:
        """Whether the results API could bring what no object of the bucket can."""
        return (
            self.outcome is Outcome.MISSING
            or (self.outcome is Outcome.DUPLICATE and self.reason is Reason.NAME_COLLISION)
            or (self.outcome is Outcome.DELIVERED and self.reason is Reason.QUARANTINED)
        )


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The account of every promised task, and of the objects nobody promised."""

    tasks: tuple[TaskAccount, ...]
    """One per promised task, in the order of the promise."""
    unexpected: tuple[DeliveredObject, ...]
    """Objects that belong to no promised task, in the order given."""
    expires_at: datetime | None
    """When the first rescuable result can be expected to be gone; None where nothing is to be rescued."""

    @property
    def promised(self) -> int:
        """How many tasks were promised."""
        return len(self.tasks)

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """How many tasks are in each class, zeros included; they add up to ``promised``."""
        counted = Counter(account.outcome for account in self.tasks)
        return {outcome: counted[outcome] for outcome in Outcome}

    @property
    def gaps(self) -> tuple[TaskAccount, ...]:
        """The tasks whose result was paid for and is not whole at home."""
        return tuple(account for account in self.tasks if account.gap)


def account_for(
    promised: Iterable[Task],
    objects: Sequence[DeliveredObject],
    *,
    now: datetime,
    grace: timedelta,
    retention: timedelta | None = None,
    not_known: Container[str] = (),
) -> Reconciliation:
    """Give every promised task exactly one class, and find the objects nobody promised.

    An object belongs to the task whose id its body carries, else to the one whose ``output_url`` it is, else to the one
    whose id its file name is, or contains between separators (how a batch joins a custom name is undocumented).
    A task told of twice counts once, as last told. ``now`` is aware; a success younger than ``grace`` is arriving.
    ``retention`` is how long the results API is expected to hold a result; default: the shortest documented.
    ``not_known`` are the ids of which Nimble knows nothing (any more): without an object they are missing.
    """
    if retention is None:
        retention = timedelta(hours=facts().api.retention_hours["completed"])
    tasks = {task.id: task for task in promised}
    matches = _match(tasks, objects)
    accounts = tuple(
        _account(task, matches, now=now, grace=grace, retention=retention, known=task.id not in not_known)
        for task in tasks.values()
    )
    expiries = [account.expires_at for account in accounts if account.expires_at is not None]
    return Reconciliation(accounts, tuple(matches.unexpected), min(expiries, default=None))


# ---- whose object is it


@dataclass(frozen=True, slots=True)
class _Matches:
    owned: Mapping[str, Sequence[DeliveredObject]]
    """Task id to the objects that carry its result."""
    collided: Mapping[str, Sequence[DeliveredObject]]
    """Task id to the objects at its name that carry somebody else's, or that nobody can tell apart."""
    unexpected: Sequence[DeliveredObject]


def _match(tasks: Mapping[str, Task], objects: Sequence[DeliveredObject]) -> _Matches:
    owned: defaultdict[str, list[DeliveredObject]] = defaultdict(list)
    collided: defaultdict[str, list[DeliveredObject]] = defaultdict(list)
    unexpected: list[DeliveredObject] = []
    claims: defaultdict[str, list[str]] = defaultdict(list)
    for task in tasks.values():
        if task.output_url:
            # Whether a key is percent-encoded in output_url is undocumented: both readings claim.
            for url in {task.output_url, unquote(task.output_url)}:
                claims[url].append(task.id)
    counts = piece_counts(tasks)
    for found in objects:
        claimants = claims.get(found.url, [])
        owner = _owner(found, tasks, claimants)
        if owner is None:
            # A body with an id nobody promised, at a name made of a promised id: no other task would be written there.
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
    # Where only one of those given this name has not failed, it is that one's.
    able = [task_id for task_id in claimants if tasks[task_id].state is not TaskState.FAILED] or claimants
    return able[0] if len(able) == 1 else None


def piece_counts(ids: Iterable[str]) -> Sequence[int]:
    """Return of how many pieces ``ids`` are made, the largest first: what ``contained_id`` needs to know of them."""
    return sorted({len(_pieces(each)) for each in ids}, reverse=True)


def contained_id(name: str, ids: Container[str], counts: Sequence[int]) -> str | None:
    """Return the id of ``ids`` that ``name`` is made of or contains between separators: the longest, then the first.

    Only runs of as many pieces as some promised id has are looked up: a hostile name costs no more than its length.
    """
    pieces = _pieces(name)
    for count in counts:
        for start in range(0, len(pieces) - count + 1, 2):
            candidate = "".join(pieces[start : start + count])
            if candidate in ids:
                return candidate
    return None


def _pieces(name: str) -> list[str]:
    """Split into words and, at the odd places, the separators between them."""
    return re.split(r"([^A-Za-z0-9]+)", name)


# ---- what became of it


def _account(
    task: Task, matches: _Matches, *, now: datetime, grace: timedelta, retention: timedelta, known: bool
) -> TaskAccount:
    delivered = _deciding(matches.owned.get(task.id, ()))
    collided = tuple(matches.collided.get(task.id, ()))
    if task.state is TaskState.FAILED:
        return TaskAccount(task, Outcome.FAILED_UPSTREAM, objects=delivered)
    if len(delivered) > 1:
        return TaskAccount(task, Outcome.DUPLICATE, _copies(delivered), delivered)
    ended_at = task.modified_at if known else None
    expires_at = ended_at + retention if ended_at is not None else None
    if len(delivered) == 1:
        if delivered[0].landed:
            return TaskAccount(task, Outcome.LANDED, Reason.NONE, delivered)
        reason = _WHEREABOUTS[delivered[0].local]
        helps = reason is Reason.QUARANTINED
        return TaskAccount(task, Outcome.DELIVERED, reason, delivered, expires_at if helps else None)
    if known and not task.state.finished:
        unknown = task.state is TaskState.UNKNOWN
        return TaskAccount(task, Outcome.RUNNING, Reason.UNKNOWN_STATE if unknown else Reason.NONE)
    if ended_at is not None and now - ended_at <= grace:
        return TaskAccount(task, Outcome.ARRIVING)
    if collided:
        return TaskAccount(task, Outcome.DUPLICATE, Reason.NAME_COLLISION, collided, expires_at)
    reason = Reason.NONE if ended_at else Reason.END_UNKNOWN if known else Reason.NOT_KNOWN
    return TaskAccount(task, Outcome.MISSING, reason, (), expires_at)


def _deciding(owned: Sequence[DeliveredObject]) -> tuple[DeliveredObject, ...]:
    """Return the objects that say what became of a task, of all that carry its result.

    What the bucket holds now says more than what it held once; a valid copy more than an invalid one. A rescued copy
    gives way to the delivered object, unless that is invalid.
    """
    delivered = [found for found in owned if found.local is not LocalState.RESCUED]
    delivered = [found for found in delivered if found.listed] or delivered
    valid = [found for found in delivered if found.local is not LocalState.QUARANTINED]
    rescued = [found for found in owned if found.local is LocalState.RESCUED]
    return tuple(valid or rescued[:1] or delivered)


def _copies(delivered: Sequence[DeliveredObject]) -> Reason:
    whole = all(found.landed and found.digest is not None for found in delivered)
    same = whole and len({found.digest for found in delivered}) == 1
    return Reason.IDENTICAL_COPIES if same else Reason.DELIVERED_TWICE


_WHEREABOUTS = {
    LocalState.ABSENT: Reason.NOT_FETCHED,
    LocalState.QUARANTINED: Reason.QUARANTINED,
    LocalState.REFUSED: Reason.REFUSED,
    LocalState.FAILED: Reason.FETCH_FAILED,
    LocalState.LOST: Reason.FILE_LOST,
}
