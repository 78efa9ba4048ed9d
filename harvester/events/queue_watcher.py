"""Watch a location through the queue that receives its bucket's events."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from harvester.destination import state_directory
from harvester.errors import HarvesterError
from harvester.events.full_listing import FullListing
from harvester.events.landing_sessions import LandingSessions
from harvester.events.live_metrics import LiveMetrics, MetricsOptions
from harvester.events.periodic_heartbeat import PeriodicHeartbeat
from harvester.events.queue import PeerDestinations, QueueWatchOptions, QueueWorker, RowCommits, check_queue
from harvester.events.watch_report import WatchReport, message_metric
from harvester.location import Location
from harvester.metrics import Metric
from harvester.queues import open_queue
from harvester.retry import RateLimitedLog, interruptible_sleep, is_retryable
from harvester.sessions import StoreSettings
from harvester.transfer import ObjectEvent, Observer, SyncOptions, SyncReport, SyncSession

_POLL_SECONDS = 0.2


def watch_queue(
    location: Location,
    destination: Path,
    options: SyncOptions,
    watching: QueueWatchOptions,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    on_listing: Callable[[SyncReport], None] = lambda _: None,
    metrics: MetricsOptions | None = None,
    commits: RowCommits | None = None,
) -> WatchReport:
    """Land what the messages of a queue announce, until stopped.

    ``on_listing`` is called after each full listing. With ``commits`` a message is deleted after its rows are
    committed. Errors are retried as ``is_retryable`` decides; the final one is the report's error. Raises UsageError
    for a queue of another cloud than the location, and for an access-point alias without ``event_bucket``.
    """
    check_queue(location, watching)
    watch = _QueueWatch(
        location, destination, options, watching, settings, observer or Observer(), on_listing, metrics, commits
    )
    return watch.run()


class _QueueWatch:
    def __init__(
        self,
        location: Location,
        destination: Path,
        options: SyncOptions,
        watching: QueueWatchOptions,
        settings: StoreSettings | None,
        observer: Observer,
        on_listing: Callable[[SyncReport], None],
        metrics: MetricsOptions | None,
        commits: RowCommits | None,
    ) -> None:
        self._location = location
        self._destination = destination
        self._state_dir = options.state_dir
        self._watching = watching
        self._settings = settings or StoreSettings()
        self._forward = observer.event
        self._stop_signal = observer.stop_signal
        self._peers = PeerDestinations(watching.beside, location)
        log = RateLimitedLog(observer.warning)
        self._worker = QueueWorker(location, watching, self._peers, log, self._note_success, commits)
        self._full_listing = FullListing(watching.full_listing_every, on_listing)
        self._metrics = LiveMetrics(
            metrics or MetricsOptions(),
            destination,
            options.state_dir,
            "watch",
            self._message_metrics,
            observer.warning,
        )
        self._heartbeat = PeriodicHeartbeat("watch", destination, options.state_dir, self._metrics)
        observer = observer._replace(event=self._note)
        self._sessions = LandingSessions(location, destination, options, self._settings, observer, self._metrics)
        self._has_worked = False

    def run(self) -> WatchReport:
        error: HarvesterError | None = None
        try:
            with self._peers, self._metrics.published():
                self._sessions.repeat(self._run_session, self._may_retry)
        except HarvesterError as ended:
            error = ended
        landing = self._sessions.landing.report(
            self._location.url, str(self._destination), error, other_problems=self._worker.has_problems
        )
        return WatchReport(landing, self._watching.address, self._worker.counts())

    def _may_retry(self, error: HarvesterError) -> bool:
        return not self._watching.once and is_retryable(error, has_worked=self._has_worked)

    def _run_session(self) -> None:
        # First: an invalid queue must not create a destination or record a run.
        source = open_queue(self._watching.address, self._settings)
        self._worker.check(source)
        folder = state_directory(self._destination, self._state_dir)
        with self._sessions.open() as session, self._worker.running(session, source, folder):
            self._process(session)

    def _process(self, session: SyncSession) -> None:
        while True:
            interruptible_sleep(0, self._stop_signal)
            self._metrics.write()
            self._heartbeat.beat()
            self._full_listing.run_if_due(session, self._sessions.landing)
            if self._worker.step(_POLL_SECONDS):
                idle = time.monotonic() - self._worker.settled_at
                if self._watching.once:
                    return
                if self._watching.idle_exit is not None and idle >= self._watching.idle_exit:
                    return

    def _note_success(self) -> None:
        self._has_worked = True
        self._sessions.works()

    def _note(self, event: ObjectEvent) -> None:
        """Record the outcome of an object and forward the event."""
        self._worker.record(event)
        self._metrics.objects[event.outcome] += 1
        if self._forward is not None:
            self._forward(event)

    def _message_metrics(self) -> list[Metric]:
        return [message_metric(self._worker.counts())]
