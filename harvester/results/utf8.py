"""Whether bytes are UTF-8 without a byte order mark, block by block."""

from __future__ import annotations

import codecs
from typing import Final

from harvester.results.record import ContentReason, ContentRefused

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "UTF-8"),
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
LONGEST_MARK: Final = 4
"""Length in bytes of the longest mark."""


def refuse_byte_order_mark(head: bytes) -> None:
    """Refuse a document that starts with a byte order mark. Raises ContentRefused."""
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            raise ContentRefused(ContentReason.BYTE_ORDER_MARK, f"{name} byte order mark at byte 0")


class Utf8Check:
    """Incremental UTF-8 validation of one document."""

    def __init__(self) -> None:
        """Start at the first byte."""
        self._held = b""
        """The first bytes of a character that is not complete yet."""

    def whole(self, block: bytes, *, final: bool) -> tuple[bytes, bool]:
        """Return the complete characters of the next block, and whether the bytes after them are not UTF-8.

        With ``final`` the document ends here: an incomplete character is not UTF-8 either.
        """
        if self._held:
            block = self._held + block
        if block.isascii():
            self._held = b""
            return block, False
        try:
            end = codecs.utf_8_decode(block, "strict", final)[1]
        except UnicodeDecodeError as error:
            return block[: error.start], True
        self._held = block[end:]
        return block[:end], False
