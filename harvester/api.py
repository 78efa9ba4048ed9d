"""The public functions, with the facts about Nimble filled in."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harvester.destination import record_heartbeat
from harvester.errors import ExitCode, HarvesterError, UsageError
from harvester.extras import LISTEN, NIMBLE, require_extra
from harvester.location import Location, parse_location
from harvester.location_template import LocationTemplate, parse_place
from harvester.sessions import StoreSettings
from harvester.storage import KeyList, KeyPrefixes, KeyRange
from harvester.transfer import Observer, SyncOptions, SyncReport
from harvester.transfer import sync as _sync
from policies import failed_states, probe_name

if TYPE_CHECKING:
    from harvester.backfill import BackfillOptions, BackfillPlan
    from harvester.events import (
        ListenOptions,
        ListenReport,
        ListingWatchOptions,
        MetricsOptions,
        QueueWatchOptions,
        WatchReport,
    )
    from harvester.nimble_api import NimbleClient
    from harvester.reconciliation import ReconcileOptions, ReconcileReport, WaitObserver
    from harvester.tables import DirectReport, ExportOptions


def with_facts(options: SyncOptions) -> SyncOptions:
    """Return the options with Nimble's probe name and failure words, where the caller has set none."""
    return dataclasses.replace(
        options,
        probe_name=options.probe_name or probe_name(),
        upstream_failures=options.upstream_failures or failed_states(),
    )


def sync(
    location: Location | LocationTemplate | str,
    destination: Path | str,
    options: SyncOptions | None = None,
    *,
    keys: KeyRange | KeyList | None = None,
    now: float | None = None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> SyncReport:
    """Bring ``destination`` up to date with ``location`` and return the outcome of every listed object.

    With ``keys`` it is about a range of keys, which alone is listed, or about given keys, each of which is asked for
    unless its size and version are given; a given key that does not exist has failed (``not_found``). Such a run marks
    nothing as gone, and is no success of ``sync`` by which freshness is judged.

    Of a location with dates (``s3://bucket/results/{date:%Y/%m/%d}/``, see `LocationTemplate`) the prefixes of its last
    days before ``now`` are listed, seconds since the epoch, and nothing outside them is marked as gone.

    A failure during the run is ``SyncReport.error`` (``SyncReport.raise_for_error`` raises it); a HarvesterError is
    raised only for what keeps the run from starting.
    """
    options = with_facts(options or SyncOptions())
    place, listed = _scope(location)
    if keys is not None:
        return _sync(place, Path(destination), options, settings=settings, observer=observer, keys=keys)
    with _heartbeat(destination, "sync", options):
        return _sync(
            place, Path(destination), options, settings=settings, observer=observer, keys=listed(now), verb="sync"
        )


def plan_shards(
    location: Location | str,
    count: int | None = None,
    options: BackfillOptions | None = None,
    *,
    keys_from: KeyList | None = None,
    settings: StoreSettings | None = None,
) -> BackfillPlan:
    """Return a large harvest as at most ``count`` shards of about equal work.

    A shard is a key range; without ``count`` each has about 20,000 objects. Lists the location once; with
    ``keys_from`` it is not listed, and the shards are lists of those keys. Each of ``BackfillPlan.shards`` is worked on
    by ``run_shard``, in any process on any machine. Raises UsageError for options that a backfill cannot have, and what
    listing raises.
    """
    from harvester.backfill import BackfillOptions, plan_backfill

    options = options or BackfillOptions()
    options = dataclasses.replace(options, sync=with_facts(options.sync))
    return plan_backfill(_place(location), count, options, keys=keys_from, settings=settings)


def sync_to_output(
    location: Location | LocationTemplate | str,
    out: str,
    options: SyncOptions | None = None,
    export: ExportOptions | None = None,
    *,
    keys: KeyRange | KeyList | None = None,
    now: float | None = None,
    scratch: Path | None = None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> DirectReport:
    """Write the rows of every object of ``location`` that ``out`` does not hold, and keep nothing here.

    For machines without a durable disk: what is there is learned from the parts of ``out`` that may hold keys which are
    listed, and each call writes a series of parts. ``keys`` and ``now`` are those of `sync`; landed files lie below
    ``scratch`` until their part is committed. Raises UsageError for an output of one destination or of Delta, and what
    `export` raises.
    """
    from harvester.tables import sync_to_output as run_sync

    place, listed = _scope(location)
    return run_sync(
        place,
        out,
        with_facts(options or SyncOptions()),
        export,
        keys=listed(now) if keys is None else keys,
        scratch=scratch,
        settings=settings,
        observer=observer,
    )


def watch_to_output(
    location: Location | str,
    out: str,
    options: SyncOptions | None = None,
    export: ExportOptions | None = None,
    *,
    watching: QueueWatchOptions,
    scratch: Path | None = None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    metrics: MetricsOptions | None = None,
) -> WatchReport:
    """Write the rows of what a queue announces to ``out``, and keep nothing here, until stopped.

    A message is deleted after the part with its rows is committed; parts are completed by size, and by time well inside
    the lease. Each process writes a series of parts. Rows repeat only after a kill or an expired lease, and are then
    equal in key, version and row. Raises UsageError for a full listing besides, and what `watch` and `export` raise.
    """
    from harvester.events import RowCommits, watch_queue
    from harvester.tables import DirectSeries, ExportOptions, open_output, output_settings, scratch_destination

    place, options, export = _place(location), with_facts(options or SyncOptions()), export or ExportOptions()
    observer = observer or Observer()
    if watching.full_listing_every is not None:
        raise UsageError(
            "a full listing needs to know what was exported", cause="a sync into the same output finds lost events"
        )
    with (
        scratch_destination(scratch) as destination,
        open_output(out, output_settings(out, place, settings)) as store,
    ):
        series = DirectSeries(destination, store, export)
        report = watch_queue(
            place,
            destination,
            options,
            watching,
            settings=settings,
            observer=observer,
            metrics=metrics,
            commits=RowCommits(series.commit, export.part_bytes),
        )
    for warning in series.warnings():
        observer.warning(warning)
    landing = dataclasses.replace(report.landing, destination=out)
    if series.oversized and landing.exit_code is ExitCode.OK:
        landing = dataclasses.replace(landing, exit_code=ExitCode.PARTIAL)
    return dataclasses.replace(report, landing=landing)


def watch(
    location: Location | LocationTemplate | str,
    destination: Path | str,
    options: SyncOptions | None = None,
    *,
    watching: ListingWatchOptions | QueueWatchOptions | None = None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    on_listing: Callable[[SyncReport], None] = lambda _: None,
    metrics: MetricsOptions | None = None,
) -> WatchReport:
    """Land what arrives in ``location``, holding ``destination``, until stopped.

    Lists every 30 seconds, of a location with dates the days of the moment, or as ``watching`` defines;
    ``QueueWatchOptions`` takes a queue of bucket events instead. ``Observer.stop_signal`` stops it. ``on_listing``
    is called with the report of each listing. What ended it is ``WatchReport.landing.error``; a HarvesterError is
    raised for what keeps it from starting.
    """
    # Loaded when it is used, here and below: a sync starts faster without it.
    from harvester.events import ListingWatchOptions, watch_listing, watch_queue

    (place, listed), options = _scope(location), with_facts(options or SyncOptions())
    if watching is not None and not isinstance(watching, ListingWatchOptions):
        if not isinstance(_parsed(location), Location):
            raise UsageError(
                f"{location} has dates, and a queue is given", cause="a queue announces objects; nothing is listed"
            )
        with _heartbeat(destination, "watch", options) as beat:
            report = watch_queue(
                place,
                Path(destination),
                options,
                watching,
                settings=settings,
                observer=observer,
                on_listing=_noting(on_listing, beat),
                metrics=metrics,
            )
            beat(report.landing.exit_code, succeeded=report.landing.exit_code is ExitCode.OK)
        return report
    with _heartbeat(destination, "watch", options) as beat:
        return watch_listing(
            place,
            Path(destination),
            options,
            watching or ListingWatchOptions(),
            keys=listed,
            settings=settings,
            observer=observer,
            on_listing=_noting(on_listing, beat),
            metrics=metrics,
        )


def listen(
    destination: Path | str,
    options: SyncOptions | None = None,
    *,
    location: Location | str | None = None,
    listening: ListenOptions | None = None,
    client: NimbleClient | None = None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    started: Callable[[str, Location], None] = lambda *_: None,
) -> ListenReport:
    """Receive Nimble's webhooks and land what they announce, keeping ``destination`` locked, until stopped.

    ``location`` is where results are delivered; not needed where ``destination`` was synced before. ``client`` is made
    from NIMBLE_API_KEY and NIMBLE_BASE_URL where none is given. ``started`` is called with the receiver's address and
    the location as soon as webhooks are taken; ``Observer.stop_signal`` asks it to stop. What ended it is
    ``ListenReport.landing.error``; a HarvesterError is raised for what keeps it from starting.
    """
    from harvester.events import ListenOptions, bound_source
    from harvester.events import listen as run_listener
    from harvester.nimble_api import NimbleClient

    if client is None:
        require_extra(LISTEN, NIMBLE)
    options = with_facts(options or SyncOptions())
    place, settings = bound_source(
        Path(destination),
        _place(location) if location is not None else None,
        settings or StoreSettings(),
        state_dir=options.state_dir,
    )
    with contextlib.ExitStack() as stack:
        beat = stack.enter_context(_heartbeat(destination, "listen", options))
        report = run_listener(
            place,
            Path(destination),
            # Two attempts: a failed look-up is repeated later, and other tasks wait meanwhile.
            client or stack.enter_context(NimbleClient.from_environment(attempts=2)),
            options,
            listening or ListenOptions(),
            settings=settings,
            observer=observer,
            started=lambda address: started(address, place),
        )
        beat(report.landing.exit_code, succeeded=report.landing.exit_code is ExitCode.OK)
    return report


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
    """Determine the outcome of every expected task, with the next step for every incomplete one.

    ``batches``, ``runs`` and ``tasks`` are ids; ``tasks_file`` holds ids, or what submitting returned. ``client`` is
    made from NIMBLE_API_KEY and NIMBLE_BASE_URL where none is given. ``ReconcileReport.error`` is what ended the
    waiting or the rescue early. Raises a HarvesterError for a destination that was never synced, an unknown id, and
    whatever the API or the bucket refuse.
    """
    from harvester.nimble_api import NimbleClient
    from harvester.reconciliation import ExpectedTasks, ReconcileOptions, read_tasks_file
    from harvester.reconciliation import reconcile as run_reconcile

    expected = ExpectedTasks.of_ids(batches=batches, runs=runs, tasks=tasks)
    if tasks_file is not None:
        expected += ExpectedTasks.of_file(read_tasks_file(Path(tasks_file)))
    options = options or ReconcileOptions()
    options = dataclasses.replace(options, sync=with_facts(options.sync))
    with contextlib.ExitStack() as stack:
        asked = client or stack.enter_context(NimbleClient.from_environment())
        beat = stack.enter_context(_heartbeat(destination, "reconcile", options.sync))
        report = run_reconcile(Path(destination), expected, asked, options, settings=settings, observer=observer)
        beat(report.exit_code, succeeded=report.exit_code is ExitCode.OK)
    return report


class _Beat(Protocol):
    def __call__(self, exit_code: int, *, succeeded: bool) -> None: ...


def _noting(on_listing: Callable[[SyncReport], None], beat: _Beat) -> Callable[[SyncReport], None]:
    def note(report: SyncReport) -> None:
        beat(report.exit_code, succeeded=report.is_success)
        on_listing(report)

    return note


@contextlib.contextmanager
def _heartbeat(destination: Path | str, verb: str, options: SyncOptions) -> Iterator[_Beat]:
    """Yield what records the end of a verb in the destination's state; records a HarvesterError as such."""

    def beat(exit_code: int, *, succeeded: bool) -> None:
        if not options.dry_run:
            record_heartbeat(destination, verb, exit_code, succeeded=succeeded, state_dir=options.state_dir)

    try:
        yield beat
    except HarvesterError as error:
        beat(error.exit_code, succeeded=False)
        raise


def _scope(
    location: Location | LocationTemplate | str,
) -> tuple[Location, Callable[[float | None], KeyPrefixes | None]]:
    """Return the location that a destination is bound to, and what is listed of it at a time; None for everything."""
    place = _parsed(location)
    if isinstance(place, Location):
        return place, lambda _: None
    return place.base, lambda now: KeyPrefixes(place.prefixes(time.time() if now is None else now))


def _parsed(location: Location | LocationTemplate | str) -> Location | LocationTemplate:
    return parse_place(location) if isinstance(location, str) else location


def _place(location: Location | str) -> Location:
    return location if isinstance(location, Location) else parse_location(location)
