"""Account for everything that was promised: ask the API, list the bucket, read the manifest, rescue on request."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, Interrupted, TimedOut, UsageError
from harvester.nimble_api import NimbleClient
from harvester.reconciliation.inventory import Inventory, recorded_source, take_inventory
from harvester.reconciliation.job_runs import account_for_run
from harvester.reconciliation.matching import Reconciliation, account_for
from harvester.reconciliation.reconcile_report import ReconcileReport
from harvester.reconciliation.rescue import Rescue, rescue
from harvester.reconciliation.upstream import Promise, Told, WaitObserver, ask_promise, wait_for_promise
from harvester.sessions import StoreSettings
from harvester.transfer import SyncOptions

DEFAULT_GRACE = timedelta(minutes=15)


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
    """Fetch through the results API what the bucket lacks or holds broken."""
    sync: SyncOptions = field(default_factory=SyncOptions)
    """How rescued results are validated, and where the manifest lies."""


def reconcile(
    destination: Path,
    promise: Promise,
    client: NimbleClient,
    options: ReconcileOptions | None = None,
    *,
    settings: StoreSettings | None = None,
    observer: WaitObserver | None = None,
) -> ReconcileReport:
    """Give every promised task exactly one class, and every run of a job its rows.

    The recorded source is listed, so that "missing" is never a guess. What ends the waiting or the rescue early is the
    report's ``error``: the account is true all the same. Raises ConfigurationError (a destination that was never
    synced), UsageError (nothing promised, ids that Nimble does not know), Interrupted, and what the client and a
    listing raise.
    """
    options = options or ReconcileOptions()
    observer = observer or WaitObserver()
    if not promise:
        raise UsageError("nothing was promised", code=ErrorCode.NO_EXPECTED_TASKS)
    # A destination that was never synced is told before anything is waited for.
    recorded_source(destination, state_dir=options.sync.state_dir)
    timed_out = _wait(client, promise, options, observer) if options.wait else None
    told = ask_promise(client, promise, stop=observer.stop_signal)

    def look() -> tuple[Inventory, Reconciliation]:
        # After the API was asked: an object that a success tells of has had its time to appear.
        found = take_inventory(destination, settings=settings, state_dir=options.sync.state_dir)
        now = datetime.now(UTC)
        return found, account_for(told.tasks, found.objects, now=now, grace=options.grace, not_known=told.not_known)

    inventory, account = look()
    _refuse_strangers(told, account)
    rescued = None
    if options.rescue:
        rescued = _rescue(destination, client, account, options.sync, observer)
        inventory, account = look()
        account = replace(account, tasks=tuple(map(rescued.explain, account.tasks)))
    now = datetime.now(UTC)
    runs = tuple(account_for_run(run, inventory.deliveries, now=now, grace=options.grace) for run in told.runs)
    outputs = {key for run in runs for key in run.keys}
    unexpected = tuple(found for found in account.unexpected if found.key not in outputs)
    return ReconcileReport(
        destination=str(destination),
        location=inventory.location.url,
        account=replace(account, unexpected=unexpected),
        runs=runs,
        unlisted=told.unlisted,
        rescue=rescued,
        timed_out=timed_out,
    )


def _wait(client: NimbleClient, promise: Promise, options: ReconcileOptions, observer: WaitObserver) -> TimedOut | None:
    deadline = None if options.timeout is None else time.monotonic() + options.timeout
    try:
        wait_for_promise(client, promise, deadline=deadline, observer=observer)
    except TimedOut as ended:
        return ended
    return None


def _rescue(
    destination: Path, client: NimbleClient, account: Reconciliation, options: SyncOptions, observer: WaitObserver
) -> Rescue:
    try:
        return rescue(destination, client, account.tasks, options, observer)
    except Interrupted:
        raise
    except HarvesterError as error:
        # The destination is locked, full or unusable: what lies in the bucket is told nevertheless.
        return Rescue(error=error)


def _refuse_strangers(told: Told, account: Reconciliation) -> None:
    """Raise when Nimble knows none of the tasks and nothing was delivered of them: another account's, or mistyped."""
    if told.tasks and len(told.not_known) == len(told.tasks) and not any(task.objects for task in account.tasks):
        raise next(iter(told.not_known.values()))
