"""Compare expected tasks with API, bucket and manifest; rescue missing results on request."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, Interrupted, TimedOut, UsageError
from harvester.nimble_api import NimbleClient
from harvester.reconciliation.inventory import Inventory, recorded_source, take_inventory
from harvester.reconciliation.job_runs import reconcile_run
from harvester.reconciliation.matching import Reconciliation, match_tasks
from harvester.reconciliation.reconcile_report import ReconcileReport
from harvester.reconciliation.rescue import RescueReport, rescue_results
from harvester.reconciliation.upstream_status import (
    ExpectedTasks,
    UpstreamStatus,
    WaitObserver,
    fetch_status,
    wait_until_ended,
)
from harvester.sessions import StoreSettings
from harvester.transfer import SyncOptions

DEFAULT_GRACE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class ReconcileOptions:
    """Options of ``reconcile``."""

    grace: timedelta = DEFAULT_GRACE
    """A success younger than this without an object counts as arriving."""
    wait: bool = False
    """Wait until every expected task has ended."""
    timeout: float | None = None
    """Maximum seconds to wait."""
    rescue: bool = False
    """Fetch missing and invalid results through the results API."""
    sync: SyncOptions = field(default_factory=SyncOptions)
    """How rescued results are validated, and the path of the manifest."""


def reconcile(
    destination: Path,
    expected: ExpectedTasks,
    client: NimbleClient,
    options: ReconcileOptions | None = None,
    *,
    settings: StoreSettings | None = None,
    observer: WaitObserver | None = None,
) -> ReconcileReport:
    """Determine the outcome of every expected task, and the rows of every job run.

    The recorded source is listed, so "missing" is a fact. An error that ends the waiting or the rescue early is the
    report's ``error``; the report is valid nevertheless. Raises ConfigurationError (a destination that was never
    synced), UsageError (no expected task, unknown ids), Interrupted, and the errors of the client and of a listing.
    """
    options = options or ReconcileOptions()
    observer = observer or WaitObserver()
    if not expected:
        raise UsageError("no tasks to reconcile", code=ErrorCode.NO_EXPECTED_TASKS)
    # Report a destination that was never synced before waiting for anything.
    recorded_source(destination, state_dir=options.sync.state_dir)
    timed_out = _wait(client, expected, options, observer) if options.wait else None
    status = fetch_status(client, expected, stop=observer.stop_signal)

    def compare() -> tuple[Inventory, Reconciliation]:
        # List after the API was queried: the object of a reported success has had time to appear.
        found = take_inventory(destination, settings=settings, state_dir=options.sync.state_dir)
        now = datetime.now(UTC)
        return found, match_tasks(
            status.tasks, found.objects, now=now, grace=options.grace, unknown_ids=status.unknown_ids
        )

    inventory, reconciliation = compare()
    _raise_if_all_unknown(status, reconciliation)
    rescued = None
    if options.rescue:
        rescued = _rescue(destination, client, reconciliation, options.sync, observer)
        inventory, reconciliation = compare()
        reconciliation = replace(reconciliation, tasks=tuple(map(rescued.explain, reconciliation.tasks)))
    now = datetime.now(UTC)
    runs = tuple(reconcile_run(run, inventory.deliveries, now=now, grace=options.grace) for run in status.runs)
    outputs = {key for run in runs for key in run.keys}
    unexpected = tuple(found for found in reconciliation.unexpected if found.key not in outputs)
    return ReconcileReport(
        destination=str(destination),
        location=inventory.location.url,
        reconciliation=replace(reconciliation, unexpected=unexpected),
        runs=runs,
        unlisted=status.unlisted,
        rescue=rescued,
        timed_out=timed_out,
    )


def _wait(
    client: NimbleClient, expected: ExpectedTasks, options: ReconcileOptions, observer: WaitObserver
) -> TimedOut | None:
    deadline = None if options.timeout is None else time.monotonic() + options.timeout
    try:
        wait_until_ended(client, expected, deadline=deadline, observer=observer)
    except TimedOut as ended:
        return ended
    return None


def _rescue(
    destination: Path,
    client: NimbleClient,
    reconciliation: Reconciliation,
    options: SyncOptions,
    observer: WaitObserver,
) -> RescueReport:
    try:
        return rescue_results(destination, client, reconciliation.tasks, options, observer)
    except Interrupted:
        raise
    except HarvesterError as error:
        # The destination is locked, full or unusable: report the state of the bucket nevertheless.
        return RescueReport(error=error)


def _raise_if_all_unknown(status: UpstreamStatus, reconciliation: Reconciliation) -> None:
    """Raise UnknownId if Nimble knows none of the tasks and none was delivered: wrong account or mistyped ids."""
    if (
        status.tasks
        and len(status.unknown_ids) == len(status.tasks)
        and not any(task.objects for task in reconciliation.tasks)
    ):
        raise next(iter(status.unknown_ids.values()))
