"""The content of one delivered file as a forward stream that hashes and writes what is read."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Generator, Iterator
from typing import BinaryIO

from xxhash import xxh3_128

from harvester.results.background_blocks import BlockWriter, read_ahead
from harvester.results.gzip_reader import CHUNK_BYTES, inflate_blocks, read_blocks
from harvester.results.record import ContentReason, ContentRefused


class ContentStream(io.RawIOBase):
    """A readable file over content; reading raises ContentRefused for damaged or oversized gzip."""

    def __init__(
        self, source: BinaryIO, sink: BinaryIO | None, *, compressed: bool, max_content_bytes: int, max_ratio: int
    ) -> None:
        """Read ``source``; inflated content is also written to ``sink``, if given."""
        self._sink = sink if compressed else None
        self._writer = None if self._sink is None else BlockWriter(self._sink)
        self.size = 0
        """Content bytes read so far."""
        self._source = source
        self._digest = xxh3_128()
        blocks = read_blocks(source)
        self._blocks: Generator[bytes] = (
            read_ahead(inflate_blocks(blocks, max_content_bytes, max_ratio))
            if compressed
            else _bounded(blocks, max_content_bytes)
        )
        self._pending: deque[bytes] = deque()
        """Blocks pulled and not yet read to their end."""
        self._place = 0
        """How much of the first of them was read."""

    def readable(self) -> bool:
        """Return True."""
        return True

    def peek(self, size: int) -> bytes:
        """Return at least the next ``size`` bytes, fewer only at the end, without consuming them."""
        length = sum(map(len, self._pending)) - self._place
        while length < size and (block := self._pull()):
            self._pending.append(block)
            length += len(block)
        return b"".join(self._pending)[self._place :]

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes, those of one block; empty only at the end."""
        if size < 0:
            raise io.UnsupportedOperation("content is never read whole")
        if not self._pending:
            self._pending.append(self._pull())
        block = self._pending[0]
        part = block[self._place : self._place + size]
        self._place += len(part)
        if self._place == len(block):
            self._pending.popleft()
            self._place = 0
        return part

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Read into a buffer."""
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def drain(self) -> None:
        """Read to the end; what was inflated is written then. Raises ContentRefused, and OSError of the sink."""
        self._pending.clear()
        self._place = 0
        while self._pull():
            pass
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Leave source and sink to the caller; what was read and not drained may be missing in the sink."""
        self._blocks.close()
        if self._writer is not None:
            self._writer.close()
        super().close()

    def rest(self) -> Iterator[bytes]:
        """Yield what has not been read yet. Raises ContentRefused."""
        return iter(lambda: self.read(CHUNK_BYTES), b"")

    def whole(self) -> BinaryIO:
        """Read to the end and return the content as a file at its start. Raises ContentRefused."""
        self.drain()
        whole = self._source if self._sink is None else self._sink
        whole.seek(0)
        return whole

    def digest(self) -> str:
        """Return the xxh3_128 of the bytes read so far, in hexadecimal."""
        return self._digest.hexdigest()

    def _pull(self) -> bytes:
        block = next(self._blocks, b"")
        self.size += len(block)
        self._digest.update(block)
        if self._writer is not None:
            self._writer.write(block)
        return block


def _bounded(blocks: Iterator[bytes], max_content_bytes: int) -> Generator[bytes]:
    size = 0
    for block in blocks:
        size += len(block)
        if size > max_content_bytes:
            raise ContentRefused(ContentReason.TOO_LARGE, f"more than {max_content_bytes} bytes")
        yield block
