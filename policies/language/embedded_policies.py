"""Find the policy in a document of an unknown form, such as an output, an inventory or another tool's state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.language.strict_json import compact_json, parse_json
from policies.policy_errors import ParseError

_MAX_VALUES = 100_000
"""How many values are searched; no answer of a cloud about one bucket has a hundredth of them."""
_TEXTS = 2
"""How deep texts that hold JSON are opened: an answer may hold a description that holds a policy."""


def embedded_policies(value: Any) -> list[Mapping[str, Any]]:
    """Return the policies of a bucket or a key inside ``value``, each once, from objects and from texts."""
    found: dict[str, Mapping[str, Any]] = {}
    for policy in _policies(value):
        found.setdefault(compact_json(policy), policy)
    return list(found.values())


def _policies(value: Any) -> Iterator[Mapping[str, Any]]:
    waiting: list[tuple[Any, int]] = [(value, _TEXTS)]
    for _ in range(_MAX_VALUES):
        if not waiting:
            return
        one, texts = waiting.pop()
        if isinstance(one, Mapping):
            if _is_policy(one):
                yield one
            else:
                waiting += [(each, texts) for each in one.values()]
        elif isinstance(one, list):
            waiting += [(each, texts) for each in one]
        elif isinstance(one, str) and texts and one.lstrip().startswith("{") and '"' in one:
            try:
                waiting.append((parse_json(one), texts - 1))
            except ParseError:
                continue


def _is_policy(value: Mapping[str, Any]) -> bool:
    """Return whether a value is a policy of a resource: its statements name principals and resources."""
    given = value.get("Statement")
    statements = given if isinstance(given, list) else [given]
    return bool(statements) and all(
        isinstance(each, Mapping)
        and "Effect" in each
        and each.keys() & {"Principal", "NotPrincipal"}
        and each.keys() & {"Resource", "NotResource"}
        for each in statements
    )
