"""Settle the messages of a queue in an open session.

A message is deleted only after what it announces is settled, on disk and in the manifest. A received message is
recorded with its receipt before it is processed: after a kill the worker resumes its own messages, so that what it
has landed is not landed again by another worker.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harvester.errors import HarvesterError, Interrupted
from harvester.events.event_state import EventState
from harvester.events.queue.announcement_lander import AnnouncementLander
from harvester.events.queue.message import ParsedMessage, parse_message
from harvester.events.queue.peer_destinations import PeerDestinations
from harvester.events.queue.queue_options import QueueWatchOptions
from harvester.events.queue.queue_threads import EmptyReceive, Receiver, VisibilityTimeout
from harvester.events.queue.row_commits import HeldBatches, RowCommits, SettledBatch
from harvester.events.watch_report import MessageCounts
from harvester.location import Location
from harvester.queues import MessageQueue, QueueMessage
from harvester.retry import RateLimitedLog
from harvester.transfer import ObjectEvent, SyncSession

_BATCH = 400
# Each receive is a billed request, and a stop may take as long. SQS queries all its servers from one second on.
_LONG_WAIT = 5.0
_SHORT_WAIT = 1.0
# Event names come from messages: no message may add names without end.
_MOST_NAMES = 100


class QueueWorker:
    """Settles messages of one queue, in any number of sessions one after the other. Not thread-safe."""

    def __init__(
        self,
        location: Location,
        watching: QueueWatchOptions,
        peers: PeerDestinations,
        log: RateLimitedLog,
        succeeded: Callable[[], None],
        commits: RowCommits | None = None,
    ) -> None:
        """``succeeded`` is called whenever the queue and the store have answered.

        With ``commits`` messages are deleted only after the rows that they announced are committed.
        """
        self._held = HeldBatches(commits, watching.lease)
        self._location = location
        self._address = watching.address
        self._watching = watching
        self._log = log
        self._succeeded = succeeded
        self._lander = AnnouncementLander(peers, log)
        self._counts: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._receiver: Receiver | None = None
        self.settled_at = self._concluded_at = time.monotonic()
        """When the last message was settled, on the monotonic clock."""

    @contextlib.contextmanager
    def running(self, session: SyncSession, source: MessageQueue, folder: Path) -> Iterator[None]:
        """Receive messages within the context, after those in flight when the last process ended are settled.

        ``folder`` holds the state of events.
        """
        with EventState(folder, durable=False) as state:
            self._source, self._session = source, session
            self._visibility = VisibilityTimeout(source, self._watching.lease, state)
            try:
                self._resume()
                wait = _SHORT_WAIT if self._watching.once else _LONG_WAIT
                self._receiver = Receiver(source, self._visibility, self._watching.lease, 2 * _BATCH, wait=wait)
                try:
                    yield
                finally:
                    receiver, self._receiver = self._receiver, None
                    self._release(receiver.stop())
                    self._conclude_held()
            finally:
                self._counts["lost"] += sum(len(batch.all) for batch in self._held.drop())
                self._visibility.stop()

    def step(self, timeout: float) -> bool:
        """Settle what was received, waiting ``timeout`` seconds for it; return whether the queue is empty."""
        assert self._receiver is not None  # noqa: S101  # called within running()
        if self._held.is_due():
            self._conclude_held()
        messages: list[QueueMessage] = []
        empty = False
        taken = self._receiver.take(timeout)
        while taken is not None:
            if isinstance(taken, HarvesterError):
                self._release(messages)
                raise taken
            if isinstance(taken, EmptyReceive):
                # A FIFO queue returns nothing of a group while another of its messages is in flight.
                empty = not messages and taken.started_at >= self._concluded_at
            else:
                messages.extend(taken)
                empty = False
            taken = self._receiver.take(0) if len(messages) < _BATCH else None
        if messages:
            self._settle(messages)
        if empty and self._held and (self._watching.once or self._address.endswith(".fifo")):
            # A group of a FIFO queue goes on only after its messages are deleted.
            self._conclude_held()
            empty = False
        if empty:
            self._succeeded()
        return empty

    def record(self, event: ObjectEvent) -> None:
        """Record the outcome of an object of the session."""
        self._lander.record(event)

    @property
    def has_problems(self) -> bool:
        """Whether a message was left as unreadable or failed, or announced an object that is gone."""
        return bool(self._left["unreadable"] or self._left["failed"] or self._counts["gone"])

    def counts(self) -> MessageCounts:
        """Return the counts up to now."""
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

    def check(self, source: MessageQueue) -> None:
        """Raise for a queue that cannot be used, and warn about one without a dead-letter queue."""
        if source.settings().dead_letters is False:
            self._log(
                "no dead-letter queue",
                f"{self._address} has no dead-letter queue: a message that can never be settled returns until it"
                " expires",
            )

    def _resume(self) -> None:
        """Settle the messages in flight when the last process ended, if their receipts are still valid."""
        mine = self._visibility.resume()
        for start in range(0, len(mine), _BATCH):
            self._settle(mine[start : start + _BATCH])

    def _release(self, messages: Sequence[QueueMessage]) -> None:
        """Return unprocessed messages to the queue."""
        if not messages:
            return
        self._visibility.release(messages)
        self._visibility.forget(messages)
        try:
            self._source.extend([message.receipt for message in messages], 0)
        except HarvesterError as error:
            self._log("not released", f"{len(messages)} messages become visible only after their timeout: {error.what}")

    # One batch

    def _settle(self, messages: Sequence[QueueMessage]) -> None:
        self._counts["received"] += len(messages)
        self._counts["redelivered"] += sum(message.deliveries > 1 for message in messages)
        settled = False
        try:
            parsed_messages = [
                parse_message(message, self._location, bucket=self._watching.event_bucket) for message in messages
            ]
            for parsed in parsed_messages:
                self._note_message(parsed)
            announced = [each for parsed in parsed_messages for each in parsed.announced]
            try:
                self._lander.land(announced, self._session)
            except Interrupted:
                self._session.stop()
                self._hold(parsed_messages, interrupted=True)
                settled = True
                raise
            self._hold(parsed_messages, interrupted=False)
            settled = True
        finally:
            if not settled:
                self._counts["lost"] += len(messages)
                self._visibility.release(messages)
        self._succeeded()

    def _note_message(self, parsed: ParsedMessage) -> None:
        name = f"the message {parsed.message.id}"
        for other in parsed.others:
            known = other in self._others or len(self._others) < _MOST_NAMES
            self._others[other if known else "other"] += 1
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

    def _hold(self, parsed_messages: Sequence[ParsedMessage], *, interrupted: bool) -> None:
        """Decide which messages are deleted and which are left. Everything landed is durable by now."""
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
        messages = [parsed.message for parsed in parsed_messages]
        announced = sum(each.size or 0 for parsed in parsed_messages for each in parsed.announced)
        self._held.add(SettledBatch(messages, done, unreached, left, gone, announced))
        if self._held.is_due():
            self._conclude_held()

    def _conclude_held(self) -> None:
        """Commit the rows that are held, delete settled messages, and leave the others."""
        for batch in self._held.commit():
            self._conclude(batch)

    def _conclude(self, batch: SettledBatch) -> None:
        self._visibility.release(batch.all)
        self._source.delete([message.receipt for message in batch.done])
        self._visibility.forget(batch.all)
        self._counts["deleted"] += len(batch.done)
        self._counts["released"] += len(batch.unreached)
        self._left.update(batch.left)
        self._counts["gone"] += len(batch.gone)
        for key in sorted(batch.gone):
            self._log("gone", f"{key} was announced, and is gone from {self._location.url}")
        now = time.monotonic()
        self._concluded_at = now
        if batch.done:
            self.settled_at = now
        self._release(batch.unreached)
