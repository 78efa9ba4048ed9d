"""Blocks of a large file, inflated and written by threads beside the one that parses them.

Inflating and writing release the interpreter lock; parsing holds it. A small file starts no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from queue import SimpleQueue
    from threading import Thread

_BLOCKS_AHEAD: Final = 2
"""Blocks that may wait on each side; also how many are worked off before a thread is started."""


def read_ahead(blocks: Iterator[bytes]) -> Generator[bytes]:
    """Yield blocks, all but the first ones taken from ``blocks`` by a thread; raise what it raises."""
    for _ in range(_BLOCKS_AHEAD):
        block = next(blocks, b"")
        if not block:
            return
        yield block
    # Loaded for large files only: most workers read none.
    from queue import SimpleQueue

    wanted: SimpleQueue[int] = SimpleQueue()
    coming: SimpleQueue[bytes | BaseException] = SimpleQueue()

    def read() -> None:
        block = b"-"
        while block and wanted.get():
            try:
                block = next(blocks, b"")
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that asks for the block
                coming.put(error)
                return
            coming.put(block)

    thread = _started(read, "inflate")
    try:
        for _ in range(_BLOCKS_AHEAD):
            wanted.put(1)
        while found := coming.get():
            if isinstance(found, BaseException):
                raise found
            wanted.put(1)
            yield found
    finally:
        wanted.put(0)
        thread.join()


class BlockWriter:
    """Writes blocks to a file in order, all but the first ones in a thread."""

    def __init__(self, sink: BinaryIO) -> None:
        """Write to ``sink``, which nothing else uses before `close`."""
        self._sink = sink
        self._unthreaded = _BLOCKS_AHEAD
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


def _started(work: Callable[[], None], name: str) -> Thread:
    from threading import Thread

    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
