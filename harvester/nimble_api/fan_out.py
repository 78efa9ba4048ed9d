"""Call a function for many ids at once, in a few threads that share the client's rate limit."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from harvester.errors import HarvesterError, Interrupted

_Value = TypeVar("_Value")
THREADS = 8
"""Requests in flight: enough to reach the rate limit at the usual latency of a tenth of a second."""
_POLL_SECONDS = 0.2


def no_signal() -> int | None:
    """Return None: no signal was received."""
    return None


def map_concurrently(
    function: Callable[[str], _Value], ids: Iterable[str], *, stop: Callable[[], int | None] = no_signal
) -> Iterator[tuple[str, _Value | HarvesterError]]:
    """Yield each id with the result of ``function``, or the HarvesterError it raised.

    Results come in the order in which they complete, and at most twice THREADS of them are kept in memory. ``stop`` is
    polled; a signal number raises Interrupted at once, whatever is still in flight.
    """
    ids = tuple(ids)
    pending = deque(ids)
    results: queue.SimpleQueue[tuple[str, _Value | BaseException]] = queue.SimpleQueue()
    slots = threading.Semaphore(2 * THREADS)
    closing = threading.Event()

    def work() -> None:
        while True:
            slots.acquire()
            try:
                name = pending.popleft()
            except IndexError:
                return
            if closing.is_set():
                return
            try:
                results.put((name, function(name)))
            except BaseException as error:  # noqa: BLE001  # raised again in the consuming thread
                results.put((name, error))

    threads = min(THREADS, len(ids))
    for _ in range(threads):
        # Daemon threads: a request that hangs does not keep an interrupted process alive.
        threading.Thread(target=work, name="nimble-request", daemon=True).start()
    try:
        for _ in ids:
            name, result = _next(results, stop)
            if isinstance(result, BaseException) and not isinstance(result, HarvesterError):
                raise result
            yield name, result
            slots.release()
    finally:
        closing.set()
        slots.release(threads or 1)


def collect_concurrently(
    function: Callable[[str], _Value], ids: Iterable[str], *, stop: Callable[[], int | None] = no_signal
) -> dict[str, _Value]:
    """Return the results of ``function`` by id, in the order given; raise the first error."""
    unique = tuple(dict.fromkeys(ids))
    found: dict[str, _Value] = {}
    for name, result in map_concurrently(function, unique, stop=stop):
        if isinstance(result, HarvesterError):
            raise result
        found[name] = result
    return {name: found[name] for name in unique}


def _next(
    results: queue.SimpleQueue[tuple[str, _Value | BaseException]], stop: Callable[[], int | None]
) -> tuple[str, _Value | BaseException]:
    while True:
        received = stop()
        if received is not None:
            raise Interrupted(received)
        try:
            return results.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
