"""Dispatch planned objects to the workers and record their outcomes."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.destination import destination_error, release_space, reserve_space, writers_path
from harvester.errors import HarvesterError, Interrupted
from harvester.storage import FetchRequest, Store
from harvester.transfer.circuit_breaker import CircuitBreaker
from harvester.transfer.options import ExportHooks, Observer, SyncOptions
from harvester.transfer.plan import ActionKind
from harvester.transfer.range_planner import Planned
from harvester.transfer.recording import Recorder, aside_path
from harvester.transfer.sync_report import SyncProgress
from harvester.transfer.workers import Assignment, DestinationFault, Failed, Outcome

if TYPE_CHECKING:
    # Loaded when there is work for it: a run that has nothing to do ends sooner.
    from harvester.transfer.workers import Launched, WorkerPool

_READY = 2_000
_WAIT_SECONDS = 0.2
_STOP_SECONDS = 10.0


def launch_process(scheme: str) -> Launched:
    """Start a worker process; see ``launch``."""
    from harvester.transfer.workers import launch

    return launch(scheme)


class Dispatcher:
    """Objects queued, assigned to a worker, or settled and recorded."""

    def __init__(
        self,
        store: Store,
        root: Path,
        recorder: Recorder,
        options: SyncOptions,
        observer: Observer,
        launch: Callable[[str], Launched] = launch_process,
        *,
        hooks: ExportHooks | None = None,
    ) -> None:
        """Begin with none; workers start with the first, by ``launch``."""
        self._hooks = hooks or ExportHooks()
        self._committed_bytes = 0
        self._launch = launch
        self._store = store
        self._root = root
        self._recorder = recorder
        self._options = options
        self._observer = observer
        self._ready: deque[Assignment] = deque()
        self._planned: dict[str, Planned] = {}
        self._launched: list[Launched] = []
        self._pool: WorkerPool | None = None
        self._breaker = CircuitBreaker()
        self._progress_at = 0.0
        self._has_reserved = False
        self.queued = 0
        """Objects queued so far."""
        self.listing_done = False
        """Whether nothing more will be listed; for the progress."""

    def expect_many(self) -> None:
        """Start the worker processes now, so that they are ready when the first objects are."""
        for _ in range(self._options.worker_count):
            self._launched.append(self._launch(self._store.location.scheme))

    def reserve(self) -> None:
        """Set sequence numbers and space aside, unless they are: afterwards the disk may be too full.

        Raises DestinationUnusable when it is already.
        """
        if not self._has_reserved:
            self._has_reserved = True
            self._recorder.reserve_seqs()
            reserve_space(self._root)

    @property
    def accepts_more(self) -> bool:
        """Whether more may be queued without holding too many in memory."""
        return len(self._ready) < _READY

    def queue(self, planned: Planned) -> None:
        """Queue an object to be landed."""
        ref, action, path, row, problem = planned
        aside = ""
        if row is not None and self._options.on_change == "keep" and action.reason == "changed" and not row.evicted:
            aside = aside_path(row)
        quarantined = digest = ""
        if action.kind is ActionKind.RECHECK and problem is not None:
            quarantined, digest = problem.path or "", problem.digest or ""
        request = FetchRequest(ref.key, ref.size, ref.etag, ref.last_modified)
        self._ready.append(Assignment(request, path, aside, quarantined, digest))
        self._planned[ref.key] = planned
        self.queued += 1

    def drain(self) -> None:
        """Work until everything queued is settled; raises like ``step``."""
        while self._ready or (self._pool is not None and self._pool.outstanding):
            self.step(_WAIT_SECONDS)
        self._report_progress()
        error = self._breaker.conclusion()
        if error is not None:
            raise error

    def step(self, timeout: float = _WAIT_SECONDS, wake: int | None = None) -> None:
        """Assign work, wait at most ``timeout`` seconds for an outcome, record what came.

        ``wake`` is a file descriptor that ends the wait when it is readable. Raises Interrupted after a signal,
        DestinationUnusable when the destination takes no more, ConfigurationError when a login has expired, and the
        error of the breaker when it is pointless to go on.
        """
        number = self._observer.stop_signal()
        if number is not None:
            raise Interrupted(number)
        if self._pool is None and self._ready:
            self.reserve()
            self._pool = self._start_pool()
        pool = self._pool
        if pool is None:
            if wake is not None:
                waiting = select.poll()
                waiting.register(wake, select.POLLIN)
                waiting.poll(timeout * 1000)
        else:
            pool.assign(self._ready)
            outcomes, expired = pool.collect(timeout, *(() if wake is None else (wake,)))
            self._settle(outcomes)
            if expired:
                pool.renew(self._store.connection(renew=True))
        self._recorder.flush_if_due()
        self._commit_if_due()
        if time.monotonic() - self._progress_at >= _WAIT_SECONDS:
            self._report_progress()

    def _commit_if_due(self) -> None:
        written = self._recorder.counters.bytes_written
        if written - self._committed_bytes >= self._hooks.after_bytes:
            self._committed_bytes = written
            self._recorder.flush()
            self._hooks.commit()

    def _start_pool(self) -> WorkerPool:
        from harvester.transfer.workers import WorkerPool

        launched, self._launched = self._launched, []
        return WorkerPool(
            self._options.worker_count,
            self._store.connection(),
            self._store.location.prefix,
            str(self._root),
            self._options.result,
            writers=str(writers_path(self._root, self._options.state_dir).resolve()),
            refuse_unsafe=self._options.unsafe_names == "refuse",
            limits=self._options.worker_limits,
            launched=launched,
            launch=self._launch,
        )

    def settle_failed(self, failed: Failed, planned: Planned) -> None:
        """Account for an object that was not fetched. Raises the error of the breaker when it is pointless to go on."""
        self._recorder.settle(failed, planned)
        error = self._breaker.failure(failed)
        if error is not None:
            raise error

    def _settle(self, outcomes: Iterable[Outcome]) -> None:
        """Account for all outcomes, then raise what ends the run, if anything does."""
        error: HarvesterError | None = None
        for outcome in outcomes:
            planned = self._planned.pop(outcome.key)
            if isinstance(outcome, DestinationFault):
                error = destination_error(self._root, OSError(outcome.errno, os.strerror(outcome.errno)))
                continue
            self._recorder.settle(outcome, planned)
            if isinstance(outcome, Failed):
                error = error or self._breaker.failure(outcome)
            else:
                self._breaker.success()
        if error is not None:
            raise error

    def end(self) -> None:
        """Let the workers finish their current objects, record the outcomes, and end them."""
        for launched in self._launched:
            launched.end()
        self._launched = []
        pool, self._pool = self._pool, None
        if pool is not None:
            for outcome in pool.stop(_STOP_SECONDS):
                planned = self._planned.pop(outcome.key)
                self._recorder.settle(outcome, planned)
        if self._has_reserved:
            self._has_reserved = False
            release_space(self._root)

    def _report_progress(self) -> None:
        now = self._progress_at = time.monotonic()
        counters = self._recorder.counters
        self._observer.progress(
            SyncProgress(
                counters.listed,
                self.listing_done,
                counters.settled,
                counters.failed + counters.refused + counters.quarantined,
                counters.bytes_fetched,
                now,
            )
        )
