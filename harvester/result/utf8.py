"""Whether bytes are UTF-8 without a byte order mark, block by block."""

from __future__ import annotations

import codecs
from typing import Final

from harvester.result.record import Reason, Refused

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
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._decoded = 0
        """Bytes given to the decoder."""

    def offence(self, block: bytes, *, final: bool) -> int | None:
        """Return the offset in the document of the first byte that is not UTF-8, if there is one by now.

        ``final`` ends the document: a character cut off there is an offence too.
        """
        pending = len(self._decoder.getstate()[0])
        try:
            if pending or final or not block.isascii():
                self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            return self._decoded - pending + error.start
        self._decoded += len(block)
        return None
