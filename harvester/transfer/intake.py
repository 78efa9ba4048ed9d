"""Bring single objects home as they are announced, through the same workers, paths and manifest as a whole run."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from harvester.destination import (
    STATE_FOLDER,
    TEMPORARY,
    LandedRow,
    Manifest,
    SourceBinding,
    check_apart,
    destination_error,
    flush_file_system,
    open_destination,
    probe_names,
    same_version,
)
from harvester.errors import AccessDenied, ConnectionFailed, ExitCode, HarvesterError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import ObjectRef, Store, open_store
from harvester.transfer.dispatcher import Dispatcher
from harvester.transfer.listing_planner import ListingPlanner
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.plan import CompiledSelection, PlanOptions
from harvester.transfer.range_planner import PathNaming
from harvester.transfer.recorder import Recorder
from harvester.transfer.sync_report import SyncReport


@contextlib.contextmanager
def open_intake(
    location: Location,
    destination: Path,
    options: SyncOptions,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> Iterator[Intake]:
    """Hold ``destination`` for as long as objects are announced; it counts as one run.

    Raises what ``sync`` raises when a run cannot start.
    """
    settings = settings or StoreSettings()
    check_apart(location, destination)
    store = open_store(location, settings)
    _check_bucket(store)
    with open_destination(destination, options.state_dir) as opened:
        binding = SourceBinding(location.url, settings.endpoint_url or "", options.result.keep_compressed)
        opened.manifest.bind(binding, destination)
        intake = Intake(store, opened.root, opened.manifest, options, observer or Observer())
        error: HarvesterError | None = None
        try:
            yield intake
        except HarvesterError as failed:
            error = failed
            raise
        finally:
            intake.end(error)


def _check_bucket(store: Store) -> None:
    """Raise NoSuchBucket or ConfigurationError where nothing can ever arrive: without a listing nothing else tells.

    A denial may be of this question alone, and a network comes back.
    """
    if store.location.scheme != "file":
        with contextlib.suppress(AccessDenied, ConnectionFailed):
            # S3 takes a HEAD without a key for one of the bucket, and asks for more rights.
            store.head(f"{store.location.prefix}{STATE_FOLDER}")


class Intake:
    """One run that is told what to bring home, batch by batch. For one thread."""

    def __init__(self, store: Store, root: Path, manifest: Manifest, options: SyncOptions, observer: Observer) -> None:
        """Begin a run on an open destination."""
        self.store = store
        self._root = root
        self._manifest = manifest
        self._options = options
        self._started_at = time.time()
        self._run = manifest.begin_run()
        self._unflushed = 0
        self._recorder = Recorder(manifest, root, self._run, options, observer)
        self._dispatcher = Dispatcher(store, root, self._recorder, options, observer)
        self._planner = ListingPlanner(
            manifest,
            PathNaming(
                store.location.prefix, str(root), options.result.keep_compressed, options.unsafe_names == "refuse"
            ),
            probe_names(root / TEMPORARY),
            CompiledSelection(options.selection),
            PlanOptions(options.fingerprint, options.probe_name, options.max_object_bytes),
        )

    def land(self, refs: Iterable[ObjectRef]) -> None:
        """Bring these objects home, and return when each is settled and recorded.

        What is here already, in this version, costs nothing; the same object twice is one. Raises like a run: see
        ``Dispatcher.step``.
        """
        distinct = {ref.key: ref for ref in refs}
        self._recorder.counters.listed += len(distinct)
        for planned in self._planner.unordered(distinct.values()):
            if not self._recorder.settle_planned(planned):
                self._dispatcher.queue(planned)
        self._dispatcher.drain()
        self._recorder.flush()

    def make_durable(self) -> None:
        """Return when everything settled is on the disk and recorded there: only then may its message be forgotten."""
        counters = self._recorder.counters
        without_barrier = counters.quarantined + counters.refused + counters.failed
        try:
            self._recorder.finish()
            if without_barrier != self._unflushed:
                # Only what landed moves the barrier; what was found wrong must outlive a power cut as well.
                flush_file_system(self._root)
                self._unflushed = without_barrier
        except OSError as error:
            raise destination_error(self._root, error) from error

    def stop(self) -> None:
        """After an interruption: let the workers finish what they hold in hand, account for it, make it durable."""
        self._dispatcher.end()
        self.make_durable()

    def knows_another(self, ref: ObjectRef) -> bool:
        """Return whether another version of this object is known here: which is current, only the store can tell."""
        known = (self._manifest.landed_row(ref.key), self._manifest.problem(ref.key))
        return any(row is not None and not same_version(ref, row) for row in known)

    def holds(self, ref: ObjectRef) -> bool:
        """Return whether this version of the object has landed here."""
        row = self._manifest.landed_row(ref.key)
        return row is not None and same_version(ref, row)

    def has_problem(self, key: str) -> bool:
        """Return whether something is wrong with the object, or was when it was last met."""
        return self._manifest.problem(key) is not None

    def landed_row(self, key: str) -> LandedRow | None:
        """Return the row of a landed object, or None."""
        return self._manifest.landed_row(key)

    def report(self, error: HarvesterError | None = None) -> SyncReport:
        """Return the account so far; ``listed`` counts announcements."""
        counters = self._recorder.counters
        return counters.report(
            location=self.store.location.url,
            destination=str(self._root),
            run=self._run,
            started_at=self._started_at,
            exit_code=ExitCode(error.exit_code)
            if error
            else ExitCode.PARTIAL
            if counters.new_problems
            else ExitCode.OK,
            problems=self._recorder.problems(),
            error=error,
        )

    def end(self, error: HarvesterError | None = None) -> None:
        """End the workers and record the run."""
        self._dispatcher.end()
        with contextlib.suppress(HarvesterError, OSError):
            self._recorder.finish()
        report = self.report(error)
        document = report.as_document()
        del document["problems"]
        with contextlib.suppress(HarvesterError):
            self._manifest.end_run(self._run, int(report.exit_code), json.dumps(document))
