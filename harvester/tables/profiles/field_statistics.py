"""Statistics of the fields of JSON values, in bounded memory. Never values, except the ends of numeric ranges."""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass, field
from typing import Any, Final

from xxhash import xxh3_64_intdigest

MAX_PATHS: Final = 2000
"""Paths of one group; further ones are counted only."""
MAX_DEPTH: Final = 32
"""Levels of nesting that are followed."""
MAX_ITEMS: Final = 100
"""Elements of one array that are counted."""
MAX_NAMES: Final = 200
"""An object with more members is a mapping: its keys are data, and its members have one path, `*`."""

_SKETCH_SIZE: Final = 256
_HASHES: Final = 2**64


class DistinctSketch:
    """Estimates how many distinct values were added, from the smallest hashes (k minimum values).

    Exact up to 256 values, within about 12 % (two standard errors) beyond. Source: Bar-Yossef et al., "Counting
    distinct elements in a data stream", 2002.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._smallest: list[int] = []

    def add(self, value: bytes) -> None:
        """Add a value."""
        number = xxh3_64_intdigest(value)
        kept = self._smallest
        full = len(kept) == _SKETCH_SIZE
        if full and number >= kept[-1]:
            return
        if number in kept:
            return
        insort(kept, number)
        if full:
            kept.pop()

    def estimate(self) -> int:
        """Return the number of distinct values."""
        kept = self._smallest
        if len(kept) < _SKETCH_SIZE:
            return len(kept)
        return round((_SKETCH_SIZE - 1) * _HASHES / kept[-1])


@dataclass(slots=True)
class Spread:
    """Smallest, largest and mean of numbers."""

    count: int = 0
    """How many."""
    low: float = math.inf
    """The smallest."""
    high: float = -math.inf
    """The largest."""
    mean: float = 0.0
    """Their mean so far: their sum could be beyond the range of a float."""

    def add(self, number: float) -> None:
        """Add a number; infinities and NaN are left out."""
        if number - number != 0:
            return
        self.count += 1
        self.low, self.high = min(self.low, number), max(self.high, number)
        self.mean += number / self.count - self.mean / self.count

    def as_document(self) -> dict[str, float] | None:
        """Return the statistics; None without numbers."""
        if not self.count:
            return None
        return {"min": self.low, "max": self.high, "mean": self.mean}


@dataclass(slots=True)
class FieldStatistics:
    """One path of the rows of a group."""

    present: int = 0
    """Rows in which the path exists."""
    filled: int = 0
    """Rows in which it holds something other than null, an empty text, array or object."""
    types: dict[str, int] = field(default_factory=dict)
    """Occurrences by JSON type."""
    lengths: Spread = field(default_factory=Spread)
    """Characters of texts and elements of arrays."""
    numbers: Spread = field(default_factory=Spread)
    """Values of numbers."""
    distinct: DistinctSketch = field(default_factory=DistinctSketch)
    """Of texts, numbers and booleans."""
    last_present: int = 0
    """Number of the row that was counted last as present."""
    last_filled: int = 0
    """Number of the row that was counted last as filled."""

    def add(self, value: Any, row: int) -> None:
        """Add an occurrence in a row, counted from 1."""
        if self.last_present != row:
            self.last_present = row
            self.present += 1
        if value not in (None, "", [], {}) and self.last_filled != row:
            self.last_filled = row
            self.filled += 1
        kind = json_kind(value)
        self.types[kind] = self.types.get(kind, 0) + 1
        if isinstance(value, str):
            self.lengths.add(len(value))
            self.distinct.add(b"s" + value.encode("utf-8", "surrogatepass"))
        elif isinstance(value, list):
            self.lengths.add(len(value))
        elif isinstance(value, int | float):
            self.distinct.add(repr(value).encode())
            if not isinstance(value, bool):
                self.numbers.add(_as_float(value))

    def as_document(self, rows: int) -> dict[str, Any]:
        """Return the statistics over ``rows`` rows."""
        return {
            "present": self.present,
            "filled": self.filled,
            "fill_rate": self.filled / rows if rows else 0.0,
            "types": dict(sorted(self.types.items())),
            "distinct": self.distinct.estimate(),
            "length": self.lengths.as_document(),
            "range": self.numbers.as_document(),
        }


def _as_float(number: float) -> float:
    """Return a number; integers beyond its range, which JSON can hold, are infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def json_kind(value: Any) -> str:
    """Return the name of a value's JSON type."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


class FieldCollector:
    """The fields of the rows of one group, by path: ``offers[].price``."""

    def __init__(self) -> None:
        """Start empty."""
        self.fields: dict[str, FieldStatistics] = {}
        """By path, in the order in which they were met."""
        self.rows = 0
        """Rows added."""
        self.left_out = 0
        """Occurrences of paths beyond the limit."""

    def add(self, value: Any) -> None:
        """Add the value of a row."""
        self.rows += 1
        pending: list[tuple[str, Any, int]] = [("", value, 0)]
        while pending:
            path, found, depth = pending.pop()
            if path:
                self._count(path, found)
            if depth == MAX_DEPTH:
                continue
            if isinstance(found, dict):
                names = None if len(found) <= MAX_NAMES else "*"
                for name, inner in found.items():
                    step = names or _step(name)
                    pending.append((f"{path}.{step}" if path else step, inner, depth + 1))
            elif isinstance(found, list):
                pending += [(f"{path}[]", inner, depth + 1) for inner in found[:MAX_ITEMS]]

    def _count(self, path: str, value: Any) -> None:
        known = self.fields.get(path)
        if known is None:
            if len(self.fields) == MAX_PATHS:
                self.left_out += 1
                return
            known = self.fields[path] = FieldStatistics()
        known.add(value, self.rows)


def _step(name: str) -> str:
    """Return a key as a step of a path: dots and brackets within it are quoted."""
    plain = name and not any(letter in '.[]"*' for letter in name)
    return name[:200] if plain else f'"{name[:200]}"'
