"""Whether bytes are UTF-8 without a byte order mark, block by block."""

from __future__ import annotations

import codecs
from typing import Final

from harvester.results.record import Reason, Refused

_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "UTF-8"),
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
LONGEST_MARK: Final = 4
"""Bytes it takes to tell every mark."""


def refuse_byte_order_mark(head: bytes) -> None:
    """Look at the first bytes of a document. Raises Refused."""
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            raise Refused(Reason.BYTE_ORDER_MARK, f"{name} byte order mark at byte 0")


class Utf8Check:
    """Follows one document."""

    def __init__(self) -> None:
        """Begin at its first byte."""
        self._held = b""
        """The beginning of a character whose end has not come yet."""

    def whole(self, block: bytes, *, final: bool) -> tuple[bytes, bool]:
        """Return the whole characters up to the end of the next bytes, and whether what follows them is no UTF-8.

        ``final`` ends the document: a character cut off there is an offence too.
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
