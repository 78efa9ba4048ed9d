"""The content of one delivered file as a forward stream that hashes and writes what is read."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from xxhash import xxh3_128

from harvester.results.gzip_reader import CHUNK_BYTES, inflate_blocks, read_blocks
from harvester.results.record import ContentReason, ContentRefused

_BLOCKS_AHEAD = 2


class ContentStream(io.RawIOBase):
    """A readable file over content; reading raises ContentRefused for damaged or oversized gzip."""

    def __init__(
        self, source: BinaryIO, sink: BinaryIO | None, *, compressed: bool, max_content_bytes: int, max_ratio: int
    ) -> None:
        """Read ``source``; inflated content is also written to ``sink``, if given."""
        self.sink = sink if compressed else None
        """Receives inflated content."""
        self.size = 0
        """Content bytes read so far."""
        self._source = source
        self._digest = xxh3_128()
        blocks = read_blocks(source)
        self._blocks = (
            _ahead(inflate_blocks(blocks, max_content_bytes, max_ratio))
            if compressed
            else _bounded(blocks, max_content_bytes)
        )
        self._pending: deque[bytes] = deque()
        """Blocks pulled and not yet read."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def peek(self, size: int) -> bytes:
        """Return at least the next ``size`` bytes, fewer only at the end, without consuming them."""
        length = sum(map(len, self._pending))
        while length < size and (block := self._pull()):
            self._pending.append(block)
            length += len(block)
        return b"".join(self._pending)

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, those of one block; empty only at the end."""
        if size < 0:
            raise io.UnsupportedOperation("content is never read whole")
        block = self._pending.popleft() if self._pending else self._pull()
        if len(block) > size:
            self._pending.appendleft(block[size:])
        return block[:size]

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Read into a buffer."""
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def drain(self) -> None:
        """Read to the end. Raises ContentRefused."""
        self._pending.clear()
        while self._pull():
            pass

    def rest(self) -> Iterator[bytes]:
        """Yield what has not been read yet. Raises ContentRefused."""
        return iter(lambda: self.read(CHUNK_BYTES), b"")

    def whole(self) -> BinaryIO:
        """Read to the end and return the content as a file at its start. Raises ContentRefused."""
        self.drain()
        whole = self._source if self.sink is None else self.sink
        whole.flush()
        whole.seek(0)
        return whole

    def digest(self) -> str:
        """Return the xxh3_128 of the bytes read so far, in hexadecimal."""
        return self._digest.hexdigest()

    def _pull(self) -> bytes:
        block = next(self._blocks, b"")
        self.size += len(block)
        self._digest.update(block)
        if self.sink is not None:
            self.sink.write(block)
        return block


def _ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield blocks that a thread inflates ahead: inflating releases the interpreter lock."""
    # A stream that ends here needs no thread.
    for _ in range(_BLOCKS_AHEAD):
        block = next(blocks, b"")
        if not block:
            return
        yield block
    # Loaded for large files only: most workers read none.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "inflate") as thread:
        coming = deque(thread.submit(next, blocks, b"") for _ in range(_BLOCKS_AHEAD))
        while block := coming.popleft().result():
            coming.append(thread.submit(next, blocks, b""))
            yield block


def _bounded(blocks: Iterator[bytes], max_content_bytes: int) -> Iterator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > max_content_bytes:
            raise ContentRefused(ContentReason.TOO_LARGE, f"more than {max_content_bytes} bytes")
        yield block
