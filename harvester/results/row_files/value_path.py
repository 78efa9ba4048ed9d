"""Select one value of a row by its path, as the text that was written."""

from __future__ import annotations

import json
from typing import Final

import msgspec

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])


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
        return _scan_step(value.decode(), step)
    return None if found is None else bytes(found)


def _scan_step(text: str, step: str) -> bytes | None:
    """Do what `_step` does for text with lone surrogate escapes, which msgspec refuses."""
    decoder = json.JSONDecoder()
    found = None
    index, number = _skip(text, 1), 0
    while text[index] not in "]}":
        name = str(number)
        if text[0] == "{":
            name, index = decoder.raw_decode(text, index)
            index = _skip(text, _skip(text, index) + 1)
        _, end = decoder.raw_decode(text, index)
        if name == step:
            found = text[index:end].encode()
        index = _skip(text, end)
        if text[index] == ",":
            index = _skip(text, index + 1)
        number += 1
    return found


def _skip(text: str, index: int) -> int:
    while text[index] in " \t\r\n":
        index += 1
    return index
