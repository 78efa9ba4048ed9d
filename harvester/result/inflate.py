"""Bounded gzip: every member, truncation and corruption told apart, zero padding accepted, bombs refused.

Zero bytes after the last member are padding (tape and block devices leave it; gzip itself ignores it); anything else
there is refused. Content that is still gzip after inflating once is refused rather than inflated again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from isal import isal_zlib

from harvester.result.record import ContentTooLargeForMemory, Reason, Refused
from harvester.result.sniff import is_gzip

MAX_RATIO: Final = 200
"""Content may be at most this many times the delivered bytes. Pages compress about 4:1, tables of equal rows 50:1."""
RATIO_FREE_BYTES: Final = 8 * 1024**2
"""Content up to this size may have any ratio: a small file of one repeated value is no bomb."""
MAX_BYTES_IN_MEMORY: Final = 64 * 1024**2
"""Content larger than this is read by way of a file."""
CHUNK_BYTES: Final = 1024**2
"""How much is inflated at a time when streaming."""

_GZIP_WBITS = 31


def inflate(body: bytes, max_content_bytes: int) -> bytes:
    """Return the content of gzip held in memory.

    Raises Refused, or ContentTooLargeForMemory if the bytes are fine so far but too many for memory.
    """
    parts: list[bytes] = []
    size = 0
    for part in _Inflater(max_content_bytes).chunks(iter((body,))):
        size += len(part)
        if size > MAX_BYTES_IN_MEMORY:
            raise ContentTooLargeForMemory
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def inflate_file(source: BinaryIO, max_content_bytes: int) -> Iterator[bytes]:
    """Yield the content of a gzip file in chunks of at most `CHUNK_BYTES`. Raises Refused where it goes wrong."""
    return _Inflater(max_content_bytes).chunks(iter(lambda: source.read(CHUNK_BYTES), b""))


class _Inflater:
    """The state of one pass over one compressed object."""

    def __init__(self, max_content_bytes: int) -> None:
        self.max_content_bytes = max_content_bytes
        self.consumed = 0
        """Delivered bytes seen."""
        self.produced = 0
        """Content bytes given out."""
        self.head = b""

    def chunks(self, delivered: Iterator[bytes]) -> Iterator[bytes]:
        member = isal_zlib.decompressobj(_GZIP_WBITS)
        started = False
        """Whether the current member has seen a byte."""
        members = 0
        pending = b""
        for block in delivered:
            self.consumed += len(block)
            pending = pending + block if pending else block
            while pending:
                if not started and members:
                    pending = self.after_member(pending)
                    if len(pending) < 2:
                        break
                started = True
                try:
                    part = member.decompress(pending, CHUNK_BYTES)
                except isal_zlib.error as error:
                    raise Refused(
                        Reason.CORRUPT_GZIP,
                        f"gzip member {members + 1} is corrupt after {self.produced} inflated bytes",
                    ) from error
                pending = member.unused_data if member.eof else member.unconsumed_tail
                if part:
                    self.account(part)
                    yield part
                elif not member.eof and not pending:
                    break
                if member.eof:
                    members += 1
                    started = False
                    member = isal_zlib.decompressobj(_GZIP_WBITS)
        while started and not member.eof and (part := self.flush(member, members)):
            self.account(part)
            yield part
        if started and not member.eof:
            raise Refused(
                Reason.TRUNCATED_GZIP,
                f"gzip ends inside member {members + 1}: {self.consumed} bytes delivered, {self.produced} inflated",
            )
        if pending:
            raise self.trailing(len(pending))

    def flush(self, member: isal_zlib.Decompress, members: int) -> bytes:
        """Return what an unfinished member still holds back."""
        try:
            return bytes(member.decompress(b"", CHUNK_BYTES))
        except isal_zlib.error as error:
            raise Refused(
                Reason.CORRUPT_GZIP,
                f"gzip member {members + 1} is corrupt after {self.produced} inflated bytes",
            ) from error

    def after_member(self, pending: bytes) -> bytes:
        """Drop zero padding between or after members; refuse what is not another member."""
        rest = pending.lstrip(b"\x00")
        if rest and not is_gzip(rest) and rest != b"\x1f":
            raise self.trailing(len(rest))
        return rest

    def trailing(self, length: int) -> Refused:
        return Refused(
            Reason.GZIP_TRAILING_BYTES,
            f"bytes that are not gzip follow the compressed data at byte {self.consumed - length}",
        )

    def account(self, part: bytes) -> None:
        """Count inflated bytes against every bound."""
        if len(self.head) < 2:
            self.head = (self.head + part)[:2]
            if is_gzip(self.head):
                raise Refused(Reason.NESTED_GZIP, "the content is gzip again after inflating once")
        self.produced += len(part)
        if self.produced > self.max_content_bytes:
            raise Refused(Reason.TOO_LARGE, f"more than {self.max_content_bytes} bytes after inflating")
        if self.produced > RATIO_FREE_BYTES and self.produced > MAX_RATIO * self.consumed:
            raise Refused(
                Reason.GZIP_BOMB,
                f"inflates to more than {MAX_RATIO} times the {self.consumed} bytes delivered so far",
            )
