"""The global condition keys of AWS (``aws:…``) with their types, read from ``global_keys.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from functools import cache
from pkgutil import get_data
from types import MappingProxyType
from typing import Any

ALIKE = 0.85
"""The similarity from which a name counts as another one misspelt."""
_COMPARABLE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "numeric": frozenset({"numeric", "date"}),
        "date": frozenset({"date"}),
        "ip": frozenset({"ip"}),
        "bool": frozenset({"bool"}),
        "arn": frozenset({"arn"}),
    }
)
"""The types of keys that an operator's family can compare; string operators and Null compare every type."""


@cache
def _keys() -> Mapping[str, tuple[str, str]]:
    data: dict[str, Any] = json.loads(get_data("policies.checks", "global_keys.json") or b"")
    return MappingProxyType({name.lower(): (name, kind) for name, kind in data["keys"].items()})


def global_key_type(key: str) -> str | None:
    """Return the type of a global key, given in lower case; None for a key that the table does not have."""
    name, slash, _ = key.partition("/")
    found = _keys().get(f"{name}/" if slash else key)
    return found[1] if found is not None else None


def global_key_name(key: str) -> str | None:
    """Return a global key, given in lower case, as AWS writes it; None for a key that the table does not have."""
    found = _keys().get(key)
    return found[0] if found is not None else None


def can_compare(family: str, kind: str) -> bool:
    """Return whether operators of a family compare keys of a type."""
    return family not in _COMPARABLE or kind in _COMPARABLE[family]


def similar_global_key(key: str) -> str | None:
    """Return the global key that a name misspells, as AWS writes it; None where none is similar."""
    return closest(key, (name for name, _ in _keys().values()))


def closest(wanted: str, names: Iterable[str]) -> str | None:
    """Return the name most similar to ``wanted``, compared without case; None where none is similar."""
    folded = wanted.lower()
    scored = ((SequenceMatcher(None, folded, each.lower()).ratio(), each) for each in names)
    best = max(scored, default=(0.0, ""))
    return best[1] if best[0] >= ALIKE else None
