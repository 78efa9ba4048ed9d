"""The tokens of RFC 8259 as patterns on bytes.

Every repetition is possessive: a match gives nothing back that it has taken, so none runs away on hostile bytes.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple

_SPACE = r"[ \t\n\r]*+"
_STRING_REST = r'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+'
_STRING = f'"{_STRING_REST}"'
_SHORT_NUMBER = r"-?(?:0|[1-9][0-9]{0,1000}+)(?:\.[0-9]{1,1000}+)?+(?:[eE][-+]?[0-9]{1,1000}+)?+"

# Bound methods, called with bytes and an index: CPython compiles ``imported_name.method()`` to a slower call, and these
# are called for every token.
match_white_space = re.compile(_SPACE.encode()).match
match_string_rest = re.compile(_STRING_REST.encode()).match
match_number_bytes = re.compile(rb"[-+.0-9eE]*+").match
match_number = re.compile(rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?[0-9]++)?+").match

FLAT_LEVELS: Final = 2
"""Levels of nesting that one match can step over."""


class Runs(NamedTuple):
    """Patterns for many tokens in one match, most of a document; the rest is taken token by token."""

    elements: re.Pattern[bytes]
    """Elements of an array, each with its comma."""
    members: re.Pattern[bytes]
    """Members of an object, each with its comma."""
    row: re.Pattern[bytes]
    """One object with its comma."""


@cache
def runs() -> Runs:
    """Return the patterns."""
    # Built when first needed: most processes never scan.
    value = rf"(?:{_STRING}|{_SHORT_NUMBER}|true|false|null)"
    member = ""
    row = ""
    for _ in range(FLAT_LEVELS + 1):
        member = f"{_STRING}{_SPACE}:{_SPACE}{value}"
        array = rf"\[{_SPACE}(?:{value}{_SPACE}(?:,{_SPACE}{value}{_SPACE})*+)?+\]"
        row = rf"\{{{_SPACE}(?:{member}{_SPACE}(?:,{_SPACE}{member}{_SPACE})*+)?+\}}"
        inner, value = value, rf"(?:{value}|{array}|{row})"
    return Runs(
        re.compile(rf"(?:{_SPACE}{inner}{_SPACE},)*+".encode()),
        re.compile(rf"(?:{_SPACE}{member}{_SPACE},)*+".encode()),
        re.compile(rf"({row}){_SPACE},{_SPACE}".encode()),
    )
