"""JSON as the clouds read policies: strict, with line and column of every problem, and written back unchanged
in meaning.

Refused: duplicate keys, comments, trailing commas, a byte order mark, NaN and Infinity, single quotes,
lone surrogates, invalid UTF-8. Numbers that would not survive a round trip keep their text.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, Self

from policies.policy_errors import ParseError, PolicyErrorCode

MAX_DEPTH = 64
"""How deep a document may nest; no policy language needs more than six levels."""

_WHITE_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]+')
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_YAML = re.compile(r"(?:---|%YAML|- ?[\w'\"]|[A-Za-z_][\w.-]*:(?=\s|\Z))")
_WORD = re.compile(r"[A-Za-z_$'`+.-][\w$'`+.-]*")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LONGEST_INTEGER = 4_300
_CURLY_QUOTES = ("\u201c", "\u201d", "\u201e", "\u2018", "\u2019", "\u00ab", "\u00bb")
_TERRAFORM = frozenset({"data", "resource", "module", "locals", "variable", "output", "provider", "terraform"})
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


class Number(float):
    """A number that is written as it was parsed, such as ``1.0`` or an integer of thousands of digits."""

    text: str
    """The literal as it was parsed."""

    def __new__(cls, text: str) -> Self:
        """Build the number from its literal."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class _NeedsPositionError(Exception):
    """The fast parser found an error, whose position only the exact one reports."""


def parse_json(text: str | bytes, *, source: str = "") -> Any:
    """Parse a document; ``source`` names it in errors.

    Raises ParseError with line and column.
    """
    if isinstance(text, bytes):
        text = _decode(text, source)
    if not _SURROGATE_ESCAPE.search(text):
        try:
            return json.loads(
                text,
                object_pairs_hook=_unique,
                parse_constant=_refuse,
                parse_int=_integer,
                parse_float=Number,
            )
        except (_NeedsPositionError, ValueError, RecursionError):
            pass
    return _Reader(text, source).document()


def dump_json(value: Any, *, indent: int = 2) -> str:
    """Write a document indented: keys in their order, numbers as they were parsed, a newline at the end."""
    return _dump(value, " " * indent, "\n") + "\n"


def compact_json(value: Any) -> str:
    """Write a document without insignificant white space."""
    return _dump(value, "", "")


def _dump(value: Any, indent: str, newline: str) -> str:
    separator = ": " if newline else ":"
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        items = [
            f"{_string(key)}{separator}{_dump(each, indent, _deeper(newline, indent))}" for key, each in value.items()
        ]
        return _enclose("{", items, "}", indent, newline)
    if isinstance(value, list | tuple):
        return _enclose("[", [_dump(each, indent, _deeper(newline, indent)) for each in value], "]", indent, newline)
    return _string(value)


def _deeper(newline: str, indent: str) -> str:
    return newline + indent if newline else ""


def _enclose(opening: str, items: list[str], closing: str, indent: str, newline: str) -> str:
    if not items:
        return opening + closing
    inner = _deeper(newline, indent)
    return f"{opening}{inner}{f',{inner}'.join(items)}{newline}{closing}"


def _string(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NeedsPositionError
    return members


def _refuse(constant: str) -> NoReturn:
    raise _NeedsPositionError(constant)


def _integer(text: str) -> int | Number:
    # Python reads no longer integer than this; and -0 would lose its sign.
    return int(text) if len(text) < _LONGEST_INTEGER and text != "-0" else Number(text)


def _decode(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8", "replace")
        line, column = _position(before, len(before))
        known = (
            "UTF-16 text" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else f"byte 0x{data[error.start]:02x} is not UTF-8"
        )
        raise ParseError(known, line=line, column=column, source=source, code=PolicyErrorCode.NOT_UTF8) from error


def _position(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


class _Reader:
    """The exact parser: slower, with the position of every error."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.index = 0

    def document(self) -> Any:
        if self.text.startswith("\ufeff"):
            self.fail("a byte order mark (BOM) before the document", code=PolicyErrorCode.BYTE_ORDER_MARK)
        self.skip()
        if self.index == len(self.text):
            self.fail("the document is empty")
        value = self.value(0)
        self.skip()
        if self.index < len(self.text):
            self.fail("more text after the end of the document", code=PolicyErrorCode.TEXT_AFTER_DOCUMENT)
        return value

    def fail(
        self, problem: str, *, at: int | None = None, code: PolicyErrorCode = PolicyErrorCode.NOT_JSON
    ) -> NoReturn:
        line, column = _position(self.text, self.index if at is None else at)
        raise ParseError(problem, line=line, column=column, source=self.source, code=code)

    def skip(self) -> None:
        found = _WHITE_SPACE.match(self.text, self.index)
        self.index = found.end() if found else self.index
        if self.text.startswith(("//", "/*", "#"), self.index):
            self.fail("a comment; JSON has none", code=PolicyErrorCode.COMMENT_IN_JSON)

    def peek(self) -> str:
        self.skip()
        return self.text[self.index : self.index + 1]

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            self.fail(f"nested deeper than {MAX_DEPTH} levels")
        character = self.peek()
        if character == "{":
            return self.object(depth)
        if character == "[":
            return self.array(depth)
        if character == '"':
            return self.string()
        if number := _NUMBER.match(self.text, self.index):
            return self.number(number)
        return self.constant()

    def constant(self) -> bool | None:
        word = _WORD.match(self.text, self.index)
        if word and word.group() in _CONSTANTS:
            self.index = word.end()
            return _CONSTANTS[word.group()]
        if word and word.group().lstrip("+-") in ("NaN", "Infinity"):
            self.fail(f"{word.group()} is not a JSON value")
        if self.text.startswith("'", self.index):
            self.fail("single quotes; JSON strings are in double quotes")
        if word and not self.text[: self.index].strip():
            self.no_other_language(word)
        self.no_curly_quote()
        if self.index == len(self.text):
            self.fail("the document ends in the middle")
        return self.fail(f"unexpected {self.text[self.index]!r}; expected a value")

    def number(self, found: re.Match[str]) -> int | Number:
        text = found.group()
        self.index = found.end()
        following = self.text[self.index : self.index + 1]
        if following and (following.isalnum() or following in "._+-"):
            self.fail("not a JSON number", at=found.start())
        return _integer(text) if text.lstrip("-").isdigit() else Number(text)

    def object(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        self.index += 1
        if self.peek() == "}":
            self.index += 1
            return members
        while True:
            if self.peek() != '"':
                self.member_expected()
            at = self.index
            key = self.string()
            if key in members:
                self.fail(
                    f"the key {json.dumps(key)} for the second time in one object",
                    at=at,
                    code=PolicyErrorCode.REPEATED_KEY,
                )
            if self.peek() != ":":
                self.fail("expected ':' after a key")
            self.index += 1
            members[key] = self.value(depth + 1)
            if self.ends("}"):
                return members

    def member_expected(self) -> NoReturn:
        if self.text.startswith("}", self.index):
            self.fail("a comma before '}'", code=PolicyErrorCode.TRAILING_COMMA)
        if self.index == len(self.text):
            self.fail("the document ends inside an object")
        self.no_curly_quote()
        self.fail(f"unexpected {self.text[self.index]!r}; expected a key in double quotes")

    def no_other_language(self, word: re.Match[str]) -> None:
        if _YAML.match(self.text, self.index):
            self.fail("YAML, not JSON", code=PolicyErrorCode.YAML_SOURCE)
        if word.group() in _TERRAFORM:
            self.fail("Terraform's language, not JSON", code=PolicyErrorCode.TERRAFORM_SOURCE)

    def no_curly_quote(self) -> None:
        if self.text.startswith(_CURLY_QUOTES, self.index):
            self.fail(
                f"a curly quote {self.text[self.index]}; JSON strings are in straight ones",
                code=PolicyErrorCode.CURLY_QUOTE,
            )

    def array(self, depth: int) -> list[Any]:
        items: list[Any] = []
        self.index += 1
        if self.peek() == "]":
            self.index += 1
            return items
        while True:
            if self.peek() == "]":
                self.fail("a comma before ']'", code=PolicyErrorCode.TRAILING_COMMA)
            items.append(self.value(depth + 1))
            if self.ends("]"):
                return items

    def ends(self, closing: str) -> bool:
        character = self.peek()
        if character not in (",", closing) or not character:
            problem = f"unexpected {character!r}" if character else "the document ends in the middle"
            self.fail(f"{problem}; expected ',' or '{closing}'")
        self.index += 1
        return character == closing

    def string(self) -> str:
        start = self.index
        self.index += 1
        parts: list[str] = []
        while True:
            if plain := _PLAIN.match(self.text, self.index):
                parts.append(plain.group())
                self.index = plain.end()
            character = self.text[self.index : self.index + 1]
            if character == '"':
                self.index += 1
                return "".join(parts)
            if character == "\\":
                parts.append(self.escape())
            elif not character:
                self.fail("a string that never ends", at=start)
            else:
                self.fail(
                    "a control character inside a string" if character < " " else "a lone surrogate inside a string"
                )

    def escape(self) -> str:
        at = self.index
        letter = self.text[at + 1 : at + 2]
        if letter in _ESCAPES and letter:
            self.index += 2
            return _ESCAPES[letter]
        if letter != "u" or not _HEX.match(self.text, at + 2):
            self.fail("not a JSON escape")
        unit = int(self.text[at + 2 : at + 6], 16)
        self.index += 6
        if not 0xD800 <= unit <= 0xDFFF:
            return chr(unit)
        low = self.text[self.index + 2 : self.index + 6]
        if (
            unit < 0xDC00
            and self.text.startswith("\\u", self.index)
            and _HEX.match(low)
            and 0xDC00 <= int(low, 16) <= 0xDFFF
        ):
            self.index += 6
            return chr(0x10000 + ((unit - 0xD800) << 10) + int(low, 16) - 0xDC00)
        return self.fail("an escape of half a surrogate pair", at=at)
