"""Watch a location through the queue that receives its bucket's events.

A message is deleted only after what it announces is settled, on disk and in the manifest. A received message is
recorded with its receipt before it is processed: after a kill the worker resumes its own messages, so that what it
has landed is not landed again by another worker.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harvester.destination import state_directory
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, Interrupted, UsageError
from harvester.events.announcement_lander import AnnouncementLander
from harvester.events.event_state import EventState
from harvester.events.message import ParsedMessage, parse_message
from harvester.events.peer_destinations import PeerDestinations
from harvester.events.queue_threads import EmptyReceive, Receiver, VisibilityTimeout
from harvester.events.watch_report import LandingCounters, MessageCounts, WatchReport
from harvester.location import Location
from harvester.queues import MessageQueue, QueueMessage, is_subscription, open_queue
from harvester.retry import Backoff, RateLimitedLog, interruptible_sleep, is_retryable
from harvester.sessions import StoreSettings
from harvester.transfer import ObjectEvent, Observer, SyncOptions, SyncSession, open_session

_BATCH = 400
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html, and Object Lambda, Outposts, MRAP.
_ALIAS_SUFFIXES = ("-s3alias", "--ol-s3", "--op-s3", ".mrap")
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 300.0
_POLL_SECONDS = 0.2
_SHORTEST_LEASE = 10.0
_LONGEST_LEASE = 12 * 3600.0
# Each receive is a billed request, and a stop may take as long. SQS queries all its servers from one second on.
_LONG_WAIT = 5.0
_SHORT_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class QueueWatchOptions:
    """How a queue is watched. Raises UsageError for an invalid lease."""

    address: str
    """The queue: an SQS URL or ARN, or ``projects/PROJECT/subscriptions/NAME`` of Pub/Sub."""
    lease: float = 120.0
    """Visibility timeout in seconds, 10 to 43,200; extended while a message is processed."""
    foreign: Literal["leave", "delete"] = "leave"
    """Whether a message about another bucket or prefix is left for other consumers or deleted."""
    beside: tuple[Path, ...] = ()
    """Destinations of other workers on the same queue: a version that has landed there is not landed here.

    A queue may deliver a message again after it was deleted, and to any worker.
    """
    once: bool = False
    """End when the queue is empty."""
    idle_exit: float | None = None
    """End after this many seconds without a settled message; None for never."""
    event_bucket: str = ""
    """The bucket's own name as events carry it, if the location names an access-point alias."""

    def __post_init__(self) -> None:
        """Validate the lease."""
        if not _SHORTEST_LEASE <= self.lease <= _LONGEST_LEASE:
            raise UsageError(
                f"invalid lease: {self.lease:g} s",
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
    """Land what the messages of a queue announce, until stopped.

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
    if location.bucket.endswith(_ALIAS_SUFFIXES) and not watching.event_bucket:
        raise UsageError(
            f"{location.bucket} is the alias of an access point, and events carry the bucket's own name",
            cause="no message of the queue would be about this location",
            code=ErrorCode.EVENTS_OF_AN_ALIAS,
            subject=location.url,
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
        self._forward = observer.event
        self._observer = replace(observer, event=self._note)
        self._log = RateLimitedLog(observer.warning)
        self._landing = LandingCounters()
        self._counts: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._peers = PeerDestinations(watching.beside, location)
        self._lander = AnnouncementLander(self._peers, self._log)
        self._has_worked = False
        self._settled_at = self._concluded_at = time.monotonic()
        self._backoff = Backoff(_FIRST_DELAY, _LONGEST_DELAY)

    def run(self) -> WatchReport:
        error: HarvesterError | None = None
        try:
            with self._peers:
                self._run()
        except HarvesterError as ended:
            error = ended
        landing = self._landing.report(
            self._location.url,
            str(self._destination),
            error,
            other_problems=bool(self._left["unreadable"] or self._left["failed"] or self._counts["gone"]),
        )
        return WatchReport(landing, self._address, self._message_counts())

    def _run(self) -> None:
        while True:
            try:
                # First: an invalid queue must not create a destination or record a run.
                source = open_queue(self._address, self._settings)
                self._warn_without_dead_letters(source)
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
                        self._landing.keep_problems(session.has_problem)
                        self._landing.add(session.report())
                return
            except HarvesterError as error:
                if self._watching.once or not is_retryable(error, has_worked=self._has_worked):
                    raise
                delay = self._backoff.delay()
                message = error.one_line()
                self._observer.warning(f"{message}; retrying in {delay:.0f} s")
                self._landing.failed_runs += 1
                interruptible_sleep(delay, self._observer.stop_signal)

    def _work(self, session: SyncSession, source: MessageQueue) -> None:
        """Process messages until stopped or finished."""
        folder = state_directory(self._destination, self._options.state_dir)
        with EventState(folder, durable=False) as state:
            visibility = VisibilityTimeout(source, self._watching.lease, state)
            try:
                self._resume(session, source, visibility)
                wait = _SHORT_WAIT if self._watching.once else _LONG_WAIT
                receiver = Receiver(source, visibility, self._watching.lease, 2 * _BATCH, wait=wait)
                try:
                    self._process(session, source, visibility, receiver)
                finally:
                    self._release(source, visibility, receiver.stop())
            finally:
                visibility.stop()

    def _warn_without_dead_letters(self, source: MessageQueue) -> None:
        if source.settings().dead_letters is False:
            self._log(
                "no dead-letter queue",
                f"{self._address} has no dead-letter queue: a message that can never be settled returns until it"
                " expires",
            )

    def _resume(self, session: SyncSession, source: MessageQueue, visibility: VisibilityTimeout) -> None:
        """Settle the messages in flight when the last process ended, if their receipts are still valid."""
        mine = visibility.resume()
        self._counts["received"] += len(mine)
        self._counts["redelivered"] += sum(message.deliveries > 1 for message in mine)
        for start in range(0, len(mine), _BATCH):
            self._settle_batch(mine[start : start + _BATCH], session, source, visibility)

    def _process(
        self, session: SyncSession, source: MessageQueue, visibility: VisibilityTimeout, receiver: Receiver
    ) -> None:
        while True:
            interruptible_sleep(0, self._observer.stop_signal)
            messages: list[QueueMessage] = []
            empty = False
            taken = receiver.take(_POLL_SECONDS)
            while taken is not None:
                if isinstance(taken, HarvesterError):
                    self._release(source, visibility, messages)
                    raise taken
                if isinstance(taken, EmptyReceive):
                    # A FIFO queue returns nothing of a group while another of its messages is in flight.
                    empty = not messages and taken.started_at >= self._concluded_at
                else:
                    messages.extend(taken)
                    empty = False
                taken = receiver.take(0) if len(messages) < _BATCH else None
            if messages:
                self._counts["received"] += len(messages)
                self._counts["redelivered"] += sum(message.deliveries > 1 for message in messages)
                self._settle_batch(messages, session, source, visibility)
            if empty:
                self._note_success()
                idle = time.monotonic() - self._settled_at
                if self._watching.once:
                    return
                if self._watching.idle_exit is not None and idle >= self._watching.idle_exit:
                    return

    def _release(self, source: MessageQueue, visibility: VisibilityTimeout, messages: Sequence[QueueMessage]) -> None:
        """Return unprocessed messages to the queue."""
        if not messages:
            return
        visibility.release(messages)
        visibility.forget(messages)
        try:
            source.extend([message.receipt for message in messages], 0)
        except HarvesterError as error:
            self._log("not released", f"{len(messages)} messages become visible only after their timeout: {error.what}")

    # One batch

    def _settle_batch(
        self,
        messages: Sequence[QueueMessage],
        session: SyncSession,
        source: MessageQueue,
        visibility: VisibilityTimeout,
    ) -> None:
        settled = False
        try:
            parsed_messages = [
                parse_message(message, self._location, bucket=self._watching.event_bucket) for message in messages
            ]
            for parsed in parsed_messages:
                self._note_message(parsed)
            announced = [each for parsed in parsed_messages for each in parsed.announced]
            try:
                self._lander.land(announced, session)
            except Interrupted:
                session.stop()
                self._conclude(parsed_messages, source, visibility, interrupted=True)
                settled = True
                raise
            self._conclude(parsed_messages, source, visibility, interrupted=False)
            settled = True
        finally:
            if not settled:
                self._counts["lost"] += len(messages)
                visibility.release(messages)
        self._note_success()

    def _note_success(self) -> None:
        self._has_worked = True
        self._backoff.reset()

    def _note_message(self, parsed: ParsedMessage) -> None:
        name = f"the message {parsed.message.id}"
        self._others.update(parsed.others)
        if parsed.unreadable:
            self._log("unreadable", f"{name} of {self._address} is left: {parsed.unreadable}")
        if parsed.foreign is not None:
            self._log(
                "outside the location",
                f"{name} is {'left' if self._obstacle(parsed) else 'deleted'}: it announces"
                f" {self._location.scheme}://{parsed.foreign.bucket}/{parsed.foreign.key}, which is"
                f" not in {self._location.url}",
            )

    def _obstacle(self, parsed: ParsedMessage) -> str:
        """Return why a message is left regardless of the outcome of its objects; empty if it is not."""
        if parsed.unreadable:
            return "unreadable"
        return "foreign" if parsed.foreign is not None and self._watching.foreign == "leave" else ""

    def _note(self, event: ObjectEvent) -> None:
        """Record the outcome of an object and forward the event."""
        self._lander.record(event)
        if self._forward is not None:
            self._forward(event)

    def _conclude(
        self,
        parsed_messages: Sequence[ParsedMessage],
        source: MessageQueue,
        visibility: VisibilityTimeout,
        *,
        interrupted: bool,
    ) -> None:
        """Delete settled messages and leave the others. Everything landed is durable by now."""
        done: list[QueueMessage] = []
        unreached: list[QueueMessage] = []
        left: Counter[str] = Counter()
        gone: set[str] = set()
        for parsed in parsed_messages:
            outcomes = [self._lander.outcome(each) for each in parsed.announced]
            gone |= {each.key for each, outcome in zip(parsed.announced, outcomes, strict=True) if outcome == "gone"}
            obstacle = self._obstacle(parsed)
            if None in outcomes:
                if not interrupted:
                    raise AssertionError("an announced object was not accounted for")
                unreached.append(parsed.message)
            elif "failed" in outcomes:
                left["failed"] += 1
            elif obstacle:
                left[obstacle] += 1
            else:
                done.append(parsed.message)
        visibility.release([parsed.message for parsed in parsed_messages])
        source.delete([message.receipt for message in done])
        visibility.forget(parsed.message for parsed in parsed_messages)
        self._counts["deleted"] += len(done)
        self._counts["released"] += len(unreached)
        self._left.update(left)
        self._counts["gone"] += len(gone)
        for key in sorted(gone):
            self._log("gone", f"{key} was announced, and is gone from {self._location.url}")
        now = time.monotonic()
        self._concluded_at = now
        if done:
            self._settled_at = now
        self._release(source, visibility, unreached)

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
            beside=self._lander.beside,
        )
