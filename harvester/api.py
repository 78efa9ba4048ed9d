"""The functions a program calls: the rooms' own, with what is known of Nimble filled in."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.cloud import StoreSettings
from harvester.location import Location, parse_location
from harvester.mirror import Observer, SyncOptions, SyncReport
from harvester.mirror import sync as _sync
from policies import facts

if TYPE_CHECKING:
    from harvester.tasks import NimbleClient, ReconcileOptions, ReconcileReport, WaitObserver


def with_facts(options: SyncOptions) -> SyncOptions:
    """Return the options with Nimble's probe name and failure words, where the caller has set none."""
    known = facts()
    return dataclasses.replace(
        options,
        probe_name=options.probe_name or known.test_connection.probe_name,
        upstream_failures=options.upstream_failures or known.api.states.failed,
    )


def sync(
    location: Location | str,
    destination: Path | str,
    options: SyncOptions | None = None,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> SyncReport:
    """Bring ``destination`` up to date with ``location`` and return the account of every listed object.

    A failure on the way is ``SyncReport.error`` (``SyncReport.raise_for_error`` raises it); a HarvesterError is
    raised only for what keeps the run from starting.
    """
    place = location if isinstance(location, Location) else parse_location(location)
    return _sync(place, Path(destination), with_facts(options or SyncOptions()), settings=settings, observer=observer)


def reconcile(
    destination: Path | str,
    *,
    batches: Sequence[str] = (),
    runs: Sequence[str] = (),
    tasks: Sequence[str] = (),
    tasks_file: Path | str | None = None,
    options: ReconcileOptions | None = None,
    client: NimbleClient | None = None,
    settings: StoreSettings | None = None,
    observer: WaitObserver | None = None,
) -> ReconcileReport:
    """Account for every task that was promised: each in exactly one class, each gap with its next step.

    ``batches``, ``runs`` and ``tasks`` are ids; ``tasks_file`` holds ids, or what submitting returned. ``client`` is
    made from NIMBLE_API_KEY and NIMBLE_BASE_URL where none is given. ``ReconcileReport.error`` is what ended the
    waiting or the rescue early. Raises a HarvesterError for a destination that was never synced, an unknown id, and
    whatever the API or the bucket refuse.
    """
    # Loaded when it is used: a sync starts faster without it.
    from harvester import tasks as room

    promise = room.Promise.of_ids(batches=batches, runs=runs, tasks=tasks)
    if tasks_file is not None:
        promise += room.Promise.of_file(room.read_tasks_file(Path(tasks_file)))
    options = options or room.ReconcileOptions()
    options = dataclasses.replace(options, sync=with_facts(options.sync))
    with contextlib.ExitStack() as stack:
        asked = client or stack.enter_context(room.NimbleClient.from_environment())
        return room.reconcile(Path(destination), promise, asked, options, settings=settings, observer=observer)
