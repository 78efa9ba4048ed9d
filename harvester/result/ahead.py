"""Blocks made in a thread of their own, a few ahead of whoever takes them.

Inflating, hashing and writing leave the interpreter to other threads, parsing does not: so the two halves of reading a
large file run side by side.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Final, Self

_BLOCKS: Final = 4
_POLL_SECONDS: Final = 0.1


class Ahead:
    """An iterator over ``blocks``, which it uses in another thread until it is closed."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        """Begin at once."""
        self._blocks = blocks
        self._made: queue.Queue[bytes | BaseException] = queue.Queue(_BLOCKS)
        self._stopping = threading.Event()
        self._end: BaseException | None = None
        self._thread = threading.Thread(target=self._make, name="ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> bytes:
        """Return the next block. Raises what the source of the blocks raises."""
        if self._end is None:
            made = self._made.get()
            if isinstance(made, bytes):
                return made
            self._end = made
        raise self._end

    def close(self) -> None:
        """Return when the thread has ended and touches nothing any more."""
        self._stopping.set()
        self._thread.join()
        self._end = self._end or StopIteration()

    def _make(self) -> None:
        try:
            for block in self._blocks:
                if not self._put(block):
                    return
        except BaseException as error:  # noqa: BLE001  # carried to the thread that takes the blocks
            self._put(error)
        else:
            self._put(StopIteration())

    def _put(self, made: bytes | BaseException) -> bool:
        """Wait for room; False when nobody wants any more."""
        while not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._made.put(made, timeout=_POLL_SECONDS)
                return True
        return False
