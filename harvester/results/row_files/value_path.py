"""Select one value of a row by its path, as the text that was written."""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_match_space = re.compile(rb"[ \t\n\r]*+").match
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_match_scalar = re.compile(rb"%b|[^]},:\s\"[{]++" % _STRING, re.DOTALL).match
_match_through_bracket = re.compile(rb'(?:[^"\[\]{}]++|%b)*+[\[\]{}]' % _STRING, re.DOTALL).match


def select(row: bytes, path: str) -> bytes | None:
    """Return the text of the value at a dotted path as written, or None if it is absent.

    A step is a key of an object or the index of an array from 0: ``data.parsing.0.price``.
    """
    value = row
    for step in path.split("."):
        found = _step(value, step)
        if found is None:
            return None
        value = found
    return value


def _step(value: bytes, step: str) -> bytes | None:
    try:
        if value.startswith(b"{"):
            found = _OBJECT.decode(value).get(step)
        elif value.startswith(b"[") and step.isdecimal():
            elements = _ARRAY.decode(value)
            found = elements[int(step)] if int(step) < len(elements) else None
        else:
            return None
    except (msgspec.MsgspecError, RecursionError):
        return _scan_step(value, step)
    return None if found is None else bytes(found)


def _scan_step(text: bytes, step: str) -> bytes | None:
    """Do what `_step` does for what msgspec refuses: lone surrogate escapes, and nesting as deep as a result may have.

    Returns None for text that is no JSON, as a file may have that was landed without validation.
    """
    found = None
    index, number = _skip(text, 1), 0
    try:
        while text[index] not in b"]}":
            name = str(number)
            if text[0] == ord("{"):
                end = _end_of_value(text, index)
                name = json.loads(text[index:end])
                index = _skip(text, _skip(text, end) + 1)
            end = _end_of_value(text, index)
            if name == step:
                found = text[index:end]
            index = _skip(text, end)
            if text[index] == ord(","):
                index = _skip(text, index + 1)
            number += 1
    except (ValueError, IndexError):
        return None
    return found


def _end_of_value(text: bytes, index: int) -> int:
    """Return where the value at ``index`` ends, without recursion. Raises ValueError if it does not."""
    if text[index] not in b"[{":
        return _required(_match_scalar(text, index)).end()
    depth = 0
    while True:
        index = _required(_match_through_bracket(text, index)).end()
        depth += 1 if text[index - 1] in b"[{" else -1
        if not depth:
            return index


def _required(found: re.Match[bytes] | None) -> re.Match[bytes]:
    if found is None:
        raise ValueError
    return found


def _skip(text: bytes, index: int) -> int:
    return _required(_match_space(text, index)).end()
