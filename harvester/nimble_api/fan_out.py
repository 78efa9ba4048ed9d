"""Ask for many things at once: a few threads within the client's one rate limit; answers as they come."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from harvester.errors import HarvesterError, Interrupted

_Answer = TypeVar("_Answer")
THREADS = 8
"""Requests under way at once: enough to reach the rate limit at the usual latency of a tenth of a second."""
_LOOK_SECONDS = 0.2


def never() -> int | None:
    """Say that no signal was received."""
    return None


def ask_each(
    ask: Callable[[str], _Answer], names: Iterable[str], *, stop: Callable[[], int | None] = never
) -> Iterator[tuple[str, _Answer | HarvesterError]]:
    """Yield every name with what ``ask`` returns for it, or the HarvesterError it raises, in the order of the answers.

    Few answers wait to be taken, however large they are. ``stop`` is asked often: a signal number raises Interrupted
    at once, whatever is still under way.
    """
    names = tuple(names)
    pending = deque(names)
    answers: queue.SimpleQueue[tuple[str, _Answer | BaseException]] = queue.SimpleQueue()
    room = threading.Semaphore(2 * THREADS)
    closing = threading.Event()

    def work() -> None:
        while True:
            room.acquire()
            try:
                name = pending.popleft()
            except IndexError:
                return
            if closing.is_set():
                return
            try:
                answers.put((name, ask(name)))
            except BaseException as error:  # noqa: BLE001  # raised again by whoever takes the answers
                answers.put((name, error))

    threads = min(THREADS, len(names))
    for _ in range(threads):
        # As daemons: a request that hangs does not keep an interrupted process.
        threading.Thread(target=work, name="nimble-request", daemon=True).start()
    try:
        for _ in names:
            name, answer = _next(answers, stop)
            if isinstance(answer, BaseException) and not isinstance(answer, HarvesterError):
                raise answer
            yield name, answer
            room.release()
    finally:
        closing.set()
        room.release(threads or 1)


def ask_one(ask: Callable[[str], _Answer], name: str, *, stop: Callable[[], int | None] = never) -> _Answer:
    """Return what ``ask`` returns for ``name``, or raise what it raises; Interrupted as ``ask_each``."""
    ((_, answer),) = ask_each(ask, (name,), stop=stop)
    if isinstance(answer, HarvesterError):
        raise answer
    return answer


def ask_all(
    ask: Callable[[str], _Answer], names: Iterable[str], *, stop: Callable[[], int | None] = never
) -> dict[str, _Answer]:
    """Return what ``ask`` returns, by name in the order given; raise the first error."""
    asked = tuple(dict.fromkeys(names))
    found: dict[str, _Answer] = {}
    for name, answer in ask_each(ask, asked, stop=stop):
        if isinstance(answer, HarvesterError):
            raise answer
        found[name] = answer
    return {name: found[name] for name in asked}


def _next(
    answers: queue.SimpleQueue[tuple[str, _Answer | BaseException]], stop: Callable[[], int | None]
) -> tuple[str, _Answer | BaseException]:
    while True:
        received = stop()
        if received is not None:
            raise Interrupted(received)
        try:
            return answers.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            continue
