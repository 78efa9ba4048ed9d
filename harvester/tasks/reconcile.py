"""Account for everything that was promised: ask the API, list the bucket, read the manifest, rescue on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harvester.cloud import StoreSettings
from harvester.errors import ExitCode, TimedOut, UsageError
from harvester.mirror import RescuedResult, SyncOptions, land_rescued
from harvester.tasks.answers import NotThere
from harvester.tasks.client import NimbleClient
from harvester.tasks.inventory import Inventory, recorded_source, take_inventory
from harvester.tasks.job_runs import RunAccount, account_for_run
from harvester.tasks.model import BatchProgress, Task
from harvester.tasks.promises import PromisedTasks
from harvester.tasks.reconciliation import Outcome, Reconciliation, TaskAccount, account_for
from harvester.tasks.waiting import FIRST_INTERVAL, next_interval, wait_for_batches

RECONCILIATION_SCHEMA = "nimble-harvester/reconciliation/v1"
DEFAULT_GRACE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Promise:
    """What is to be accounted for."""

    batches: tuple[str, ...] = ()
    """Batch ids."""
    runs: tuple[str, ...] = ()
    """Ids of job runs."""
    tasks: tuple[str, ...] = ()
    """Ids of single tasks."""
    unlisted: int = 0
    """Tasks that are promised by number alone; they cannot be accounted for."""

    @classmethod
    def of_file(cls, promised: PromisedTasks) -> Promise:
        """Return what a tasks file promises: its batches, and the tasks that belong to none."""
        single = tuple(task.id for task in promised.tasks if not task.batch_id)
        # A task of a batch is told of by its batch, in one request instead of one each.
        return cls(
            batches=promised.batch_ids, tasks=single, unlisted=promised.unlisted if not promised.batch_ids else 0
        )

    def __add__(self, other: Promise) -> Promise:
        """Return both promises as one."""
        return Promise(
            tuple(dict.fromkeys((*self.batches, *other.batches))),
            tuple(dict.fromkeys((*self.runs, *other.runs))),
            tuple(dict.fromkeys((*self.tasks, *other.tasks))),
            self.unlisted + other.unlisted,
        )


@dataclass(frozen=True, slots=True)
class Rescue:
    """What became of the results that were asked for through the API."""

    landed: tuple[str, ...] = ()
    """Task ids whose result lies here now, marked as rescued."""
    quarantined: tuple[tuple[str, str], ...] = ()
    """Task ids whose result is invalid, each with the reason."""
    lost: tuple[tuple[str, str], ...] = ()
    """Task ids the API has no result of (any more), each with its words."""


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """The account of a promise."""

    destination: str
    """The destination's path."""
    location: str
    """URL of its source."""
    account: Reconciliation
    """Every promised task in exactly one class."""
    runs: tuple[RunAccount, ...] = ()
    """The runs of jobs."""
    unlisted: int = 0
    """Tasks the API or the file counts without naming them."""
    rescue: Rescue | None = None
    """What was rescued; None when it was not asked for."""
    timed_out: TimedOut | None = None
    """Set when the waiting ended before the tasks did."""

    @property
    def exit_code(self) -> ExitCode:
        """DIFFERENCE when there is a gap, TIMED_OUT when waiting ended first."""
        if self.timed_out is not None:
            return ExitCode.TIMED_OUT
        gap = bool(self.account.gaps) or any(run.verdict.gap for run in self.runs)
        return ExitCode.DIFFERENCE if gap else ExitCode.OK

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        account = self.account
        return {
            "schema": RECONCILIATION_SCHEMA,
            "destination": self.destination,
            "location": self.location,
            "promised": account.promised,
            "counts": {outcome.value: number for outcome, number in account.counts.items()},
            "unexpected": [
                {"key": found.key, "path": found.path, "task_id": found.task_id} for found in account.unexpected
            ],
            "unlisted": self.unlisted,
            "expires_at": _text(account.expires_at),
            "tasks": [self._task(task) for task in account.tasks],
            "runs": [
                {
                    "id": run.run.id,
                    "state": run.run.word,
                    "verdict": run.verdict.value,
                    "result_count": run.run.result_count,
                    "rows_landed": run.rows_landed,
                    "keys": list(run.keys),
                }
                for run in self.runs
            ],
            "rescue": None
            if self.rescue is None
            else {
                "landed": list(self.rescue.landed),
                "quarantined": [{"id": each, "reason": reason} for each, reason in self.rescue.quarantined],
                "lost": [{"id": each, "reason": reason} for each, reason in self.rescue.lost],
            },
            "exit_code": int(self.exit_code),
        }

    def _task(self, account: TaskAccount) -> dict[str, Any]:
        task = account.task
        return {
            "id": task.id,
            "outcome": account.outcome.value,
            "reason": account.reason.value or None,
            "state": task.word,
            "error": task.error,
            "error_type": task.error_type,
            "objects": [
                {"key": found.key, "path": found.path, "local": found.local.value} for found in account.objects
            ],
            "expires_at": _text(account.expires_at),
            "next_step": next_step(account, self.destination, self.location),
        }


def next_step(account: TaskAccount, destination: str, location: str) -> str | None:
    """Return the next command for a gap, None where there is none."""
    match account.outcome:
        case Outcome.DELIVERED:
            return f"nimble-harvester sync {location} {destination}"
        case Outcome.MISSING:
            return f"nimble-harvester reconcile {destination} {_asked(account.task)} --rescue"
        case Outcome.DUPLICATE if account.rescuable:
            return f"nimble-harvester reconcile {destination} {_asked(account.task)} --rescue"
        case Outcome.DUPLICATE:
            return "keep one of its objects; give every request a name of its own"
        case _:
            return None


def _asked(task: Task) -> str:
    return f"--batch {task.batch_id}" if task.batch_id else "--tasks FILE"


@dataclass(frozen=True, slots=True)
class ReconcileOptions:
    """How a promise is accounted for."""

    grace: timedelta = DEFAULT_GRACE
    """A success younger than this whose object is not there counts as arriving."""
    wait: bool = False
    """Wait until everything promised has ended."""
    timeout: float | None = None
    """Wait no longer than this many seconds."""
    rescue: bool = False
    """Fetch missing results through the results API."""
    sync: SyncOptions = field(default_factory=SyncOptions)
    """How rescued results are validated, and where the manifest lies."""


def reconcile(
    destination: Path,
    promise: Promise,
    client: NimbleClient,
    options: ReconcileOptions | None = None,
    *,
    settings: StoreSettings | None = None,
    report: Callable[[Mapping[str, BatchProgress]], object] = lambda _: None,
) -> ReconcileReport:
    """Give every promised task exactly one class, and every run of a job its rows.

    The recorded source is listed, so that "missing" is never a guess. ``report`` is told of the progress of batches
    waited for. Raises ConfigurationError (a destination that was never synced), UsageError (nothing promised, an
    unknown id) and what the client and a listing raise.
    """
    options = options or ReconcileOptions()
    if not (promise.batches or promise.runs or promise.tasks or promise.unlisted):
        raise UsageError("nothing was promised", next_step="name --batch ID, --run ID or --tasks FILE")
    # A destination that was never synced is told before anything is waited for.
    recorded_source(destination, state_dir=options.sync.state_dir)
    timed_out = None
    try:
        tasks, nulls = _ask(client, promise, options, report)
    except TimedOut as ended:
        timed_out = ended
        tasks, nulls = _ask(client, promise, ReconcileOptions(), report)
    runs = [client.run(run_id) for run_id in promise.runs]

    def look() -> tuple[Inventory, Reconciliation]:
        # After the API was asked: an object that a success tells of has had its time to appear.
        found = take_inventory(destination, settings=settings, state_dir=options.sync.state_dir)
        return found, account_for(tasks, found.objects, now=datetime.now(UTC), grace=options.grace)

    inventory, account = look()
    rescue = None
    if options.rescue:
        rescue = _rescue(destination, client, account, options)
        inventory, account = look()
    return ReconcileReport(
        destination=str(destination),
        location=inventory.location.url,
        account=account,
        runs=tuple(account_for_run(run, inventory.deliveries, grace=options.grace) for run in runs),
        unlisted=promise.unlisted + nulls,
        rescue=rescue,
        timed_out=timed_out,
    )


def _ask(
    client: NimbleClient,
    promise: Promise,
    options: ReconcileOptions,
    report: Callable[[Mapping[str, BatchProgress]], object],
) -> tuple[list[Task], int]:
    """Return every promised task as the API tells of it now, and how many it does not name."""
    deadline = None if options.timeout is None else time.monotonic() + options.timeout
    if options.wait and promise.batches:
        batches = wait_for_batches(client, promise.batches, deadline=deadline, report=report)
    else:
        batches = tuple(client.batch(batch_id) for batch_id in promise.batches)
    tasks = [task for batch in batches for task in batch.tasks]
    single = [client.task(task_id) for task_id in promise.tasks]
    if options.wait:
        single = _wait_for_tasks(client, single, deadline)
    return [*tasks, *single], sum(batch.null_tasks for batch in batches)


def _wait_for_tasks(client: NimbleClient, tasks: list[Task], deadline: float | None) -> list[Task]:
    interval = FIRST_INTERVAL
    while running := [task.id for task in tasks if not task.state.finished]:
        now = time.monotonic()
        if deadline is not None and now >= deadline:
            raise TimedOut(
                f"{len(running)} tasks have not ended, e.g. {running[0]}", next_step="run the same command again"
            )
        time.sleep(interval if deadline is None else min(interval, max(0.0, deadline - now)))
        interval = next_interval(interval)
        tasks = [task if task.state.finished else client.task(task.id) for task in tasks]
    return tasks


def _rescue(destination: Path, client: NimbleClient, account: Reconciliation, options: ReconcileOptions) -> Rescue:
    wanted = [task.task.id for task in account.tasks if task.rescuable]
    if not wanted:
        return Rescue()
    lost: list[tuple[str, str]] = []

    def fetched() -> Iterator[RescuedResult]:
        for task_id in wanted:
            # The estimate of how long results are kept never stops a try: only the API's own answer proves it.
            try:
                yield RescuedResult(task_id, client.results(task_id).content)
            except NotThere as gone:
                lost.append((task_id, gone.cause or gone.what))

    landed = land_rescued(destination, fetched(), options.sync)
    return Rescue(landed.landed, landed.quarantined, tuple(lost))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
