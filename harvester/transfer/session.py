"""The session that sync, watch, listen and rescue use: one open destination with its source."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.destination import (
    STATE_FOLDER,
    Heartbeat,
    LandedRow,
    Manifest,
    binding_to,
    check_apart,
    destination_error,
    flush_file_system,
    manifest_path,
    open_destination,
    read_destination,
    same_version,
)
from harvester.errors import (
    AccessDenied,
    ConfigurationError,
    ConnectionFailed,
    ExitCode,
    HarvesterError,
    IntegrityError,
)
from harvester.location import Location, parse_location
from harvester.sessions import StoreSettings
from harvester.storage import KeySelection, ObjectRef, Store, open_store
from harvester.transfer.listing_run import ListingRun
from harvester.transfer.options import ExportHooks, Observer, SyncOptions
from harvester.transfer.proof import prove_outcomes
from harvester.transfer.sync_report import SyncReport
from harvester.transfer.sync_run import SyncRun

if TYPE_CHECKING:
    # Loaded when there are results to land: it loads the parsers.
    from harvester.transfer.rescued_results import RescuedLandings, RescuedResult


_LONGEST_UPLOAD = 7 * 86_400.0  # seconds; S3 dates an object by the beginning of its upload


@contextlib.contextmanager
def open_session(
    location: Location,
    destination: Path,
    options: SyncOptions,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    check_bucket: bool = False,
    hooks: ExportHooks | None = None,
) -> Iterator[SyncSession]:
    """Hold ``destination``, bound to ``location``, for any number of runs, given objects and rescued results.

    ``hooks`` are those of a destination that does not last. With ``check_bucket`` the store is asked whether the bucket
    exists, for sessions that never list it. Raises a HarvesterError for what keeps a run from starting: an invalid
    schema, a destination that is locked, unusable, bound to another source or written by a newer program, and with
    ``check_bucket`` NoSuchBucket.
    """
    settings = settings or StoreSettings()
    if settings.max_rps is not None:
        settings = dataclasses.replace(settings, max_rps=settings.max_rps / options.worker_count)
    observer = observer or Observer()
    check_apart(location, destination)
    if options.result.user_schema is not None:
        # Raises for an invalid schema before anything is touched.
        from harvester.results import ResultReader

        ResultReader(options.result)
    store = open_store(location, settings)
    if check_bucket:
        _check_bucket(store)
    binding = binding_to(location.url, settings.endpoint_url, keep_compressed=options.result.keep_compressed)
    if options.dry_run:
        with _known_state(destination, options) as manifest:
            if manifest.binding() is not None:
                manifest.check_binding(binding, destination)
            options = _from_start(options, manifest)
            yield SyncSession(store, destination.absolute(), manifest, options, observer)
        return
    with open_destination(destination, options.state_dir) as opened:
        opened.manifest.bind(binding, destination)
        for notice in opened.notices:
            observer.warning(notice)
        if options.start_after is not None:
            opened.manifest.set_start_after(options.start_after)
        options = _from_start(options, opened.manifest)
        session = SyncSession(store, opened.root, opened.manifest, options, observer, hooks)
        error: HarvesterError | None = None
        try:
            yield session
        except HarvesterError as failed:
            error = failed
            raise
        finally:
            session.close(error)


def sync(
    location: Location,
    destination: Path,
    options: SyncOptions | None = None,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    keys: KeySelection | None = None,
    verb: str = "",
) -> SyncReport:
    """Bring ``destination`` up to date with ``location``, or some ``keys`` of it; return the outcome of every object.

    With ``verb``, the end of the run is recorded as its heartbeat. Raises what ``open_session`` raises. What
    ends a run early is ``SyncReport.error``.
    """
    with open_session(location, destination, options or SyncOptions(), settings=settings, observer=observer) as session:
        report = session.run_listing(keys)
        if verb:
            session.record_heartbeat(verb, report)
        return report


def land_rescued(
    destination: Path,
    results: Iterable[RescuedResult],
    options: SyncOptions | None = None,
    *,
    settings: StoreSettings | None = None,
) -> RescuedLandings:
    """Validate results like delivered ones and land them below ``_rescued/``, marked as rescued in the manifest.

    The destination is held while ``results`` is iterated; what has landed when that raises is kept. When the delivered
    object of the same task lands later, the rescued one is removed. Raises ConfigurationError for a destination that
    was never synced, DestinationLocked or DestinationUnusable.
    """
    options = options or SyncOptions()
    with read_destination(destination, options.state_dir) as opened:
        bound = opened.manifest.binding()
    if bound is None:
        raise ConfigurationError(f"{destination} has never been synced")
    settings = dataclasses.replace(settings or StoreSettings(), endpoint_url=bound.endpoint or None)
    result = options.result._replace(keep_compressed=bound.keep_compressed)
    options = dataclasses.replace(options, result=result)
    with open_session(parse_location(bound.url), destination, options, settings=settings) as session:
        return session.land_results(results)


def _from_start(options: SyncOptions, manifest: Manifest) -> SyncOptions:
    """Return the options without the objects that belong to a backfill."""
    start = manifest.start_after() if options.start_after is None else options.start_after
    if start is None:
        return options
    return dataclasses.replace(options, start_after=start, selection=options.selection._replace(after=start))


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


def _check_bucket(store: Store) -> None:
    """Raise NoSuchBucket or ConfigurationError where nothing can ever arrive.

    A denial may be of this request alone, and a network recovers.
    """
    if store.location.scheme != "file":
        with contextlib.suppress(AccessDenied, ConnectionFailed):
            # S3 treats a HEAD without a key as one of the bucket, which needs more rights.
            store.head(f"{store.location.prefix}{STATE_FOLDER}")


class SyncSession:
    """An open destination with its source; for one thread.

    Each ``run_listing`` is a separate run. All objects given to ``land`` belong to one run, which begins with
    the first and ends when the session is closed.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        manifest: Manifest,
        options: SyncOptions,
        observer: Observer,
        hooks: ExportHooks | None = None,
    ) -> None:
        """Take an open destination; nothing is recorded before the first run."""
        self._hooks = hooks
        self.store = store
        self._root = root
        self._manifest = manifest
        self._options = options
        self._observer = observer
        self._given: SyncRun | None = None
        self._unflushed = 0

    def run_listing(self, keys: KeySelection | None = None, *, keep_idle: bool = True) -> SyncReport:
        """Bring the destination up to date with the listing, or with ``keys``, and return the outcome of every object.

        Keys that a range or a list does not hold, or that no longer exist, are never marked as gone.
        Unless ``keep_idle``, a run that found nothing to do leaves no record: listing every 30 seconds would fill the
        manifest with them.
        """
        first = not self._options.dry_run and self._manifest.is_empty()
        plan_all = self._observer.event is not None or self._options.fail_on_upstream_error
        report = ListingRun(self._begin(plan_all=plan_all, keys=keys), self._observer, expect_many=first).run()
        if report.idle and not keep_idle:
            self._manifest.forget_run(report.run)
        return report

    def record_heartbeat(self, verb: str, report: SyncReport) -> None:
        """Record that a verb ended now as its report states; nothing in a dry run, or on a full disk."""
        now = time.time()
        if not report.dry_run:
            with contextlib.suppress(HarvesterError):
                success = now if report.is_success else None
                self._manifest.record_heartbeat(Heartbeat(verb, success, now, int(report.exit_code)))

    def land_results(self, results: Iterable[RescuedResult]) -> RescuedLandings:
        """Land results that were fetched through the API, as one run. Raises DestinationUnusable."""
        from harvester.transfer.rescued_results import land_results

        return land_results(self._root, self._manifest, results, self._options)

    # Given objects

    def land(self, refs: Iterable[ObjectRef]) -> None:
        """Land these objects, and return when each is settled and recorded.

        An object that landed before in this version costs nothing; the same key twice is one. Raises like
        ``Dispatcher.step``.
        """
        run = self._given_run()
        distinct = {ref.key: ref for ref in refs}
        run.recorder.counters.listed += len(distinct)
        for planned in run.planner.unordered(distinct.values()):
            if not run.recorder.settle_planned(planned, report_again=True):
                run.dispatcher.queue(planned)
        run.dispatcher.drain()
        run.recorder.flush()

    def make_durable(self) -> None:
        """Return when everything settled is on the disk and recorded: only then may its message be deleted."""
        run = self._given_run()
        counters = run.recorder.counters
        without_barrier = counters.quarantined + counters.refused + counters.failed
        try:
            run.recorder.finish()
            if without_barrier != self._unflushed:
                # Only landed objects move the barrier; problems must survive a power cut as well.
                flush_file_system(self._root)
                self._unflushed = without_barrier
        except OSError as error:
            raise destination_error(self._root, error) from error

    def stop(self) -> None:
        """After an interruption: let the workers finish their current objects, record them, make them durable."""
        self._given_run().dispatcher.end()
        self.make_durable()

    def knows_another(self, ref: ObjectRef) -> bool:
        """Return whether another version of this object is known; only the store knows which is current."""
        known = (self._manifest.landed_row(ref.key), self._manifest.problem(ref.key))
        return any(row is not None and not same_version(ref, row) for row in known)

    def needs_time(self, ref: ObjectRef) -> bool:
        """Return whether only the store knows if the object belongs to the backfill before this destination.

        An event is later than the modification time of its object: by little, or by the length of an upload.
        """
        start = self._options.start_after
        return start is not None and ref.last_modified < start + _LONGEST_UPLOAD

    def has_landed(self, ref: ObjectRef) -> bool:
        """Return whether this version of the object has landed here."""
        row = self._manifest.landed_row(ref.key)
        return row is not None and same_version(ref, row)

    def has_problem(self, key: str) -> bool:
        """Return whether the manifest has a problem of the object."""
        return self._manifest.problem(key) is not None

    def landed_row(self, key: str) -> LandedRow | None:
        """Return the row of a landed object, or None."""
        return self._manifest.landed_row(key)

    def report(self, error: HarvesterError | None = None) -> SyncReport:
        """Return the report of the given objects up to now; ``listed`` counts announcements."""
        run = self._given_run()
        partial = ExitCode.PARTIAL if run.recorder.counters.new_problems else ExitCode.OK
        return run.report(error, ExitCode(error.exit_code) if error else partial)

    def moved(self) -> dict[str, int]:
        """Return the bytes of given objects that were fetched and written, by these words; for any thread."""
        if self._given is None:
            return {}
        counters = self._given.recorder.counters
        return {"fetched": counters.bytes_fetched, "written": counters.bytes_written}

    @property
    def is_landing(self) -> bool:
        """Whether a run of given objects is open."""
        return self._given is not None

    def close(self, error: HarvesterError | None = None) -> None:
        """End the run of the given objects, if there was one."""
        if self._given is None:
            return
        run = self._given
        run.stop_work()
        unrecorded = run.finish()
        if error is None and unrecorded is None:
            error = prove_outcomes(run.recorder.counters, run.recorder.row_counts(), self.store.location.url)
        run.record_end(self.report(error))
        self._given = None
        if isinstance(error, IntegrityError):
            raise error

    def _given_run(self) -> SyncRun:
        if self._given is None:
            self._given = self._begin(plan_all=False)
        return self._given

    def _begin(self, *, plan_all: bool, keys: KeySelection | None = None) -> SyncRun:
        return SyncRun(
            self.store,
            self._root,
            self._manifest,
            self._options,
            self._observer,
            plan_all=plan_all,
            keys=keys,
            hooks=self._hooks,
        )
