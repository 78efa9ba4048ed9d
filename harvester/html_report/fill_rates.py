"""Fill rates of the accepted and the newest profile side by side. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class FillRate(NamedTuple):
    """How often a field is filled, in two profiles."""

    group: str
    """Agent or shape."""
    field: str
    """Path of the field."""
    accepted: float | None
    """Share of rows in the accepted profile, 0 to 1; None where it lacks the field."""
    newest: float | None
    """The same in the newest profile."""

    @property
    def change(self) -> float:
        """By how much the share grew; a field that is absent counts as empty."""
        return (self.newest or 0.0) - (self.accepted or 0.0)


def compare_fill_rates(
    accepted: Mapping[str, Any] | None, newest: Mapping[str, Any] | None, most: int
) -> tuple[tuple[FillRate, ...], int]:
    """Return the fill rates, the largest changes first, at most ``most``; and how many were left out.

    The documents are read leniently: the files may have been edited.
    """
    old, new = _rates(accepted), _rates(newest)
    rates = [FillRate(*key, old.get(key), new.get(key)) for key in sorted({*old, *new})]
    rates.sort(key=lambda each: -abs(each.change))
    return tuple(rates[:most]), max(0, len(rates) - most)


def _rates(groups: Mapping[str, Any] | None) -> dict[tuple[str, str], float]:
    found = {}
    for name, group in (groups or {}).items():
        fields = group.get("fields") if isinstance(group, dict) else None
        for path, field in fields.items() if isinstance(fields, dict) else ():
            rate = field.get("fill_rate") if isinstance(field, dict) else None
            if isinstance(rate, int | float):
                found[name, path] = min(1.0, max(0.0, float(rate)))
    return found
