"""Strict JSON with the position of the first offence; slow, iterative, builds Python values.

The reference for what counts as JSON here: UTF-8 without a byte order mark, RFC 8259, at most 1,000 levels,
numbers of at most 4,300 digits. Fast parsers decide the common case; this one explains their refusals, and accepts
what is legal though they give up on it (lone surrogate escapes, numbers beyond a double).
"""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from harvester.result.record import Reason, Refused

MAX_DEPTH = 1000
"""Levels of nesting; the outermost array or object is the first."""
MAX_NUMBER_DIGITS = 4300
"""Digits of one number, its exponent included."""

_WHITE_SPACE = re.compile(r"[ \t\n\r]*+")
_STRING = re.compile(r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"')
_STRING_HEAD = re.compile(r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?+([eE][-+]?[0-9]++)?+")
_LITERALS = {"true": True, "false": False, "null": None}
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "UTF-8"),
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def decode_utf8(content: bytes) -> str:
    """Return the text. Raises Refused for a byte order mark or bytes that are not UTF-8."""
    for mark, name in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            raise Refused(Reason.BYTE_ORDER_MARK, f"{name} byte order mark at byte 0")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        offset = error.start
    line = content.count(b"\n", 0, offset) + 1
    raise Refused(Reason.NOT_UTF8, f"invalid UTF-8 in line {line} at byte {offset}")


def parse(content: bytes) -> Any:
    """Return the value of a JSON document. Raises Refused with the position of the first offence."""
    return _Parser(decode_utf8(content)).document()


def position(text: str, index: int) -> str:
    """Say where ``index`` of ``text`` is: line and column from 1, in characters, and the byte offset from 0."""
    line = text.count("\n", 0, index) + 1
    column = index - (text.rfind("\n", 0, index) + 1) + 1
    return f"line {line} column {column} (byte {len(text[:index].encode())})"


class _Parser:
    """One pass over one text. Containers in progress are on a list, so depth costs no recursion."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.index = 0
        self.open: list[dict[str, Any] | list[Any]] = []
        self.keys: list[str] = []
        """The pending key of each open object."""

    def document(self) -> Any:
        """Parse it all."""
        self.skip()
        while True:
            value, complete = self.value()
            while complete:
                if not self.open:
                    self.skip()
                    if self.index != len(self.text):
                        raise self.refusal("the end of the document", Reason.TRAILING_BYTES)
                    return value
                value, complete = self.attach(value)

    def value(self) -> tuple[Any, bool]:
        """Parse a scalar or an empty container whole, or open a container and stop before its first value."""
        match self.text[self.index : self.index + 1]:
            case "{":
                container: dict[str, Any] = {}
                self.enter(container)
                if self.taken("}"):
                    return self.leave(), True
                self.keys.append(self.key("a string as key, or }"))
                return None, False
            case "[":
                self.enter([])
                return (self.leave(), True) if self.taken("]") else (None, False)
            case '"':
                return self.string(), True
            case _:
                return self.scalar(), True

    def attach(self, value: Any) -> tuple[Any, bool]:
        """Put a finished value into the innermost container; return that container if it ends here."""
        container = self.open[-1]
        self.skip()
        if isinstance(container, list):
            container.append(value)
            if self.taken("]"):
                return self.leave(), True
            self.expect(",", "a comma or ]")
            return None, False
        container[self.keys.pop()] = value
        if self.taken("}"):
            return self.leave(), True
        self.expect(",", "a comma or }")
        self.keys.append(self.key("a string as key"))
        return None, False

    def enter(self, container: dict[str, Any] | list[Any]) -> None:
        if len(self.open) == MAX_DEPTH:
            raise self.refusal(f"at most {MAX_DEPTH} levels", Reason.TOO_DEEP)
        self.open.append(container)
        self.index += 1
        self.skip()

    def leave(self) -> dict[str, Any] | list[Any]:
        return self.open.pop()

    def key(self, expected: str) -> str:
        if self.text[self.index : self.index + 1] != '"':
            raise self.refusal(expected)
        key = self.string()
        self.skip()
        self.expect(":", "a colon")
        return key

    def string(self) -> str:
        found = _STRING.match(self.text, self.index)
        if found is None:
            head = _STRING_HEAD.match(self.text, self.index)
            assert head is not None  # noqa: S101 - the caller saw the opening quote
            self.index = head.end()
            raise self.refusal(
                "the closing quote" if self.index == len(self.text) else "a legal character of a string"
            )
        start, self.index = found.span()
        if "\\" not in found.group():
            return self.text[start + 1 : self.index - 1]
        return str(scanstring(self.text, start + 1)[0])

    def scalar(self) -> Any:
        found = _NUMBER.match(self.text, self.index)
        if found is not None:
            number = found.group()
            if len(number) > MAX_NUMBER_DIGITS and sum(map(str.isdigit, number)) > MAX_NUMBER_DIGITS:
                raise self.refusal(f"a number of at most {MAX_NUMBER_DIGITS} digits", Reason.NUMBER_TOO_LONG)
            self.index = found.end()
            return _number(number, integer=found.group(1) is None and found.group(2) is None)
        for word, value in _LITERALS.items():
            if self.text.startswith(word, self.index):
                self.index += len(word)
                return value
        raise self.refusal("a value")

    def skip(self) -> None:
        found = _WHITE_SPACE.match(self.text, self.index)
        assert found is not None  # noqa: S101 - matches the empty string too
        self.index = found.end()

    def taken(self, character: str) -> bool:
        """Step over ``character`` if it is next."""
        if self.text[self.index : self.index + 1] != character:
            return False
        self.index += 1
        return True

    def expect(self, character: str, expected: str) -> None:
        if not self.taken(character):
            raise self.refusal(expected)
        self.skip()

    def refusal(self, expected: str, reason: Reason = Reason.INVALID_JSON) -> Refused:
        where = position(self.text, self.index)
        if self.index == len(self.text) and reason is Reason.INVALID_JSON:
            return Refused(reason, f"the document ends at {where}; expected {expected}")
        return Refused(reason, f"{where}: expected {expected}")


def _number(text: str, *, integer: bool) -> int | float:
    if integer:
        try:
            return int(text)
        except ValueError:  # the interpreter may be configured to convert fewer digits
            pass
    return float(text)
