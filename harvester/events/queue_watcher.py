"""Watch a location through the queue its bucket's events go to.

A message is deleted only after what it announces is settled, on the disk and in the manifest. Before a message is
worked on it is written down with its receipt: a worker that was killed takes up its own messages again, so that what
it had landed does not land a second time with another worker.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harvester.destination import state_directory
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, HarvesterError, Interrupted, UsageError
from harvester.events.bucket_events import Announced
from harvester.events.event_state import EventState
from harvester.events.message import Reading, newest_versions, read_message
from harvester.events.peers import PeerDestinations
from harvester.events.queue_threads import Leases, NothingCame, Receiver
from harvester.events.watch_report import LandingTally, MessageCounts, WatchReport
from harvester.location import Location
from harvester.queues import MessageQueue, QueueMessage, is_subscription, open_queue
from harvester.retry import Backoff, RateLimitedLog, interruptible_sleep, is_retryable
from harvester.sessions import StoreSettings
from harvester.storage import ObjectRef
from harvester.transfer import ObjectEvent, Observer, SyncOptions, SyncSession, open_session

_BATCH = 400
_LOOKUPS = 8
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 300.0
_POLL_SECONDS = 0.2
_SHORTEST_LEASE = 10.0
_LONGEST_LEASE = 12 * 3600.0
# Each wait is a request that costs; a stop may take as long. SQS asks all its servers from one second on.
_LONG_WAIT = 5.0
_SHORT_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class QueueWatchOptions:
    """How a queue is worked off. Raises UsageError for a lease that cannot be."""

    address: str
    """The queue: an SQS URL or ARN, or ``projects/PROJECT/subscriptions/NAME`` of Pub/Sub."""
    lease: float = 120.0
    """Seconds a message is kept from others, 10 to 12 hours; extended while it is worked on."""
    foreign: Literal["leave", "delete"] = "leave"
    """What happens to a message about another bucket or prefix: others may share the queue, or nobody does."""
    beside: tuple[Path, ...] = ()
    """Destinations of other workers on the same queue: what lies there, in the version announced, is not landed here.

    A queue may deliver a message again after it was deleted, and then to anybody.
    """
    once: bool = False
    """End when the queue has nothing more to give."""
    idle_exit: float | None = None
    """End when no message could be worked off for this many seconds; None for never."""

    def __post_init__(self) -> None:
        """Look at the lease: no queue grants another."""
        if not _SHORTEST_LEASE <= self.lease <= _LONGEST_LEASE:
            raise UsageError(
                f"a lease of {self.lease:g} s cannot be",
                cause="it is 10 seconds to 12 hours",
                code=ErrorCode.LEASE_OUT_OF_RANGE,
            )


def watch_queue(
    location: Location,
    destination: Path,
    options: SyncOptions,
    watching: QueueWatchOptions,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> WatchReport:
    """Bring home what the messages of a queue announce, until asked to stop.

    Errors are waited out as ``is_retryable`` says; what ends it is the report's error. Raises UsageError for a queue
    that does not fit the location.
    """
    if location.scheme != ("gs" if is_subscription(watching.address) else "s3"):
        raise UsageError(
            f"the queue {watching.address} cannot announce what arrives in {location.url}",
            cause="an SQS queue belongs to s3://, a Pub/Sub subscription to gs://",
            code=ErrorCode.QUEUE_OF_ANOTHER_CLOUD,
            subject=watching.address,
            parameters={"scheme": location.scheme},
        )
    watch = _QueueWatch(location, destination, options, watching, settings, observer or Observer())
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
    ) -> None:
        self._location = location
        self._destination = destination
        self._address = watching.address
        self._options = options
        self._watching = watching
        self._settings = settings or StoreSettings()
        self._told = observer.event
        self._observer = replace(observer, event=self._note)
        self._say = RateLimitedLog(observer.warning)
        self._tally = LandingTally()
        self._counts: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._outcomes: dict[str, str] = {}
        self._peers = PeerDestinations(watching.beside, location)
        self._has_worked = False
        self._settled_at = time.monotonic()
        self._backoff = Backoff(_FIRST_DELAY, _LONGEST_DELAY)

    def run(self) -> WatchReport:
        error: HarvesterError | None = None
        try:
            with self._peers:
                self._run()
        except HarvesterError as ended:
            error = ended
        landing = self._tally.account(
            self._location.url,
            str(self._destination),
            error,
            other_problems=bool(self._left["unreadable"] or self._left["failed"] or self._counts["gone"]),
        )
        return WatchReport(landing, self._address, self._message_counts())

    def _run(self) -> None:
        while True:
            try:
                # First: a queue that cannot be is no reason to make a destination, or to record a run.
                source = open_queue(self._address, self._settings)
                self._look_at(source)
                with open_session(
                    self._location,
                    self._destination,
                    self._options,
                    settings=self._settings,
                    observer=self._observer,
                    check_bucket=True,
                ) as session:
                    try:
                        self._work(session, source)
                    finally:
                        with contextlib.suppress(HarvesterError):
                            session.stop()
                        self._tally.keep_problems(session.has_problem)
                        self._tally.add(session.report())
                return
            except HarvesterError as error:
                if self._watching.once or not is_retryable(error, has_worked=self._has_worked):
                    raise
                delay = self._backoff.delay()
                told = error.one_line()
                self._observer.warning(f"{told}; going on in {delay:.0f} s")
                self._tally.failed_runs += 1
                interruptible_sleep(delay, self._observer.stop_signal)

    def _work(self, session: SyncSession, source: MessageQueue) -> None:
        """Work until asked to stop, or for as long as was asked."""
        folder = state_directory(self._destination, self._options.state_dir)
        with EventState(folder, durable=False) as state:
            leases = Leases(source, self._watching.lease, state)
            try:
                self._take_up_again(session, source, leases)
                wait = _SHORT_WAIT if self._watching.once else _LONG_WAIT
                receiver = Receiver(source, leases, self._watching.lease, 2 * _BATCH, wait=wait)
                try:
                    self._work_off(session, source, leases, receiver)
                finally:
                    self._release(source, leases, receiver.stop())
            finally:
                leases.stop()

    def _look_at(self, source: MessageQueue) -> None:
        if source.settings().dead_letters is False:
            self._say(
                "no dead-letter queue",
                f"{self._address} has no dead-letter queue: a message that can never be worked off comes back until"
                " it expires",
            )

    def _take_up_again(self, session: SyncSession, source: MessageQueue, leases: Leases) -> None:
        """Go on with what was held when it ended last, as far as nobody else has it by now."""
        mine = leases.take_up_again()
        self._counts["received"] += len(mine)
        self._counts["redelivered"] += sum(message.deliveries > 1 for message in mine)
        for start in range(0, len(mine), _BATCH):
            self._settle_batch(mine[start : start + _BATCH], session, source, leases)

    def _work_off(self, session: SyncSession, source: MessageQueue, leases: Leases, receiver: Receiver) -> None:
        while True:
            interruptible_sleep(0, self._observer.stop_signal)
            messages: list[QueueMessage] = []
            empty = False
            taken = receiver.take(_POLL_SECONDS)
            while taken is not None:
                if isinstance(taken, HarvesterError):
                    self._release(source, leases, messages)
                    raise taken
                if isinstance(taken, NothingCame):
                    empty = True
                else:
                    messages.extend(taken)
                taken = receiver.take(0) if len(messages) < _BATCH else None
            if messages:
                self._counts["received"] += len(messages)
                self._counts["redelivered"] += sum(message.deliveries > 1 for message in messages)
                self._settle_batch(messages, session, source, leases)
            if empty:
                self._note_success()
                idle = time.monotonic() - self._settled_at
                if not messages and self._watching.once:
                    return
                if self._watching.idle_exit is not None and idle >= self._watching.idle_exit:
                    return

    def _release(self, source: MessageQueue, leases: Leases, messages: Sequence[QueueMessage]) -> None:
        """Give messages back that nobody has begun to work on."""
        if not messages:
            return
        leases.let_go(messages)
        leases.forget(messages)
        try:
            source.extend([message.receipt for message in messages], 0)
        except HarvesterError as error:
            self._say("not released", f"{len(messages)} messages come back later than they could: {error.what}")

    # One batch

    def _settle_batch(
        self, messages: Sequence[QueueMessage], session: SyncSession, source: MessageQueue, leases: Leases
    ) -> None:
        settled = False
        try:
            readings = [read_message(message, self._location) for message in messages]
            for reading in readings:
                self._take_note(reading)
            self._outcomes.clear()
            refs = self._resolve([each for reading in readings for each in reading.announced], session)
            try:
                session.land(refs)
                session.make_durable()
            except Interrupted:
                session.stop()
                self._conclude(readings, source, leases, interrupted=True)
                settled = True
                raise
            self._conclude(readings, source, leases, interrupted=False)
            settled = True
        finally:
            if not settled:
                self._counts["lost"] += len(messages)
                leases.let_go(messages)
        self._note_success()

    def _note_success(self) -> None:
        self._has_worked = True
        self._backoff.reset()

    def _take_note(self, reading: Reading) -> None:
        name = f"the message {reading.message.id}"
        self._others.update(reading.others)
        if reading.unreadable:
            self._say("unreadable", f"{name} of {self._address} is left: {reading.unreadable}")
        if reading.elsewhere is not None:
            self._say(
                "about another place",
                f"{name} is {'left' if self._obstacle(reading) else 'deleted'}: it announces"
                f" {self._location.scheme}://{reading.elsewhere.bucket}/{reading.elsewhere.key}, which is"
                f" not in {self._location.url}",
            )

    def _obstacle(self, reading: Reading) -> str:
        """Return why a message is left, whatever becomes of the objects it announces here; empty when it is not."""
        if reading.unreadable:
            return "unreadable"
        return "foreign" if reading.elsewhere is not None and self._watching.foreign == "leave" else ""

    def _resolve(self, announced: Iterable[Announced], session: SyncSession) -> list[ObjectRef]:
        """Return what to land: as announced where that can only be the newest version, else as the store says."""
        refs, unclear = newest_versions(announced, session.knows_another)
        with ThreadPoolExecutor(_LOOKUPS) as pool:
            found = pool.map(lambda key: _head(session, key), unclear)
            for key, answer in zip(unclear, found, strict=True):
                if isinstance(answer, ObjectRef):
                    refs[key] = answer
                elif answer is None:
                    self._counts["gone"] += 1
                    self._outcomes[key] = "gone"
                    self._say("gone", f"{key} was announced, and is gone from {self._location.url}")
                else:
                    self._outcomes[key] = "failed"
                    self._say("failed", answer.one_line())
        return [ref for ref in refs.values() if not self._lies_beside(ref, session)]

    def _lies_beside(self, ref: ObjectRef, session: SyncSession) -> bool:
        if session.has_landed(ref) or not self._peers.contains(ref):
            return False
        self._counts["beside"] += 1
        self._outcomes[ref.key] = "beside"
        return True

    def _note(self, event: ObjectEvent) -> None:
        """Take note of what became of an object, and pass it on."""
        outcome = event.outcome
        if outcome == "failed" and event.reason == "gone":
            self._counts["gone"] += 1
            outcome = "gone"
        self._outcomes[event.key] = outcome
        if outcome == "failed":
            self._say("failed", f"{event.key} could not be fetched: {event.reason.replace('_', ' ')}")
        if self._told is not None:
            self._told(event)

    def _conclude(
        self,
        readings: Sequence[Reading],
        source: MessageQueue,
        leases: Leases,
        *,
        interrupted: bool,
    ) -> None:
        """Delete what is settled, leave what is not. Everything landed is durable by now."""
        done: list[QueueMessage] = []
        unreached: list[QueueMessage] = []
        left: Counter[str] = Counter()
        for reading in readings:
            outcomes = [self._outcomes.get(each.key) for each in reading.announced]
            obstacle = self._obstacle(reading)
            if None in outcomes:
                if not interrupted:
                    raise AssertionError("an announced object was not accounted for")
                unreached.append(reading.message)
            elif "failed" in outcomes:
                left["failed"] += 1
            elif obstacle:
                left[obstacle] += 1
            else:
                done.append(reading.message)
        leases.let_go([reading.message for reading in readings])
        source.delete([message.receipt for message in done])
        leases.forget(reading.message for reading in readings)
        self._counts["deleted"] += len(done)
        self._counts["released"] += len(unreached)
        self._left.update(left)
        if done:
            self._settled_at = time.monotonic()
        self._release(source, leases, unreached)

    def _message_counts(self) -> MessageCounts:
        counts = self._counts
        return MessageCounts(
            received=counts["received"],
            deleted=counts["deleted"],
            left=self._left.total(),
            released=counts["released"],
            lost=counts["lost"],
            redelivered=counts["redelivered"],
            left_by_reason=tuple(sorted(self._left.items())),
            other_events=tuple(sorted(self._others.items())),
            gone=counts["gone"],
            beside=counts["beside"],
        )


def _head(session: SyncSession, key: str) -> ObjectRef | AccessDenied | None:
    try:
        return session.store.head(key)
    except AccessDenied as error:
        # Of this one object, perhaps: the others shall not wait for it.
        return error
