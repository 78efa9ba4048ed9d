"""Receive Nimble's webhooks, and bring home what they announce."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harvester.destination import state_directory
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, UsageError
from harvester.events.event_state import EventState, Offer, WaitingTask
from harvester.events.exposition import Metric, exposition
from harvester.events.http_server import HttpServer
from harvester.events.task_lookup import Found, Lookup, Nothing, NotYet, look_up
from harvester.events.watch_report import LISTEN_REPORT_SCHEMA, LandingAccount, LandingTally
from harvester.events.webhook_app import WebhookApp, WebhookOptions
from harvester.location import Location
from harvester.nimble_api import NimbleClient
from harvester.retry import Backoff, RateLimitedLog, interruptible_sleep, is_retryable
from harvester.sessions import StoreSettings
from harvester.transfer import ObjectEvent, Observer, SyncOptions, SyncSession, open_session

_BATCH = 64
_LOOKUPS = 8
_POLL_SECONDS = 0.2
# Why a task is looked at again when it could not be looked at: a key that is rejected, a network.
_UNANSWERED = frozenset({"api", "store"})
_FIRST_LOOK_AGAIN = 2.0
_LONGEST_LOOK_AGAIN = 300.0
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 300.0


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """How webhooks are received."""

    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = 8080
    """The port; 0 for any free one."""
    webhook: WebhookOptions = field(default_factory=WebhookOptions)
    """What a webhook must keep to."""
    most_waiting: int = 10_000
    """How many tasks may wait to be worked off; more are answered with 503."""
    give_up: float = 24 * 3600.0
    """Seconds a task is looked at again for while it runs or its object is missing; Nimble's own retention."""


@dataclass(frozen=True, slots=True)
class ListenReport:
    """What a receiver did."""

    landing: LandingAccount
    """The objects."""
    webhooks: Mapping[str, int]
    """Webhooks by how they were answered."""
    tasks: Mapping[str, int]
    """Tasks by what they came to."""
    waiting: int
    """Tasks that wait to be worked off by the next start."""

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        return {
            "schema": LISTEN_REPORT_SCHEMA,
            **self.landing.as_document(),
            "webhooks": dict(sorted(self.webhooks.items())),
            "tasks": dict(sorted(self.tasks.items())),
            "waiting": self.waiting,
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
    """Receive webhooks and land what they announce into ``destination``, holding it, until asked to stop.

    ``started`` is called with the address when connections are taken. What ends it is the report's error. Raises a
    HarvesterError for what keeps it from starting: an address in use, a destination that is locked, unusable or bound
    to another source.
    """
    if location.scheme == "file":
        raise UsageError(
            f"webhooks announce nothing in {location.url}",
            cause="Nimble delivers into buckets",
            code=ErrorCode.WEBHOOKS_NEED_A_BUCKET,
            subject=location.url,
        )
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
        self._told = observer.event
        self._observer = replace(observer, event=self._note)
        self._say = RateLimitedLog(observer.warning)
        self._tally = LandingTally()
        self._tasks: Counter[str] = Counter()
        self._outcomes: dict[str, str] = {}
        self._landed: Counter[str] = Counter()
        self._news = threading.Event()
        self._trouble = ""
        self._blind = False
        self._waiting = 0

    def run(self, started: Callable[[str], None]) -> ListenReport:
        error: HarvesterError | None = None
        app: WebhookApp | None = None
        backoff = Backoff(_FIRST_DELAY, _LONGEST_DELAY)
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(HttpServer(self._listening.host, self._listening.port))
            while True:
                try:
                    with self._open_session() as session:
                        if app is None:
                            # Only who holds the destination may promise to bring something home.
                            app = self._serve(server, stack)
                            started(server.address)
                        self._trouble = ""
                        self._work(session, backoff)
                except HarvesterError as ended:
                    if app is None:
                        raise
                    if not is_retryable(ended, has_worked=True):
                        error = ended
                        break
                    delay = backoff.delay()
                    self._trouble = ended.one_line()
                    self._observer.warning(f"{self._trouble}; going on in {delay:.0f} s")
                    try:
                        interruptible_sleep(delay, self._observer.stop_signal)
                    except HarvesterError as interrupted:
                        error = interrupted
                        break
        with EventState(self._folder(), durable=True) as state:
            waiting = state.waiting()
        account = self._tally.account(
            self._location.url, str(self._destination), error, other_problems=bool(self._tasks["gave_up"])
        )
        return ListenReport(account, dict(app.answers), dict(self._tasks), waiting)

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
                self._tally.keep_problems(session.has_problem)
                self._tally.add(session.report())

    def _folder(self) -> Path:
        return state_directory(self._destination, self._options.state_dir)

    def _serve(self, server: HttpServer, stack: contextlib.ExitStack) -> WebhookApp:
        state = stack.enter_context(EventState(self._folder(), durable=True))
        executor = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="webhooks"))
        most = self._listening.most_waiting

        def offer(task_ids: Sequence[str]) -> list[Offer]:
            offers = state.offer(task_ids, most=most)
            self._news.set()
            return offers

        app = WebhookApp(self._listening.webhook, offer, executor, self._health, lambda: self._metrics(app))
        # Stopped before the state it writes to is closed.
        stack.callback(server.stop)
        server.start(app)
        return app

    def _health(self) -> tuple[bool, str]:
        if self._trouble:
            return False, "landing is interrupted; webhooks are kept"
        if self._blind:
            return False, "neither Nimble's API nor the bucket tells of any task; webhooks are kept"
        return True, "ok"

    # Working tasks off

    def _work(self, session: SyncSession, backoff: Backoff) -> None:
        with EventState(self._folder(), durable=True) as state, ThreadPoolExecutor(_LOOKUPS) as pool:
            while True:
                interruptible_sleep(0, self._observer.stop_signal)
                self._news.clear()
                self._waiting = state.waiting()
                due = state.due(_BATCH)
                if not due:
                    self._news.wait(_POLL_SECONDS)
                    continue
                looked = list(pool.map(lambda task: look_up(task.task_id, self._client, session.store), due))
                self._blind = all(isinstance(each, NotYet) and each.reason in _UNANSWERED for each in looked)
                self._settle(due, looked, session, state)
                backoff.reset()

    def _settle(
        self, due: Sequence[WaitingTask], looked: Sequence[Lookup], session: SyncSession, state: EventState
    ) -> None:
        self._outcomes.clear()
        found = [each for each in looked if isinstance(each, Found)]
        session.land([each.ref for each in found])
        session.make_durable()
        landed: list[str] = []
        dropped: list[str] = []
        later: list[tuple[str, float]] = []
        for task, lookup in zip(due, looked, strict=True):
            again = lookup
            if isinstance(lookup, Found):
                outcome = self._outcomes.get(lookup.ref.key, "failed")
                if outcome != "failed":
                    self._tasks[outcome] += 1
                    landed.append(task.task_id)
                    continue
                again = NotYet(task.task_id, "fetch", f"the result of task {task.task_id} could not be fetched")
            if isinstance(again, Nothing):
                self._tasks[again.reason] += 1
                self._say(again.reason, again.words)
                dropped.append(task.task_id)
            elif isinstance(again, NotYet):
                delay = self._look_again(task, again)
                if delay is None:
                    dropped.append(task.task_id)
                else:
                    later.append((task.task_id, delay))
        state.settle(landed=landed, dropped=dropped, later=later)

    def _look_again(self, task: WaitingTask, lookup: NotYet) -> float | None:
        """Return in how many seconds to look again, None to give it up."""
        if time.time() - task.received_at > self._listening.give_up:
            self._tasks["gave_up"] += 1
            self._say("gave up", f"{lookup.words}; given up, to be found by reconciling {self._destination}")
            return None
        if lookup.reason != "running" and task.tries == 0:
            self._say(lookup.reason, f"{lookup.words}; looking again")
        return float(min(_FIRST_LOOK_AGAIN * 2 ** min(task.tries, 20), _LONGEST_LOOK_AGAIN))

    def _note(self, event: ObjectEvent) -> None:
        self._outcomes[event.key] = event.outcome
        self._landed[event.outcome] += 1
        if self._told is not None:
            self._told(event)

    # What it tells

    def _metrics(self, app: WebhookApp) -> str:
        return exposition(
            (
                Metric("webhooks_total", "counter", "Webhooks by how they were answered.", "answer", app.answers),
                Metric("tasks_total", "counter", "Tasks by what they came to.", "outcome", self._tasks),
                Metric("objects_total", "counter", "Objects by what became of them.", "outcome", self._landed),
                Metric("tasks_waiting", "gauge", "Tasks that wait to be worked off.", "", {"": self._waiting}),
                Metric("landing_up", "gauge", "1 while results are brought home.", "", {"": int(self._health()[0])}),
            )
        )
