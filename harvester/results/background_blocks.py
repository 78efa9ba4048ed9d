"""Threads that read ahead, and write, beside the one that works on what was read.

Inflating, writing and waiting for a store release the interpreter lock; parsing holds it. Short inputs start no
thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from math import inf
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

if TYPE_CHECKING:
    from queue import SimpleQueue
    from threading import Thread

T = TypeVar("T")

_BLOCKS_AHEAD: Final = 2
"""Blocks that may wait on each side; also how many are worked off before a thread is started."""


def read_ahead(items: Iterator[T], longest_wait: float | None = None) -> Generator[T]:
    """Yield items, all but the first ones taken from ``items`` by a thread, if one is to be had; raise what it raises.

    Where the reader leaves early, it waits ``longest_wait`` seconds at most for the item in progress.
    """
    for _ in range(_BLOCKS_AHEAD):
        for item in items:
            yield item
            break
        else:
            return
    # Loaded for large files only: most workers read none.
    from queue import SimpleQueue

    wanted: SimpleQueue[int] = SimpleQueue()
    coming: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()

    def read() -> None:
        try:
            while wanted.get():
                for item in items:
                    coming.put((item,))
                    break
                else:
                    coming.put(None)
                    return
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that asks for the item
            coming.put(error)

    thread = _started(read, "ahead")
    if thread is None:
        yield from items
        return
    try:
        for _ in range(_BLOCKS_AHEAD):
            wanted.put(1)
        while found := coming.get():
            if isinstance(found, BaseException):
                raise found
            wanted.put(1)
            yield found[0]
    finally:
        wanted.put(0)
        thread.join(longest_wait)


class BlockWriter:
    """Writes blocks to a file in order, all but the first ones in a thread, if one is to be had."""

    def __init__(self, sink: BinaryIO) -> None:
        """Write to ``sink``, which nothing else uses before `close`."""
        self._sink = sink
        self._unthreaded: float = _BLOCKS_AHEAD
        """How many more blocks are written without a thread."""
        self._thread: Thread | None = None
        self._blocks: SimpleQueue[bytes]
        self._written: SimpleQueue[OSError | None]
        self._outstanding = 0

    def write(self, block: bytes) -> None:
        """Write a block, now or soon. Raises OSError of this block or an earlier one."""
        if not block:
            return
        if self._unthreaded:
            self._unthreaded -= 1
            self._sink.write(block)
            return
        if self._thread is None:
            from queue import SimpleQueue

            self._blocks, self._written = SimpleQueue(), SimpleQueue()
            self._thread = _started(self._work, "write")
            if self._thread is None:
                self._unthreaded = inf
                self._sink.write(block)
                return
        if self._outstanding == _BLOCKS_AHEAD:
            self._await()
        self._blocks.put(block)
        self._outstanding += 1

    def flush(self) -> None:
        """Wait until everything is written. Raises OSError."""
        while self._outstanding:
            self._await()
        self._sink.flush()

    def close(self) -> None:
        """End the thread; blocks that were not flushed may be missing."""
        if self._thread is not None:
            self._blocks.put(b"")
            self._thread.join()
            self._thread = None

    def _await(self) -> None:
        self._outstanding -= 1
        error = self._written.get()
        if error is not None:
            raise error

    def _work(self) -> None:
        failure: OSError | None = None
        while block := self._blocks.get():
            # Nothing is written behind a gap.
            if failure is None:
                try:
                    self._sink.write(block)
                except OSError as error:
                    failure = error
            self._written.put(failure)


def _started(work: Callable[[], None], name: str) -> Thread | None:
    """Start a daemon thread; None where the system gives no further one."""
    from threading import Thread

    thread = Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return None
    return thread
