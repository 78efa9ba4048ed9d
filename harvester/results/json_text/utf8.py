"""The text encoding of JSON, JSON Lines and CSV: UTF-8, with or without a byte order mark."""

from __future__ import annotations

import codecs
from typing import Final

from harvester.results.record import ContentReason, ContentRefused

UTF8_MARK: Final = b"\xef\xbb\xbf"
_OTHER_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_SAMPLE_BYTES: Final = 1024


def text_start(head: bytes) -> int:
    """Return where text starts, after a byte order mark of UTF-8.

    ``head`` is its first bytes. Raises ContentRefused for the mark of another encoding, and for bytes of which a
    quarter are NUL, as those of UTF-16 and UTF-32 are.
    """
    if head.startswith(UTF8_MARK):
        return len(UTF8_MARK)
    for mark, name in _OTHER_MARKS:
        if head.startswith(mark):
            raise ContentRefused(ContentReason.BYTE_ORDER_MARK, f"{name} byte order mark at byte 0")
    sample = head[:_SAMPLE_BYTES]
    nuls = sample.count(0)
    if nuls and 4 * nuls >= len(sample):
        what = "all bytes" if nuls == len(sample) else "a quarter or more of the bytes"
        raise ContentRefused(ContentReason.NOT_UTF8, f"{what} at the start are NUL: UTF-16, UTF-32 or damage")
    return 0


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
