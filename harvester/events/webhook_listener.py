"""Receive Nimble's webhooks and land the results of their tasks."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harvester.destination import source_of, state_directory
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, HarvesterError, UsageError
from harvester.events.event_state import EnqueueOutcome, EventState, PendingTask
from harvester.events.full_listing import FullListing, check_interval
from harvester.events.http import ServerCertificate, WebhookApp, WebhookOptions, is_loopback
from harvester.events.live_metrics import LiveMetrics, MetricsOptions
from harvester.events.lookup_budget import LookupBudget
from harvester.events.periodic_heartbeat import PeriodicHeartbeat
from harvester.events.queue import PeerDestinations, QueueWatchOptions, QueueWorker, check_queue
from harvester.events.task_lookup import LookupResult, NoResult, ResultFound, RetryLater, find_result
from harvester.events.watch_report import (
    LISTEN_REPORT_SCHEMA,
    LandingCounters,
    LandingReport,
    MessageCounts,
    message_metric,
)
from harvester.extras import LISTEN, require_extra
from harvester.location import Location, parse_location
from harvester.metrics import Metric, metrics_text
from harvester.nimble_api import NimbleClient
from harvester.queues import open_queue
from harvester.retry import Backoff, RateLimitedLog, interruptible_sleep, is_retryable
from harvester.sessions import StoreSettings
from harvester.transfer import ObjectEvent, Observer, SyncOptions, SyncSession, open_session

if TYPE_CHECKING:
    from harvester.events.http import HttpServer

_BATCH = 64
_LOOKUPS = 8
_POLL_SECONDS = 0.2
# Reasons of a look-up that failed, for example a rejected key or a network error.
_UNANSWERED = frozenset({"api", "store"})
_FIRST_RETRY = 2.0
_LONGEST_RETRY = 300.0
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 300.0


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """Options of ``listen``."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8080
    """The port; 0 for any free one."""
    webhook: WebhookOptions = field(default_factory=WebhookOptions)
    """Requirements on a webhook."""
    most_waiting: int = 10_000
    """Maximum number of pending tasks; webhooks beyond it are answered with 503."""
    give_up: float = 24 * 3600.0
    """Seconds to retry a task that runs or whose object is missing; default: Nimble's retention."""
    certificate: ServerCertificate | None = None
    """Serve HTTPS with it; None for HTTP, behind a proxy that ends TLS."""
    queue: QueueWatchOptions | None = None
    """A queue of bucket events to settle as well, in the same session; ``once`` and ``idle_exit`` are unused."""
    full_listing_every: float | None = None
    """List the whole location at the start and then after this many seconds, 60 or more; None for never."""

    metrics_file: Path | None = None
    """A file for node_exporter's textfile collector, rewritten every 15 seconds and at the end."""

    def __post_init__(self) -> None:
        """Validate the interval."""
        check_interval(self.full_listing_every)


@dataclass(frozen=True, slots=True)
class ListenReport:
    """Report of a webhook receiver."""

    landing: LandingReport
    """The objects."""
    webhooks: Mapping[str, int]
    """Number of webhooks by answer."""
    tasks: Mapping[str, int]
    """Number of tasks by outcome."""
    waiting: int
    """Number of pending tasks, for the next start."""
    queue: str | None = None
    """The queue's address; None without one."""
    messages: MessageCounts = field(default_factory=MessageCounts)
    """The messages of the queue; all zero without one."""

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        return {
            "schema": LISTEN_REPORT_SCHEMA,
            **self.landing.as_document(),
            "webhooks": dict(sorted(self.webhooks.items())),
            "tasks": dict(sorted(self.tasks.items())),
            "waiting": self.waiting,
            "queue": self.queue,
            "messages": self.messages.as_document(),
        }


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
        self._client = client
        self._options = options
        self._listening = listening
        self._settings = settings or StoreSettings()
        self._forward = observer.event
        self._observer = replace(observer, event=self._note)
        self._log = RateLimitedLog(observer.warning)
        self._landing = LandingCounters()
        self._tasks: Counter[str] = Counter()
        self._outcomes: dict[str, str] = {}
        self._arrived = threading.Event()
        self._outage = ""
        self._all_failed = False
        self._waiting = 0
        self._answers: Counter[str] = Counter()
        self._metrics = LiveMetrics(
            MetricsOptions(listening.metrics_file), destination, options.state_dir, self._own_metrics, observer.warning
        )
        self._heartbeat = PeriodicHeartbeat("listen", destination, options.state_dir, self._metrics)
        self._full_listing = FullListing(listening.full_listing_every)
        self._peers = PeerDestinations(listening.queue.beside if listening.queue else (), location)
        self._worker: QueueWorker | None = None
        if listening.queue is not None:
            self._worker = QueueWorker(location, listening.queue, self._peers, self._log, lambda: None)

    def run(self, started: Callable[[str], None]) -> ListenReport:
        from harvester.events.http import HttpServer

        error: HarvesterError | None = None
        app: WebhookApp | None = None
        backoff = Backoff(_FIRST_DELAY, _LONGEST_DELAY)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._peers)
            stack.enter_context(self._metrics.published())
            options = self._listening
            server = stack.enter_context(HttpServer(options.host, options.port, options.certificate))
            if options.webhook.secret is None and not is_loopback(options.host):
                self._observer.warning(
                    f"{server.address} can be reached from other machines, and no secret is required: any client can"
                    " send task ids; set a secret"
                )
            while True:
                try:
                    with self._open_session() as session:
                        if app is None:
                            # Accept webhooks only while the destination is locked by this process.
                            app = self._serve(server, stack)
                            started(server.address)
                        self._outage = ""
                        self._metrics.works()
                        with self._queue(session):
                            self._work(session, backoff)
                except HarvesterError as ended:
                    if app is None:
                        raise
                    if not is_retryable(ended, has_worked=True):
                        error = ended
                        break
                    delay = backoff.delay()
                    self._outage = ended.one_line()
                    self._metrics.failed(self._outage)
                    self._metrics.write(at_once=True)
                    self._observer.warning(f"{self._outage}; retrying in {delay:.0f} s")
                    try:
                        interruptible_sleep(delay, self._observer.stop_signal)
                    except HarvesterError as interrupted:
                        error = interrupted
                        break
        with EventState(self._folder(), durable=True) as state:
            waiting = state.waiting()
        totals = self._landing.report(
            self._location.url,
            str(self._destination),
            error,
            other_problems=bool(self._tasks["gave_up"]) or (self._worker is not None and self._worker.has_problems),
        )
        report = ListenReport(totals, dict(app.answers), dict(self._tasks), waiting)
        queue = self._listening.queue
        if self._worker is None or queue is None:
            return report
        return replace(report, queue=queue.address, messages=self._worker.counts())

    @contextlib.contextmanager
    def _open_session(self) -> Iterator[SyncSession]:
        with open_session(
            self._location,
            self._destination,
            self._options,
            settings=self._settings,
            observer=self._observer,
            check_bucket=True,
        ) as session:
            try:
                yield session
            finally:
                with contextlib.suppress(HarvesterError):
                    session.stop()
                self._landing.keep_problems(session.has_problem)
                self._landing.add(session.report())

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
        return state_directory(self._destination, self._options.state_dir)

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
        self._answers = app.answers
        # Stopped before the state it writes to is closed.
        stack.callback(server.stop)
        server.start(app)
        return app

    def _health(self) -> tuple[bool, str]:
        if self._outage:
            return False, "landing is interrupted; webhooks are kept"
        if self._all_failed:
            return False, "no task can be looked up; webhooks are kept"
        return True, "ok"

    # Processing tasks

    def _work(self, session: SyncSession, backoff: Backoff) -> None:
        budget = LookupBudget()
        with EventState(self._folder(), durable=True) as state, ThreadPoolExecutor(_LOOKUPS) as pool:
            while True:
                interruptible_sleep(0, self._observer.stop_signal)
                self._arrived.clear()
                self._waiting = state.waiting()
                self._metrics.write()
                self._heartbeat.beat()
                self._full_listing.run_if_due(session, self._landing)
                if self._worker is not None:
                    self._worker.step(0)
                due = state.due(budget.available(_BATCH))
                if not due:
                    self._arrived.wait(_POLL_SECONDS)
                    continue
                lookups = list(pool.map(lambda task: find_result(task.task_id, self._client, session.store), due))
                self._all_failed = all(isinstance(each, RetryLater) and each.reason in _UNANSWERED for each in lookups)
                if self._all_failed:
                    self._metrics.failed("no task can be looked up")
                else:
                    self._metrics.works()
                budget.spend(sum(isinstance(each, NoResult) and each.reason == "unknown_task" for each in lookups))
                self._settle(due, lookups, session, state)
                backoff.reset()

    def _settle(
        self, due: Sequence[PendingTask], lookups: Sequence[LookupResult], session: SyncSession, state: EventState
    ) -> None:
        self._outcomes.clear()
        found = [each for each in lookups if isinstance(each, ResultFound)]
        session.land([each.ref for each in found])
        session.make_durable()
        landed: list[str] = []
        dropped: list[str] = []
        later: list[tuple[str, float]] = []
        for task, lookup in zip(due, lookups, strict=True):
            again = lookup
            if isinstance(lookup, ResultFound):
                outcome = self._outcomes.get(lookup.ref.key, "failed")
                if outcome != "failed":
                    self._tasks[outcome] += 1
                    landed.append(task.task_id)
                    continue
                again = RetryLater(task.task_id, "fetch", f"the result of task {task.task_id} could not be fetched")
            if isinstance(again, NoResult):
                self._tasks[again.reason] += 1
                self._log(again.reason, again.detail)
                dropped.append(task.task_id)
            elif isinstance(again, RetryLater):
                delay = self._retry_delay(task, again)
                if delay is None:
                    dropped.append(task.task_id)
                else:
                    later.append((task.task_id, delay))
        state.settle(landed=landed, dropped=dropped, later=later)

    def _retry_delay(self, task: PendingTask, lookup: RetryLater) -> float | None:
        """Return the seconds until the next look-up, None to give up."""
        if time.time() - task.received_at > self._listening.give_up:
            self._tasks["gave_up"] += 1
            self._log("gave up", f"{lookup.detail}; given up, to be found by reconciling {self._destination}")
            return None
        if lookup.reason != "running" and task.tries == 0:
            self._log(lookup.reason, f"{lookup.detail}; retrying")
        return float(min(_FIRST_RETRY * 2 ** min(task.tries, 20), _LONGEST_RETRY))

    def _note(self, event: ObjectEvent) -> None:
        self._outcomes[event.key] = event.outcome
        if self._worker is not None:
            self._worker.record(event)
        self._metrics.objects[event.outcome] += 1
        if self._forward is not None:
            self._forward(event)

    # Metrics

    def _own_metrics(self) -> list[Metric]:
        metrics = [
            Metric("webhooks", "counter", "Webhooks by answer.", dict(self._answers), "answer"),
            Metric("tasks", "counter", "Tasks by outcome.", dict(self._tasks), "outcome"),
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
