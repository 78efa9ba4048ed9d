"""Receive Nimble's webhooks and land the results of their tasks."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harvester.destination import source_of, state_directory
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, HarvesterError, UsageError
from harvester.events.event_state import EnqueueOutcome, EventState
from harvester.events.full_listing import FullListing
from harvester.events.http import WebhookApp, is_loopback
from harvester.events.landing_sessions import LandingSessions
from harvester.events.listen_options import ListenOptions, ListenReport
from harvester.events.live_metrics import LiveMetrics, MetricsOptions
from harvester.events.periodic_heartbeat import PeriodicHeartbeat
from harvester.events.queue import PeerDestinations, QueueWorker, check_queue
from harvester.events.task_settler import TaskSettler
from harvester.events.watch_report import (
    message_metric,
)
from harvester.extras import LISTEN, require_extra
from harvester.location import Location, parse_location
from harvester.metrics import Metric, metrics_text
from harvester.nimble_api import NimbleClient
from harvester.queues import open_queue
from harvester.retry import RateLimitedLog, interruptible_sleep, is_retryable
from harvester.sessions import StoreSettings
from harvester.transfer import ObjectEvent, Observer, SyncOptions, SyncSession

if TYPE_CHECKING:
    from harvester.events.http import HttpServer

_POLL_SECONDS = 0.2


def listen(
    location: Location,
    destination: Path,
    client: NimbleClient,
    options: SyncOptions,
    listening: ListenOptions,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    started: Callable[[str], None] = lambda _: None,
) -> ListenReport:
    """Receive webhooks and land the results into ``destination``, keeping it locked, until stopped.

    ``started`` is called with the address when connections are accepted. The final error is the report's. Raises a
    HarvesterError if it cannot start: an address in use, a destination that is locked, unusable or bound to another
    source; ConfigurationError without the extra [listen].
    """
    if location.scheme == "file":
        raise UsageError(
            f"webhooks do not concern {location.url}",
            cause="Nimble delivers into buckets",
            code=ErrorCode.WEBHOOKS_NEED_A_BUCKET,
            subject=location.url,
        )
    if listening.queue is not None:
        check_queue(location, listening.queue)
    require_extra(LISTEN)
    listener = _Listener(location, destination, client, options, listening, settings, observer or Observer())
    return listener.run(started)


class _Listener:
    def __init__(
        self,
        location: Location,
        destination: Path,
        client: NimbleClient,
        options: SyncOptions,
        listening: ListenOptions,
        settings: StoreSettings | None,
        observer: Observer,
    ) -> None:
        self._location = location
        self._destination = destination
        self._state_dir = options.state_dir
        self._listening = listening
        self._settings = settings or StoreSettings()
        self._forward = observer.event
        self._warn = observer.warning
        self._stop_signal = observer.stop_signal
        log = RateLimitedLog(observer.warning)
        self._settler = TaskSettler(client, log, destination, listening.give_up)
        self._arrived = threading.Event()
        self._waiting = 0
        self._app: WebhookApp | None = None
        self._metrics = LiveMetrics(
            MetricsOptions(listening.metrics_file),
            destination,
            options.state_dir,
            "listen",
            self._own_metrics,
            observer.warning,
        )
        self._heartbeat = PeriodicHeartbeat("listen", destination, options.state_dir, self._metrics)
        observer = observer._replace(event=self._note)
        self._sessions = LandingSessions(location, destination, options, self._settings, observer, self._metrics)
        self._full_listing = FullListing(listening.full_listing_every)
        self._peers = PeerDestinations(listening.queue.beside if listening.queue else (), location)
        self._worker: QueueWorker | None = None
        if listening.queue is not None:
            self._worker = QueueWorker(location, listening.queue, self._peers, log, lambda: None)

    def run(self, started: Callable[[str], None]) -> ListenReport:
        from harvester.events.http import HttpServer

        error: HarvesterError | None = None
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._peers)
            stack.enter_context(self._metrics.published())
            options = self._listening
            server = stack.enter_context(HttpServer(options.host, options.port, options.certificate))
            if options.webhook.secret is None and not is_loopback(options.host):
                self._warn(
                    f"{server.address} can be reached from other machines, and no secret is required: any client can"
                    " send task ids; set a secret"
                )

            def run_session() -> None:
                with self._sessions.open() as session:
                    if self._app is None:
                        # Accept webhooks only while the destination is locked by this process.
                        self._app = self._serve(server, stack)
                        started(server.address)
                    self._sessions.outage = ""
                    self._metrics.works()
                    with self._queue(session):
                        self._work(session)

            try:
                self._sessions.repeat(run_session, self._may_retry)
            except HarvesterError as ended:
                if self._app is None:
                    raise
                error = ended
        return self._report(error)

    def _may_retry(self, error: HarvesterError) -> bool:
        return self._app is not None and is_retryable(error, has_worked=True)

    def _report(self, error: HarvesterError | None) -> ListenReport:
        with EventState(self._folder(), durable=True) as state:
            waiting = state.waiting()
        tasks = self._settler.tasks
        totals = self._sessions.landing.report(
            self._location.url,
            str(self._destination),
            error,
            other_problems=bool(tasks["gave_up"]) or (self._worker is not None and self._worker.has_problems),
        )
        report = ListenReport(totals, self._answers(), dict(tasks), waiting)
        queue = self._listening.queue
        if self._worker is None or queue is None:
            return report
        return replace(report, queue=queue.address, messages=self._worker.counts())

    @contextlib.contextmanager
    def _queue(self, session: SyncSession) -> Iterator[None]:
        """Receive the messages of the queue within the context, if there is one."""
        if self._worker is None or self._listening.queue is None:
            yield
            return
        source = open_queue(self._listening.queue.address, self._settings)
        self._worker.check(source)
        with self._worker.running(session, source, self._folder()):
            yield

    def _folder(self) -> Path:
        return state_directory(self._destination, self._state_dir)

    def _serve(self, server: HttpServer, stack: contextlib.ExitStack) -> WebhookApp:
        state = stack.enter_context(EventState(self._folder(), durable=True))
        executor = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="webhooks"))
        most = self._listening.most_waiting

        def enqueue(task_ids: Sequence[str]) -> list[EnqueueOutcome]:
            outcomes = state.enqueue(task_ids, most=most)
            self._arrived.set()
            return outcomes

        app = WebhookApp(
            self._listening.webhook, enqueue, executor, self._health, lambda: metrics_text(self._metrics.collect())
        )
        # Stopped before the state it writes to is closed.
        stack.callback(server.stop)
        server.start(app)
        return app

    def _health(self) -> tuple[bool, str]:
        if self._sessions.outage:
            return False, "landing is interrupted; webhooks are kept"
        if self._settler.all_failed:
            return False, "no task can be looked up; webhooks are kept"
        return True, "ok"

    def _work(self, session: SyncSession) -> None:
        with (
            EventState(self._folder(), durable=True) as state,
            self._settler.running(session, state) as settle_due_tasks,
        ):
            while True:
                interruptible_sleep(0, self._stop_signal)
                self._arrived.clear()
                self._waiting = state.waiting()
                self._metrics.write()
                self._heartbeat.beat()
                self._full_listing.run_if_due(session, self._sessions.landing)
                if self._worker is not None:
                    self._worker.step(0)
                if not settle_due_tasks():
                    self._arrived.wait(_POLL_SECONDS)
                elif self._settler.all_failed:
                    self._metrics.failed("no task can be looked up")
                else:
                    self._sessions.works()

    def _note(self, event: ObjectEvent) -> None:
        self._settler.record(event)
        if self._worker is not None:
            self._worker.record(event)
        self._metrics.objects[event.outcome] += 1
        if self._forward is not None:
            self._forward(event)

    def _answers(self) -> Mapping[str, int]:
        return {} if self._app is None else dict(self._app.answers)

    def _own_metrics(self) -> list[Metric]:
        metrics = [
            Metric("webhooks", "counter", "Webhooks by answer.", dict(self._answers()), "answer"),
            Metric("tasks", "counter", "Tasks by outcome.", dict(self._settler.tasks), "outcome"),
            Metric("tasks_waiting", "gauge", "Pending tasks.", {"": self._waiting}),
        ]
        return metrics if self._worker is None else [*metrics, message_metric(self._worker.counts())]


def bound_source(
    destination: Path, given: Location | None, settings: StoreSettings, *, state_dir: Path | None = None
) -> tuple[Location, StoreSettings]:
    """Return the source of ``destination`` and its settings, with the endpoint of the last run unless one is given.

    Raises UsageError if ``given`` is None and ``destination`` was never synced.
    """
    try:
        bound = source_of(destination, state_dir=state_dir)
    except ConfigurationError:
        bound = None
    if bound is not None and settings.endpoint_url is None and bound.endpoint:
        settings = replace(settings, endpoint_url=bound.endpoint)
    if given is not None:
        return given, settings
    if bound is None:
        raise UsageError(
            f"{destination} has never been synced, so its location is unknown",
            code=ErrorCode.NO_LOCATION_TO_LISTEN,
            subject=str(destination),
        )
    return parse_location(bound.url), settings
