"""Background threads of a queue watch: receive messages ahead, and extend their visibility timeout."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harvester.errors import HarvesterError
from harvester.events.event_state import EventState
from harvester.queues import MessageQueue, QueueMessage

_RECEIVE = 40


@dataclass(frozen=True, slots=True)
class EmptyReceive:
    """A receive that returned no message."""

    started_at: float
    """When the receive was sent, on the monotonic clock."""


Received = list[QueueMessage] | EmptyReceive | HarvesterError


class VisibilityTimeout:
    """Extends the visibility timeout of received messages and records them for the next process."""

    def __init__(self, source: MessageQueue, seconds: float, state: EventState) -> None:
        """Start the thread; ``state`` belongs to it from now on."""
        self._source = source
        self._seconds = seconds
        self._state = state
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._extend_due, name="visibility", daemon=True)
        self._thread.start()

    def resume(self) -> list[QueueMessage]:
        """Return the messages in flight when the last process ended, if their receipts are still valid."""
        with self._lock:
            held = self._state.messages_in_flight()
        lost = set(self._source.extend([message.receipt for message in held], self._seconds)) if held else set()
        mine = [message for message in held if message.receipt not in lost]
        with self._lock:
            self._state.clear_messages()
        self.track(mine)
        return mine

    def track(self, messages: Sequence[QueueMessage]) -> None:
        """Extend messages from now on that were just received or extended."""
        if not messages:
            return
        due = time.monotonic() + self._seconds / 2
        with self._lock:
            self._state.record_messages(messages, time.time() + self._seconds)
            self._due.update((message.receipt, due) for message in messages)

    def release(self, messages: Iterable[QueueMessage]) -> None:
        """Stop extending messages; they stay recorded until ``forget``."""
        with self._lock:
            for message in messages:
                self._due.pop(message.receipt, None)

    def forget(self, messages: Iterable[QueueMessage]) -> None:
        """Remove the record of messages that are deleted, returned or left."""
        with self._lock:
            self._state.remove_messages(messages)

    def _extend_due(self) -> None:
        while not self._stopped.wait(min(1.0, self._seconds / 6)):
            now = time.monotonic()
            with self._lock:
                due = [receipt for receipt, at in self._due.items() if at <= now]
            if not due:
                continue
            try:
                lost = set(self._source.extend(due, self._seconds))
            except HarvesterError:
                # Half the timeout is left to retry in; deleting the messages meets the same error.
                continue
            with self._lock:
                kept = [receipt for receipt in due if receipt in self._due and receipt not in lost]
                for receipt in lost:
                    self._due.pop(receipt, None)
                self._due.update(dict.fromkeys(kept, now + self._seconds / 2))
                with contextlib.suppress(HarvesterError):
                    # A full disk: landing meets the same error and reports it.
                    self._state.extend_messages(kept, time.time() + self._seconds)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()


class Receiver:
    """Receives messages, a few hundred ahead of their processing."""

    def __init__(
        self, source: MessageQueue, visibility: VisibilityTimeout, lease: float, ahead: int, *, wait: float
    ) -> None:
        """Start the thread; one receive waits up to ``wait`` seconds, which bounds the time to stop."""
        self._source = source
        self._visibility = visibility
        self._lease = lease
        self._wait = wait
        self._buffer: queue.Queue[Received] = queue.Queue(max(1, ahead // _RECEIVE))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="receiver", daemon=True)
        self._thread.start()

    def take(self, timeout: float) -> Received | None:
        """Return what was received next, None after ``timeout`` seconds without anything."""
        try:
            return self._buffer.get(timeout=timeout) if timeout > 0 else self._buffer.get_nowait()
        except queue.Empty:
            return None

    def _receive(self) -> None:
        while not self._stopped.is_set():
            started_at = time.monotonic()
            try:
                messages = self._source.receive(_RECEIVE, wait=self._wait, lease=self._lease)
            except HarvesterError as error:
                self._put(error)
                return
            try:
                self._visibility.track(messages)
            except HarvesterError as error:
                self._put(error)
                return
            self._put(messages or EmptyReceive(started_at))

    def _put(self, taken: Received) -> None:
        while True:
            try:
                return self._buffer.put(taken, timeout=0.5)
            except queue.Full:
                if self._stopped.is_set() and not isinstance(taken, list):
                    return None

    def stop(self) -> list[QueueMessage]:
        """End the thread and return the messages received but not taken."""
        self._stopped.set()
        rest: list[QueueMessage] = []
        while self._thread.is_alive() or not self._buffer.empty():
            taken = self.take(0.2)
            if isinstance(taken, list):
                rest.extend(taken)
        return rest
