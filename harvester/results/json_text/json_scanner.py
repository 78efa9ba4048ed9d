"""Incremental strict JSON scanner that reports the position of the first syntax error.

UTF-8 without a byte order mark, RFC 8259, at most 1,000 levels, numbers of at most 4,300 digits. Fast
parsers decide the common case; the scanner is the reference. It explains their refusals, accepts valid JSON that
they refuse (lone surrogate escapes, numbers beyond a double), and reads documents too large for memory: it
needs one block and one token at a time.

It builds no values. It keeps a skeleton of the document: its keys, those of ``data``, ``metadata`` and
``run``, the types of their values, and the text of ``task_id``, ``status`` and ``agent``: all that shapes, their
schemas and the manifest depend on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from harvester.results.json_text.json_cursor import JsonCursor
from harvester.results.json_text.json_tokens import (
    FLAT_LEVELS,
    match_number,
    match_number_bytes,
    match_string_rest,
    match_white_space,
    runs,
)
from harvester.results.json_text.utf8 import Utf8Check
from harvester.results.record import ContentReason, ContentRefused
from harvester.results.row_batches import BrokenRows, RowBatch, RowCount

MAX_DEPTH: Final = 1000
"""Levels of nesting; the outermost array or object is the first."""
MAX_NUMBER_DIGITS: Final = 4300
"""Digits of one number, its fraction and exponent included."""

_CAPTURED_CONTAINERS = frozenset({"data", "metadata", "run"})
_CAPTURED_STRINGS = frozenset({"task_id", "status", "agent"})
_MAX_CAPTURED_BYTES = 64 * 1024
"""A longer key is unknown; a longer ``status`` is cut there."""

_NOT_DIGITS = re.compile(rb"[^0-9]")
_LITERALS = {0x74: (b"true", True), 0x66: (b"false", False), 0x6E: (b"null", None)}

_QUOTE, _COMMA, _COLON, _OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _CLOSE_ARRAY = b'",:{}[]'
_TYPES = {
    _OPEN_OBJECT: "an object",
    _OPEN_ARRAY: "an array",
    _QUOTE: "a string",
    0x74: "a boolean",
    0x66: "a boolean",
    0x6E: "null",
}


class Scanner(JsonCursor):
    """One pass over one document. Open containers are on a list, so depth costs no recursion."""

    def __init__(self, *, keep_rows: bool = False, keep_parsing: bool = False, start: int = 0) -> None:
        """Start a document; keep the text of rows (for `take_rows`) or of ``data.parsing`` on request.

        ``start`` is the offset of its first byte, after a byte order mark.
        """
        super().__init__(start)
        self.skeleton: Any = None
        """The document's keys and types; see the module."""
        self.rows = RowCount()
        """Elements of the document's array: itself, or ``files``."""
        self.parsing: bytes | None = None
        """The text of ``data.parsing``."""
        self._keep_rows = keep_rows
        self._keep_parsing = keep_parsing
        self.repeats_files = False
        """Whether the outermost object has the key ``files`` twice."""
        self._has_files = False
        self._rows_done: list[RowBatch] = []
        self._kept_depth = 0
        self._open: list[int] = []
        """The opening byte of each container in progress."""
        self._skeletons: list[dict[str, Any] | None] = []
        """The skeleton of each container in progress, None where nothing is remembered."""
        self._keys: list[str | None] = []
        """The pending key of each container in progress, where remembered."""
        self._row_depth = -1
        """How many containers are open around a row; -1 outside of rows."""
        self._state: Callable[[], bool] = self._value
        self._after_string: Callable[[], bool] = self._after
        self._captured: list[bytes] | None = None
        self._captured_bytes = 0
        self._runs = runs()
        self._encoding = Utf8Check()

    # -- public

    def feed(self, block: bytes) -> None:
        """Scan the next bytes. Raises ContentRefused at the first syntax error."""
        self._discard()
        whole, is_invalid = self._encoding.whole(block, final=self._final)
        self._buffer += whole
        # A syntax error before the invalid bytes is reported first; the document does not end where they follow.
        self._final = self._final and not is_invalid
        while self._state():
            pass
        if is_invalid:
            self._index = len(self._buffer)
            raise ContentRefused(ContentReason.NOT_UTF8, f"{self._where()}: not UTF-8")

    def finish(self) -> None:
        """End the document. Raises ContentRefused if it is not complete."""
        self._final = True
        self.feed(b"")

    def take_rows(self) -> list[RowBatch]:
        """Return the rows completed since the last call."""
        rows, self._rows_done = self._rows_done, []
        return rows

    # -- states: each handles one token (or a run of them) and returns whether to continue

    def _value(self) -> bool:
        byte = self._next("a value")
        return byte >= 0 and self._start_value(byte)

    def _first_value(self) -> bool:
        byte = self._next("a value or ]")
        if byte == _CLOSE_ARRAY:
            return self._close()
        return byte >= 0 and self._start_value(byte)

    def _start_value(self, byte: int) -> bool:
        if byte == _QUOTE:
            self._begin(byte)
            wanted = self._keys and self._keys[-1] in _CAPTURED_STRINGS
            self._enter_string(self._string_value, [] if wanted else None)
            return True
        if byte in (_OPEN_OBJECT, _OPEN_ARRAY):
            return self._open_container(byte)
        literal = _LITERALS.get(byte)
        if literal is not None:
            return self._literal(*literal)
        return self._number()

    def _literal(self, word: bytes, value: bool | None) -> bool:  # noqa: FBT001 - it is the value
        text = self._buffer[self._index : self._index + len(word)]
        if text != word:
            if word.startswith(text) and not self._final:
                return False
            raise self._refusal("a value")
        self._begin(word[0])
        self._index += len(word)
        self._remember(value)
        return True

    def _number(self) -> bool:
        run = match_number_bytes(self._buffer, self._index)
        end = run.end() if run else self._index
        if end == len(self._buffer) and not self._final and end - self._index <= MAX_NUMBER_DIGITS + 8:
            return False
        found = match_number(self._buffer, self._index)
        if found is None:
            raise self._refusal("a value")
        if len(_NOT_DIGITS.sub(b"", found.group())) > MAX_NUMBER_DIGITS:
            raise self._refusal(f"a number of at most {MAX_NUMBER_DIGITS} digits", ContentReason.NUMBER_TOO_LONG)
        self._begin(0x30)
        self._index = found.end()
        if self._index != end:
            raise self._refusal("the end of the number")
        self._remember(0)
        return True

    def _enter_string(self, then: Callable[[], bool], captured: list[bytes] | None) -> None:
        self._index += 1
        self._captured = captured
        self._captured_bytes = 0
        self._after_string = then
        self._state = self._string

    def _string(self) -> bool:
        found = match_string_rest(self._buffer, self._index)
        end = found.end() if found else self._index
        if self._captured is not None and self._captured_bytes < _MAX_CAPTURED_BYTES:
            self._captured.append(self._buffer[self._index : end])
            self._captured_bytes += end - self._index
        self._index = end
        rest = self._buffer[end : end + 6]
        if rest[:1] == b'"':
            self._index += 1
            return self._after_string()
        if not self._final and (not rest or (rest[0] == 0x5C and len(rest) < 6)):
            return False
        raise self._refusal("a legal character of a string" if rest else "the closing quote")

    def _string_value(self) -> bool:
        self._remember(self._text())
        return True

    def _text(self) -> str:
        """Return the captured string; a cut one may end in a replacement character."""
        if self._captured is None:
            return ""
        raw = b"".join(self._captured)
        if b"\\" not in raw:
            return raw.decode(errors="replace")
        value = json.loads(b'"%b"' % raw)
        return str(value)

    def _first_key(self) -> bool:
        byte = self._next("a string as key, or }")
        if byte == _CLOSE_OBJECT:
            return self._close()
        return self._start_key(byte, "a string as key, or }")

    def _key(self) -> bool:
        return self._start_key(self._next("a string as key"), "a string as key")

    def _start_key(self, byte: int, expected: str) -> bool:
        if byte < 0:
            return False
        if byte != _QUOTE:
            raise self._refusal(expected)
        remembered = self._skeletons[-1] is not None
        if not remembered:
            run = self._runs.members.match(self._buffer, self._index) if self._may_run() else None
            if run and run.end() > self._index:
                self._index = run.end()
                self._state = self._key
                return True
        self._enter_string(self._end_key, [] if remembered else None)
        return True

    def _end_key(self) -> bool:
        self._keys[-1] = self._text() if self._captured is not None else None
        if self._keys[-1] == "files" and len(self._open) == 1:
            self.repeats_files, self._has_files = self._has_files, True
        self._state = self._colon
        return True

    def _colon(self) -> bool:
        byte = self._next("a colon")
        if byte < 0:
            return False
        if byte != _COLON:
            raise self._refusal("a colon")
        self._index += 1
        self._state = self._value
        return True

    def _after(self) -> bool:
        if not self._open:
            self._state = self._end
            return True
        closing, expected = (
            (_CLOSE_OBJECT, "a comma or }") if self._open[-1] == _OPEN_OBJECT else (_CLOSE_ARRAY, "a comma or ]")
        )
        byte = self._next(expected)
        if byte == _COMMA:
            self._index += 1
            self._state = self._key if closing == _CLOSE_OBJECT else self._element
            return True
        if byte == closing:
            return self._close()
        if byte < 0:
            return False
        raise self._refusal(expected)

    def _element(self) -> bool:
        if len(self._open) == self._row_depth:
            self._good_rows()
        elif self._may_run():
            run = self._runs.elements.match(self._buffer, self._index)
            self._index = run.end() if run else self._index
        return self._value()

    def _may_run(self) -> bool:
        return len(self._open) <= MAX_DEPTH - FLAT_LEVELS

    def _good_rows(self) -> None:
        """Step over good rows, those with a comma behind."""
        space = match_white_space(self._buffer, self._index)
        index = space.end() if space else self._index
        while found := self._runs.row.match(self._buffer, index):
            self.rows.good()
            if self._keep_rows:
                self._keep_row(found.group(1))
            index = found.end()
        self._index = index

    def _end(self) -> bool:
        found = match_white_space(self._buffer, self._index)
        self._index = found.end() if found else self._index
        if self._index < len(self._buffer):
            raise self._refusal("the end of the document", ContentReason.TRAILING_BYTES)
        return False

    # -- containers

    def _open_container(self, byte: int) -> bool:
        depth = len(self._open)
        if depth == MAX_DEPTH:
            raise self._refusal(f"at most {MAX_DEPTH} levels", ContentReason.TOO_DEEP)
        self._begin(byte)
        key = self._keys[-1] if self._keys else None
        if byte == _OPEN_OBJECT:
            value: dict[str, Any] | list[Any] = {}
            captured = depth == 0 or (depth == 1 and self._skeletons[0] is not None and key in _CAPTURED_CONTAINERS)
            skeleton = value if captured else None
            self._state = self._first_key
        else:
            value = []
            skeleton = None
            if depth == 0 or (depth == 1 and self._skeletons[0] is not None and key == "files"):
                self.rows = RowCount()
                self._rows_done.clear()
                self._row_depth = depth + 1
            self._state = self._first_value
        self._put(value)
        self._open.append(byte)
        self._skeletons.append(skeleton if isinstance(skeleton, dict) else None)
        self._keys.append(None)
        self._index += 1
        return True

    def _close(self) -> bool:
        self._index += 1
        if len(self._open) == self._row_depth:
            self._row_depth = -1
        self._open.pop()
        self._skeletons.pop()
        self._keys.pop()
        self._complete()
        return True

    def _begin(self, byte: int) -> None:
        """A value starts here: is it a row, or ``data.parsing``?"""
        depth = len(self._open)
        if depth == self._row_depth:
            if byte == _OPEN_OBJECT:
                self.rows.good()
            else:
                fault = f"{_TYPES.get(byte, 'a number')}, expected an object"
                self.rows.bad(fault)
                if self._keep_rows:
                    self._rows_done.append(BrokenRows(1, fault))
            wanted = self._keep_rows
        else:
            wanted = self._keep_parsing and depth == 2 and self._keys[0] == "data" and self._keys[1] == "parsing"
        if wanted:
            self._kept_from = self._base + self._index
            self._kept_depth = depth

    def _put(self, value: Any) -> None:
        """Put a value into the skeleton, if its container is remembered."""
        if not self._open:
            self.skeleton = value
            return
        container, key = self._skeletons[-1], self._keys[-1]
        if container is not None and key is not None:
            container[key] = value

    def _remember(self, value: Any) -> None:
        self._put(value)
        self._complete()

    def _complete(self) -> None:
        """A value ends here."""
        self._state = self._after
        if self._kept_from is None or len(self._open) != self._kept_depth:
            return
        text = self._buffer[self._kept_from - self._base : self._index]
        self._kept_from = None
        if self._kept_depth == self._row_depth:
            if text.startswith(b"{"):
                self._keep_row(text)
        else:
            self.parsing = text

    def _keep_row(self, text: bytes) -> None:
        batch = self._rows_done[-1] if self._rows_done else None
        if isinstance(batch, list):
            batch.append(text)
        else:
            self._rows_done.append([text])


def scan(content: bytes, *, keep_parsing: bool = False) -> Scanner:
    """Scan a whole document. Raises ContentRefused at the first syntax error."""
    scanner = Scanner(keep_parsing=keep_parsing)
    scanner.feed(content)
    scanner.finish()
    return scanner
