"""The two threads beside a queue's worker: one takes messages in ahead, one keeps them from being given to others."""

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
class NothingCame:
    """The queue had nothing to give."""

    at: float
    """When, on the monotonic clock."""


Taken = list[QueueMessage] | NothingCame | HarvesterError


class Leases:
    """Knows which messages this process holds, keeps them from others, and writes them down for the next process."""

    def __init__(self, source: MessageQueue, seconds: float, state: EventState) -> None:
        """Start the thread; ``state`` is used by nobody else from now on."""
        self._source = source
        self._seconds = seconds
        self._state = state
        self._due: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
        self._thread.start()

    def take_up_again(self) -> list[QueueMessage]:
        """Return what the last process held when it ended, as far as it still is ours."""
        with self._lock:
            held = self._state.held()
        lost = set(self._source.extend([message.receipt for message in held], self._seconds)) if held else set()
        mine = [message for message in held if message.receipt not in lost]
        with self._lock:
            self._state.forget_messages()
        self.hold(mine)
        return mine

    def hold(self, messages: Sequence[QueueMessage]) -> None:
        """Keep messages that were just received or extended."""
        if not messages:
            return
        due = time.monotonic() + self._seconds / 2
        with self._lock:
            self._state.hold(messages, time.time() + self._seconds)
            self._due.update((message.receipt, due) for message in messages)

    def let_go(self, messages: Iterable[QueueMessage]) -> None:
        """Keep messages no longer; they stay written down until they are forgotten."""
        with self._lock:
            for message in messages:
                self._due.pop(message.receipt, None)

    def forget(self, messages: Iterable[QueueMessage]) -> None:
        """Forget messages that are deleted, released or left."""
        with self._lock:
            self._state.drop(messages)

    def _keep(self) -> None:
        while not self._stopped.wait(min(1.0, self._seconds / 6)):
            now = time.monotonic()
            with self._lock:
                due = [receipt for receipt, at in self._due.items() if at <= now]
            if not due:
                continue
            try:
                lost = set(self._source.extend(due, self._seconds))
            except HarvesterError:
                # Half the lease is left to try again in; whoever works on the messages meets the same trouble.
                continue
            with self._lock:
                kept = [receipt for receipt in due if receipt in self._due and receipt not in lost]
                for receipt in lost:
                    self._due.pop(receipt, None)
                self._due.update(dict.fromkeys(kept, now + self._seconds / 2))
                with contextlib.suppress(HarvesterError):
                    # A full disk: whoever lands meets it too, and tells.
                    self._state.prolong(kept, time.time() + self._seconds)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()


class Receiver:
    """Takes messages in, a few hundred ahead of the work."""

    def __init__(self, source: MessageQueue, leases: Leases, lease: float, ahead: int, *, wait: float) -> None:
        """Start the thread; it waits up to ``wait`` seconds for a message, as long as it may take to stop."""
        self._source = source
        self._leases = leases
        self._lease = lease
        self._wait = wait
        self._buffer: queue.Queue[Taken] = queue.Queue(max(1, ahead // _RECEIVE))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._receive, name="receiver", daemon=True)
        self._thread.start()

    def take(self, timeout: float) -> Taken | None:
        """Return what came next, None when nothing did for ``timeout`` seconds."""
        try:
            return self._buffer.get(timeout=timeout) if timeout > 0 else self._buffer.get_nowait()
        except queue.Empty:
            return None

    def _receive(self) -> None:
        while not self._stopped.is_set():
            try:
                messages = self._source.receive(_RECEIVE, wait=self._wait, lease=self._lease)
            except HarvesterError as error:
                self._put(error)
                return
            try:
                self._leases.hold(messages)
            except HarvesterError as error:
                self._put(error)
                return
            self._put(messages or NothingCame(time.monotonic()))

    def _put(self, taken: Taken) -> None:
        while True:
            try:
                return self._buffer.put(taken, timeout=0.5)
            except queue.Full:
                if self._stopped.is_set() and not isinstance(taken, list):
                    return None

    def stop(self) -> list[QueueMessage]:
        """End the thread, and return what it has taken in and nobody has had."""
        self._stopped.set()
        rest: list[QueueMessage] = []
        while self._thread.is_alive() or not self._buffer.empty():
            taken = self.take(0.2)
            if isinstance(taken, list):
                rest.extend(taken)
        return rest
