"""The position in a JSON document that is read block by block, and refusals that name it."""

from __future__ import annotations

from harvester.results.json_text.json_tokens import match_white_space
from harvester.results.record import ContentReason, ContentRefused


class JsonCursor:
    """A buffer of the document, and where in it the next token starts."""

    def __init__(self, start: int) -> None:
        """``start`` is the offset of the document's first byte, after a byte order mark."""
        self._buffer = b""
        self._index = 0
        """Where in the buffer the next token starts."""
        self._base = start
        """The offset of the buffer's first byte in the document."""
        self._lines = 0
        """Line ends before the buffer."""
        self._line_start = start
        """The offset at which the last line before the buffer started."""
        self._kept_from: int | None = None
        """The offset of the first byte that is kept in the buffer; None when scanned bytes are dropped."""
        self._final = False

    def _discard(self) -> None:
        """Drop scanned bytes that are not kept."""
        cut = self._index if self._kept_from is None else self._kept_from - self._base
        self._lines += self._buffer.count(b"\n", 0, cut)
        last = self._buffer.rfind(b"\n", 0, cut)
        if last >= 0:
            self._line_start = self._base + last + 1
        self._buffer = self._buffer[cut:]
        self._base += cut
        self._index -= cut

    def _where(self) -> str:
        line = self._lines + self._buffer.count(b"\n", 0, self._index) + 1
        last = self._buffer.rfind(b"\n", 0, max(0, self._index))
        start = self._base + last + 1 if last >= 0 else self._line_start
        offset = self._base + self._index
        return f"line {line} column {offset - start + 1} (byte {offset})"

    def _refusal(self, expected: str, reason: ContentReason = ContentReason.INVALID_JSON) -> ContentRefused:
        if self._final and self._index >= len(self._buffer) and reason is ContentReason.INVALID_JSON:
            return ContentRefused(reason, f"{self._where()}: the document ends, expected {expected}")
        return ContentRefused(reason, f"{self._where()}: expected {expected}")

    def _next(self, expected: str) -> int:
        """Step to the next token; return its first byte, or -1 if none is there yet. May raise ContentRefused."""
        found = match_white_space(self._buffer, self._index)
        self._index = found.end() if found else self._index
        if self._index < len(self._buffer):
            return self._buffer[self._index]
        if self._final:
            raise self._refusal(expected)
        return -1
