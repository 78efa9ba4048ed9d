"""One pass over a listing: list, plan, dispatch, record."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

from harvester.destination import Manifest, Selection, destination_error, same_version
from harvester.errors import ExitCode, HarvesterError
from harvester.storage import (
    BackgroundListing,
    KeyPrefixes,
    KeysGiven,
    Listed,
    ListedKeys,
    ListedPage,
    ListingEnd,
    ListingFailed,
    ObjectRef,
    OrderLost,
    RangeEnd,
    UnchangedPage,
)
from harvester.text import count, printable
from harvester.transfer.options import Observer
from harvester.transfer.page_memory import open_page_memory
from harvester.transfer.plan import Action, ActionKind
from harvester.transfer.proof import prove_listing
from harvester.transfer.range_planner import Planned
from harvester.transfer.schema_change import check_landed_before
from harvester.transfer.sync_report import ObjectEvent, SyncReport
from harvester.transfer.sync_run import SyncRun
from harvester.transfer.workers import Failed


class ListingRun:
    """Lands whatever a listing holds that is new, changed, missing or altered."""

    def __init__(self, run: SyncRun, observer: Observer, *, expect_many: bool) -> None:
        """Prepare; ``expect_many`` starts the workers before the first page has come."""
        self._run = run
        self._options = run.options
        self._observer = observer
        self._recorder = run.recorder
        self._counters = run.recorder.counters
        self._planner = run.planner
        self._dispatcher = run.dispatcher
        self._expect_many = expect_many
        self._refused_entries = 0
        self._failed_keys = 0
        self._pages = open_page_memory(run, is_first=expect_many)
        self._complete = False
        self._wanted_bytes = 0
        self._free_bytes: int | None = None

    def run(self) -> SyncReport:
        """Do the run, record its end, and return its report."""
        error: HarvesterError | None = None
        try:
            try:
                self._land_all()
            finally:
                self._run.stop_work()
        except HarvesterError as stopped:
            error = stopped
        except OSError as failed:
            error = destination_error(self._run.root, failed)
        unrecorded = self._run.finish()
        if self._counters.unidentified:
            self._observer.warning(
                f"the store states neither ETag nor checksum of {self._counters.unidentified:,} landed objects:"
                " they were compared with their listed length alone"
            )
        for header, objects in sorted(self._counters.unread_headers.items()):
            self._observer.warning(
                f"the store's {header} could not be read in answers for {count(objects, 'object')}: it counts as absent"
            )
        error = error or unrecorded or self._proof()
        report = self._run.report(error, self._exit_code(error))
        if not self._options.dry_run:
            self._run.record_end(report)
        return report

    def _proof(self) -> HarvesterError | None:
        """Return the error of a complete run that does not add up."""
        if not self._complete or self._options.dry_run:
            return None
        if self._limit_reached() and self._counters.settled < self._counters.listed:
            # Objects that the caller's limit left have no outcome.
            return None
        distinct = self._planner.distinct_keys + self._refused_entries + self._failed_keys
        return prove_listing(self._counters, distinct, self._recorder.row_counts(), self._run.store.location.url)

    def _land_all(self) -> None:
        if self._expect_many:
            self._dispatcher.expect_many()
        known = self._pages.known
        self._planner.ordered_ranges = 0 if known is None else known.ranges
        listing = BackgroundListing(self._run.store, self._run.keys, self._known_versions, known, self._run.windows)
        try:
            if self._expect_many:
                # While the first page is under way.
                self._dispatcher.reserve()
            complete = self._work_through(listing)
        finally:
            listing.stop()
        self._dispatcher.drain()
        if complete:
            self._recorder.flush()
            self._plan_late()
            self._dispatcher.drain()
            self._complete = True
            if not self._options.dry_run:
                self._recorder.flush()
                # What belongs to a backfill has no problem that is known here.
                if self._options.selection._replace(after=None) == Selection():
                    self._recorder.forget_unlisted_problems()
                if self._run.keys is None or isinstance(self._run.keys, KeyPrefixes):
                    check_landed_before(self._run)
                self._pages.save()

    def _work_through(self, listing: BackgroundListing) -> bool:
        """Plan and dispatch until everything is listed; return False when the caller's limit ended it before."""
        dispatcher = self._dispatcher
        while True:
            while dispatcher.accepts_more and (listed := listing.take()) is not None:
                self._take_listed(listed)
                if dispatcher.listing_done:
                    return True
                self._recorder.gone(self._planner.take_gone())
                if self._limit_reached():
                    return False
                dispatcher.step(0)
            dispatcher.step(wake=listing.fileno() if dispatcher.accepts_more else None)

    def _warn_of_given(self, given: KeysGiven) -> None:
        if given.repeated:
            self._observer.warning(f"{given.repeated:,} entries repeat a key; each key is one object")
        if given.skipped:
            counts = ", ".join(f"{name} {number:,}" for name, number in sorted(given.skipped.items()))
            self._observer.warning(f"entries that are no objects are skipped: {counts}")

    def _take_listed(self, listed: Listed) -> None:
        """Plan and queue what was listed. Raises the error of a listing that broke off."""
        match listed:
            case ListedPage():
                self._recorder.settle_refused(listed.refused)
                self._refused_entries += len(listed.refused)
                unchanged = self._take_page(self._planner.page(listed), len(listed.refs))
                self._pages.listed(listed, unchanged=unchanged)
            case UnchangedPage(page=page):
                plans = self._planner.unchanged_page(listed, self._pages.files(page))
                self._pages.compared(page, unchanged=self._take_page(plans, page.keys))
            case KeysGiven():
                self._warn_of_given(listed)
            case ListedKeys():
                self._take_given(listed)
            case RangeEnd():
                self._planner.end_range(listed)
            case OrderLost():
                self._restart_unordered(listed)
            case ListingEnd():
                self._dispatcher.listing_done = True
            case ListingFailed(error):
                raise error

    def _take_page(self, plans: Iterable[Planned], keys: int) -> bool:
        """Take the plans of a page of ``keys`` objects; return whether all were unchanged, and so had none."""
        self._counters.listed += keys
        self._take(plans)
        unchanged = self._planner.take_unchanged_count()
        self._recorder.count_unchanged(unchanged)
        self._warn_of_space()
        return unchanged == keys

    def _take_given(self, listed: ListedKeys) -> None:
        self._counters.listed += len(listed.refs) + len(listed.failed)
        self._recorder.settle_refused(listed.refused)
        self._refused_entries += len(listed.refused)
        self._failed_keys += len(listed.failed)
        for key, reason, detail in listed.failed:
            problem = self._run.manifest.problem(key)
            planned = Planned(ObjectRef(key, 0, "", 0.0), Action(ActionKind.FETCH, "new"), "", None, problem)
            self._dispatcher.settle_failed(Failed(key, "", 0, reason, detail), planned)
        self._take(self._planner.given(listed.refs))
        self._warn_of_space()

    @contextlib.contextmanager
    def _known_versions(self) -> Iterator[Callable[[ObjectRef], bool]]:
        """Open the manifest in the thread that asks for keys."""
        with Manifest(self._run.manifest.path, readonly=True) as manifest:

            def knows_another(ref: ObjectRef) -> bool:
                known = (manifest.known_row(ref.key), manifest.problem(ref.key))
                return any(row is not None and not same_version(ref, row) for row in known)

            yield knows_another

    def _restart_unordered(self, lost: OrderLost) -> None:
        """Start again without order: everything is listed anew, sorted on disk, and planned at the end."""
        self._observer.warning(
            f"the store does not list in byte order ({printable(lost.key)} follows {printable(lost.before)}):"
            " everything is listed again in one sequence, without key ranges"
        )
        self._dispatcher.drain()
        self._recorder.restart()
        self._refused_entries = 0
        self._pages.give_up()
        self._planner.restart_unordered()

    def _plan_late(self) -> None:
        self._counters.listed -= self._planner.duplicates
        for planned in self._planner.late():
            if planned.row is not None and planned.row.gone and not self._planner.is_unordered:
                self._recorder.returned()
            self._take((planned,))
            while not self._dispatcher.accepts_more:
                self._dispatcher.step()
        self._recorder.gone(self._planner.take_gone())

    def _take(self, plans: Iterable[Planned]) -> None:
        """Settle what needs no worker, queue the rest."""
        recorder = self._recorder
        for planned in plans:
            if not recorder.settle_planned(planned):
                self._wanted_bytes += planned.ref.size
                if self._options.dry_run:
                    self._report_planned(planned)
                elif not self._limit_reached():
                    self._dispatcher.queue(planned)

    def _report_planned(self, planned: Planned) -> None:
        if self._observer.event is not None:
            ref, action = planned.ref, planned.action
            self._observer.event(ObjectEvent(ref.key, "not_attempted", action.reason, planned.path, 0))

    def _limit_reached(self) -> bool:
        limit = self._options.max_objects
        return limit is not None and self._dispatcher.queued >= limit

    def _warn_of_space(self) -> None:
        root = self._run.root
        if self._free_bytes is None:
            if self._options.dry_run:
                return
            found = os.statvfs(root)
            self._free_bytes = found.f_bavail * found.f_frsize
        if self._wanted_bytes > self._free_bytes:
            self._observer.warning(
                f"{root} has {self._free_bytes:,} bytes free; what is to be fetched has at least"
                f" {self._wanted_bytes:,}, and more when inflated"
            )
            # Once is enough: no listing needs more than this.
            self._free_bytes = 1 << 63

    def _exit_code(self, error: HarvesterError | None) -> ExitCode:
        if error is not None:
            return ExitCode(error.exit_code)
        counters, options = self._counters, self._options
        if options.max_problem_rate is not None:
            failed = counters.new_problems + counters.known_problems > options.max_problem_rate * counters.listed
        else:
            failed = counters.new_problems > 0 or (counters.known_problems > 0 and options.fail_on == "any")
        if failed:
            return ExitCode.PARTIAL
        if options.fail_on_empty and counters.content == 0:
            return ExitCode.EMPTY
        return ExitCode.OK
