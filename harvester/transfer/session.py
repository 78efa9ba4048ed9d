"""One run: list, plan, hand out, record. The parent alone does these; workers fetch, decode, validate and land."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from harvester.destination import (
    TEMPORARY,
    FileSystemNames,
    Manifest,
    SourceBinding,
    check_apart,
    destination_error,
    manifest_path,
    open_destination,
    probe_names,
)
from harvester.errors import ExitCode, HarvesterError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import BackgroundListing, ListedPage, ListingEnd, ListingFailed, RangeEnd, Store, open_store
from harvester.transfer.dispatcher import Dispatcher
from harvester.transfer.listing_planner import ListingPlanner
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.plan import CompiledSelection, PlanOptions
from harvester.transfer.range_planner import PathNaming, Planned
from harvester.transfer.recorder import Recorder
from harvester.transfer.sync_report import ObjectEvent, SyncReport

_EXACT_NAMES = FileSystemNames(folds_case=False, folds_normalization=False)


def sync(
    location: Location,
    destination: Path,
    options: SyncOptions | None = None,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> SyncReport:
    """Bring ``destination`` up to date with ``location`` and return the account of every listed object.

    Raises a HarvesterError only for what keeps the run from starting: a schema that is none, a destination that is
    locked, unusable, bound to another source or written by a newer program. What ends a run early is
    ``SyncReport.error``.
    """
    options = options or SyncOptions()
    observer = observer or Observer()
    settings = settings or StoreSettings()
    check_apart(location, destination)
    if options.result.user_schema is not None:
        # Raises for a schema that cannot be, before anything is touched.
        from harvester.results import ResultReader

        ResultReader(options.result)
    store = open_store(location, settings)
    binding = SourceBinding(location.url, settings.endpoint_url or "", options.result.keep_compressed)
    if options.dry_run:
        with _known_state(destination, options) as manifest:
            if manifest.binding() is not None:
                manifest.check_binding(binding, destination)
            return SyncRun(store, destination.absolute(), manifest, options, observer).run()
    with open_destination(destination, options.state_dir) as opened:
        opened.manifest.bind(binding, destination)
        return SyncRun(store, opened.root, opened.manifest, options, observer).run()


@contextlib.contextmanager
def _known_state(destination: Path, options: SyncOptions) -> Iterator[Manifest]:
    """Open the manifest for reading, or an empty one outside the destination when there is none yet."""
    path = manifest_path(destination, options.state_dir)
    if path.is_file():
        with Manifest(path, readonly=True) as manifest:
            yield manifest
    else:
        import tempfile

        with tempfile.TemporaryDirectory() as folder, Manifest(Path(folder) / "manifest.sqlite") as manifest:
            yield manifest


class SyncRun:
    """The state of one run."""

    def __init__(self, store: Store, root: Path, manifest: Manifest, options: SyncOptions, observer: Observer) -> None:
        """Begin a run on an open destination."""
        self._store = store
        self._root = root
        self._manifest = manifest
        self._options = options
        self._observer = observer
        self._started_at = time.time()
        self._run = 0 if options.dry_run else manifest.begin_run()
        self._recorder = Recorder(manifest, root, self._run, options, observer)
        self._tally = self._recorder.counters
        self._planner = ListingPlanner(
            manifest,
            PathNaming(
                store.location.prefix, str(root), options.result.keep_compressed, options.unsafe_names == "refuse"
            ),
            _EXACT_NAMES if options.dry_run else probe_names(root / TEMPORARY),
            CompiledSelection(options.selection),
            PlanOptions(options.fingerprint, options.probe_name, options.max_object_bytes),
            plan_all=observer.event is not None or options.fail_on_upstream_error,
        )
        self._dispatcher = Dispatcher(store, root, self._recorder, options, observer)
        self._first = not options.dry_run and manifest.is_empty()
        self._wanted_bytes = 0
        self._free_bytes: int | None = None

    def run(self) -> SyncReport:
        """Do the run and return its account."""
        error: HarvesterError | None = None
        try:
            try:
                self._land_all()
            finally:
                # What was passed of a page that could not be planned to its end.
                self._recorder.count_unchanged(self._planner.take_unchanged_count())
                self._planner.close()
                self._dispatcher.end()
        except HarvesterError as stopped:
            error = stopped
        except OSError as failed:
            error = destination_error(self._root, failed)
        try:
            self._recorder.finish()
        except HarvesterError as failed:
            error = error or failed
        except OSError as failed:
            error = error or destination_error(self._root, failed)
        return self._report(error)

    # The run

    def _land_all(self) -> None:
        if self._first:
            self._dispatcher.expect_many()
        listing = BackgroundListing(self._store)
        try:
            complete = self._work_through(listing)
        finally:
            listing.stop()
        self._dispatcher.drain()
        if complete:
            self._recorder.flush()
            self._plan_late()
            self._dispatcher.drain()

    def _work_through(self, listing: BackgroundListing) -> bool:
        """Plan and hand out until everything is listed; return False when the caller's limit ended it before."""
        dispatcher = self._dispatcher
        while True:
            while dispatcher.has_room and (listed := listing.take()) is not None:
                match listed:
                    case ListedPage():
                        self._tally.listed += len(listed.refs)
                        self._take(self._planner.page(listed))
                        self._recorder.count_unchanged(self._planner.take_unchanged_count())
                        self._warn_of_space()
                    case RangeEnd():
                        self._planner.end_range(listed)
                    case ListingEnd():
                        dispatcher.listing_done = True
                        return True
                    case ListingFailed(error):
                        raise error
                self._recorder.gone(self._planner.take_gone())
                if self._limit_reached():
                    return False
                dispatcher.step(0)
            dispatcher.step(wake=listing.fileno() if dispatcher.has_room else None)

    def _plan_late(self) -> None:
        for planned in self._planner.late():
            if planned.row is not None and planned.row.gone:
                self._recorder.returned()
            self._take((planned,))
            while not self._dispatcher.has_room:
                self._dispatcher.step()

    def _take(self, plans: Iterable[Planned]) -> None:
        """Settle what needs no worker, queue the rest."""
        recorder = self._recorder
        for planned in plans:
            if not recorder.settle_planned(planned):
                self._wanted_bytes += planned.ref.size
                if self._options.dry_run:
                    self._announce(planned)
                elif not self._limit_reached():
                    self._dispatcher.queue(planned)

    def _announce(self, planned: Planned) -> None:
        if self._observer.event is not None:
            ref, action = planned.ref, planned.action
            self._observer.event(ObjectEvent(ref.key, "not_attempted", action.reason, planned.path, 0))

    def _limit_reached(self) -> bool:
        limit = self._options.max_objects
        return limit is not None and self._dispatcher.queued >= limit

    # What people are told

    def _warn_of_space(self) -> None:
        if self._free_bytes is None:
            if self._options.dry_run:
                return
            found = os.statvfs(self._root)
            self._free_bytes = found.f_bavail * found.f_frsize
        if self._wanted_bytes > self._free_bytes:
            self._observer.warning(
                f"{self._root} has {self._free_bytes:,} bytes free; what is to be fetched has at least"
                f" {self._wanted_bytes:,}, and more when inflated"
            )
            # Once is enough: no listing can want more than this.
            self._free_bytes = 1 << 63

    def _report(self, error: HarvesterError | None) -> SyncReport:
        exit_code = self._exit_code(error)
        report = self._tally.report(
            location=self._store.location.url,
            destination=str(self._root),
            run=self._run,
            dry_run=self._options.dry_run,
            started_at=self._started_at,
            exit_code=exit_code,
            problems=self._recorder.problems(),
            error=error,
        )
        if not self._options.dry_run:
            document = report.as_document()
            del document["problems"]
            with contextlib.suppress(HarvesterError):
                # On a full disk the run stays without an end in the manifest, as after a kill; the report is returned.
                self._manifest.end_run(self._run, int(exit_code), json.dumps(document))
        return report

    def _exit_code(self, error: HarvesterError | None) -> ExitCode:
        if error is not None:
            return ExitCode(error.exit_code)
        counters, options = self._tally, self._options
        if counters.new_problems or (counters.known_problems and options.fail_on == "any"):
            return ExitCode.PARTIAL
        if options.fail_on_empty and counters.content == 0:
            return ExitCode.EMPTY
        return ExitCode.OK
