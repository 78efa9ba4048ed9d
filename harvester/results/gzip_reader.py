"""Bounded gzip decompression of all members; each kind of damage has its own reason.

Zero bytes after the last member are padding (tapes and block devices leave it, gzip itself ignores it);
anything else there is refused. Content that is still gzip after inflating once is refused rather than
inflated again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Protocol, cast

from isal import isal_zlib

from harvester.results.record import MAX_BYTES_IN_MEMORY, ContentReason, ContentRefused, ContentTooLargeForMemory
from harvester.results.result_options import DEFAULT_MAX_RATIO
from harvester.results.sniff import is_gzip

RATIO_FREE_BYTES: Final = 8 * 1024**2
"""Content up to this size may have any ratio: a small file of one repeated value is no bomb."""
CHUNK_BYTES: Final = 1024**2
"""How much is read at a time when streaming."""
INFLATED_BYTES: Final = 4 * CHUNK_BYTES
"""The most that is inflated at a time: after each, its thread waits for the interpreter lock of the one that parses."""

_GZIP_WBITS = 31
# Its stub declares an instance where the module has the class.
_IsalError = cast("type[Exception]", isal_zlib.IsalError)
_PLAIN_HEADER = b"\x1f\x8b\x08\x00"
_HEADER_BYTES = 10
_TRAILER_BYTES = 8


class ByteSource(Protocol):
    """A binary file that is read forward."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; empty only at the end."""


def inflate(body: bytes, max_content_bytes: int, max_ratio: int = DEFAULT_MAX_RATIO) -> bytes:
    """Return the content of gzip held in memory.

    Raises ContentRefused, or ContentTooLargeForMemory past `MAX_BYTES_IN_MEMORY`.
    """
    content = _inflate_one_member(body, max_content_bytes)
    if content is not None:
        return content
    parts: list[bytes] = []
    size = 0
    for part in _Inflater(max_content_bytes, max_ratio).chunks(iter((body,))):
        size += len(part)
        if size > MAX_BYTES_IN_MEMORY:
            raise ContentTooLargeForMemory
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def inflate_blocks(
    delivered: Iterator[bytes], max_content_bytes: int, max_ratio: int = DEFAULT_MAX_RATIO
) -> Iterator[bytes]:
    """Yield the content of gzip in chunks of at most `INFLATED_BYTES`. Raises ContentRefused at the first fault."""
    return _Inflater(max_content_bytes, max_ratio).chunks(delivered)


def read_blocks(source: ByteSource) -> Iterator[bytes]:
    """Yield a file in blocks of `CHUNK_BYTES`."""
    while block := source.read(CHUNK_BYTES):
        yield block


def _inflate_one_member(body: bytes, max_content_bytes: int) -> bytes | None:
    """Inflate one member with a plain header and nothing after it in one step; else return None."""
    if not body.startswith(_PLAIN_HEADER):
        return None
    size = int.from_bytes(body[-4:], "little")
    if size > min(RATIO_FREE_BYTES, max_content_bytes):
        return None
    member = isal_zlib.decompressobj(-15)
    try:
        content: bytes = member.decompress(memoryview(body)[_HEADER_BYTES:], size + 1)
    except _IsalError:
        return None
    trailer = member.unused_data
    if not member.eof or len(trailer) != _TRAILER_BYTES or len(content) != size or is_gzip(content):
        return None
    return content if int.from_bytes(trailer[:4], "little") == isal_zlib.crc32(content) else None


class _Inflater:
    """The state of one pass over one compressed object."""

    def __init__(self, max_content_bytes: int, max_ratio: int) -> None:
        self.max_content_bytes = max_content_bytes
        self.max_ratio = max_ratio
        self.members = 0
        """Members completed."""
        self.consumed = 0
        """Delivered bytes read."""
        self.produced = 0
        """Content bytes given out."""
        self.head = b""
        """The first two bytes of the content."""

    def chunks(self, delivered: Iterator[bytes]) -> Iterator[bytes]:
        member = isal_zlib.decompressobj(_GZIP_WBITS)
        started = False
        pending = b""
        for block in delivered:
            self.consumed += len(block)
            pending += block
            while True:
                if not started:
                    pending = self.between_members(pending)
                    # A lone first byte of the magic waits for its second.
                    if len(pending) < 2:
                        break
                    member, started = isal_zlib.decompressobj(_GZIP_WBITS), True
                part = self.step(member, pending)
                pending = member.unused_data if member.eof else member.unconsumed_tail
                if part:
                    self.account(part)
                    yield part
                if member.eof:
                    self.members += 1
                    started = False
                elif not part and not pending:
                    break
        if started:
            raise ContentRefused(
                ContentReason.TRUNCATED_GZIP,
                f"gzip ends inside member {self.members + 1}:"
                f" {self.consumed} bytes delivered, {self.produced} inflated",
            )
        if pending:
            raise self.trailing(len(pending))

    def step(self, member: isal_zlib.Decompress, pending: bytes) -> bytes:
        try:
            return bytes(member.decompress(pending, INFLATED_BYTES))
        except _IsalError as error:
            raise ContentRefused(
                ContentReason.CORRUPT_GZIP,
                f"gzip member {self.members + 1} is corrupt after {self.produced} inflated bytes",
            ) from error

    def between_members(self, pending: bytes) -> bytes:
        """Drop zero padding; refuse what is not another member."""
        if not self.members:
            return pending
        rest = pending.lstrip(b"\x00")
        if rest and not is_gzip(rest) and rest != b"\x1f":
            raise self.trailing(len(rest))
        return rest

    def trailing(self, length: int) -> ContentRefused:
        return ContentRefused(
            ContentReason.GZIP_TRAILING_BYTES,
            f"bytes that are not gzip follow the compressed data at byte {self.consumed - length}",
        )

    def account(self, part: bytes) -> None:
        """Count inflated bytes against every bound."""
        if len(self.head) < 2:
            self.head = (self.head + part)[:2]
            if is_gzip(self.head):
                raise ContentRefused(ContentReason.NESTED_GZIP, "the content is gzip again after inflating once")
        self.produced += len(part)
        if self.produced > self.max_content_bytes:
            raise ContentRefused(ContentReason.TOO_LARGE, f"more than {self.max_content_bytes} bytes after inflating")
        if self.produced > RATIO_FREE_BYTES and self.produced > self.max_ratio * self.consumed:
            raise ContentRefused(
                ContentReason.GZIP_BOMB,
                f"inflates to more than {self.max_ratio} times the {self.consumed} bytes delivered so far",
            )
