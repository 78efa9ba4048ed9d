"""Compare two profiles: what vanished, what is new, what is emptier or of another type.

A difference counts if it is larger than the tolerance and larger than chance: samples of one day and the next differ by
themselves, most of all in rare fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

ProfileChangeKind = Literal[
    "group_vanished", "path_vanished", "path_new", "fill_rate_dropped", "type_changed", "status_shifted"
]
DEFAULT_TOLERANCE: Final = 0.1
"""By how much a share may change, from 0 to 1."""
# Fewer expected occurrences may be missing by chance: of ten expected, none occurs once in 22,000 samples.
_EXPECTED: Final = 10
_LEAST_ROWS: Final = 5
# Standard errors between two shares that are not chance, for some thousands of comparisons.
_ERRORS: Final = 5.0
_EMPTY_TYPES: Final = ("null",)


@dataclass(frozen=True, slots=True)
class ProfileFinding:
    """One difference between a baseline and a profile."""

    kind: ProfileChangeKind
    """What changed."""
    group: str
    """Agent or shape."""
    path: str
    """The field, or the status; empty for a whole group."""
    before: float
    """The share in the baseline: fill rate, share of a type or status; rows for a group."""
    now: float
    """The same now."""
    detail: str
    """For people."""

    def as_document(self) -> dict[str, Any]:
        """Return the finding as published JSON has it."""
        return asdict(self)


def compare_profiles(
    baseline: Mapping[str, Any], current: Mapping[str, Any], tolerance: float = DEFAULT_TOLERANCE
) -> list[ProfileFinding]:
    """Return the differences of ``groups`` documents, by group and path."""
    findings: list[ProfileFinding] = []
    for name, before in sorted(baseline.items()):
        now = current.get(name)
        if now is None or not now["rows"]:
            if before["rows"] >= _LEAST_ROWS:
                rows = before["rows"]
                findings.append(
                    ProfileFinding("group_vanished", name, "", rows, 0, f"no rows any more; the baseline has {rows}")
                )
            continue
        findings += _statuses(name, before, now, tolerance)
        findings += _fields(name, before, now, tolerance)
    return findings


def _statuses(name: str, before: Any, now: Any, tolerance: float) -> Iterator[ProfileFinding]:
    totals = sum(before["statuses"].values()), sum(now["statuses"].values())
    for status in sorted({*before["statuses"], *now["statuses"]}):
        counts = before["statuses"].get(status, 0), now["statuses"].get(status, 0)
        if _differs(counts, totals, tolerance):
            shares = _shares(counts, totals)
            yield ProfileFinding("status_shifted", name, status, *shares, f"status {status}: {_change(*shares)}")


def _fields(name: str, before: Any, now: Any, tolerance: float) -> Iterator[ProfileFinding]:
    totals = before["parsed_rows"], now["parsed_rows"]
    if not all(totals):
        if totals[0] >= _EXPECTED and now["rows"] >= _EXPECTED:
            yield ProfileFinding("path_vanished", name, "$", 1.0, 0.0, "no row has parsed data any more")
        return
    absent = {"present": 0, "filled": 0, "types": {}}
    for path in sorted({*before["fields"], *now["fields"]}):
        old, new = before["fields"].get(path, absent), now["fields"].get(path, absent)
        present, filled = (old["present"], new["present"]), (old["filled"], new["filled"])
        if not present[1] and _is_expected(present[0], totals):
            yield ProfileFinding(
                "path_vanished", name, path, *_shares(present, totals), "the field is absent from every row"
            )
        elif not present[0] and _is_expected(present[1], totals[::-1]):
            yield ProfileFinding("path_new", name, path, *_shares(present, totals), "the baseline has no such field")
        elif all(present):
            if filled[0] * totals[1] > filled[1] * totals[0] and _differs(filled, totals, tolerance):
                shares = _shares(filled, totals)
                yield ProfileFinding("fill_rate_dropped", name, path, *shares, f"filled: {_change(*shares)}")
            yield from _types(name, path, old["types"], new["types"], tolerance)


def _types(
    name: str, path: str, before: Mapping[str, int], now: Mapping[str, int], tolerance: float
) -> Iterator[ProfileFinding]:
    """Compare the types of values that are there: an empty field is a matter of its fill rate."""
    old = {kind: count for kind, count in before.items() if kind not in _EMPTY_TYPES}
    new = {kind: count for kind, count in now.items() if kind not in _EMPTY_TYPES}
    totals = sum(old.values()), sum(new.values())
    if not all(totals):
        return
    for kind in sorted({*old, *new}):
        counts = old.get(kind, 0), new.get(kind, 0)
        if counts[1] * totals[0] > counts[0] * totals[1] and _differs(counts, totals, tolerance):
            shares = _shares(counts, totals)
            yield ProfileFinding("type_changed", name, path, *shares, f"{kind}: {_change(*shares)}")


def _is_expected(occurrences: int, rows: tuple[int, int]) -> bool:
    """Return whether what occurs in the first rows so often has to occur in as many rows as the second."""
    return occurrences >= _EXPECTED and occurrences * rows[1] >= _EXPECTED * rows[0]


def _differs(counts: tuple[int, int], totals: tuple[int, int], tolerance: float) -> bool:
    """Return whether two shares differ by more than the tolerance, and by more than chance."""
    if not all(totals):
        return False
    shares = _shares(counts, totals)
    difference = abs(shares[0] - shares[1])
    pooled = sum(counts) / sum(totals)
    error = math.sqrt(pooled * (1 - pooled) * (1 / totals[0] + 1 / totals[1]))
    return difference > tolerance and difference > _ERRORS * error


def _shares(counts: tuple[int, int], totals: tuple[int, int]) -> tuple[float, float]:
    return counts[0] / totals[0], counts[1] / totals[1]


def _change(before: float, now: float) -> str:
    return f"{before:.1%} before, {now:.1%} now"
