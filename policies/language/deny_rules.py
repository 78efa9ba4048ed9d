"""Read the rules of a deny policy of Google Cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.policy_errors import GrammarError


@dataclass(frozen=True, slots=True)
class DenyRule:
    """One rule of a deny policy. Source: the API reference of IAM v2, "DenyRule"."""

    principals: tuple[str, ...]
    """Those that it denies, such as ``principalSet://goog/public:all``."""
    exception_principals: tuple[str, ...]
    """Those among them that it does not deny."""
    permissions: tuple[str, ...]
    """The permissions, written ``storage.googleapis.com/objects.create``; each part may be ``*``."""
    exception_permissions: tuple[str, ...]
    """Those among them that it does not deny."""
    condition: str
    """The expression under which it applies; empty without one."""


def parse_deny_rules(value: Any, path: str) -> tuple[DenyRule, ...]:
    """Return the rules in the field ``rules``; raises GrammarError for what is none, with its JSON path."""
    return tuple(_rules(value, path))


def _rules(value: Any, path: str) -> Iterator[DenyRule]:
    if not isinstance(value, list):
        raise GrammarError("not a list of rules", path=path)
    for number, each in enumerate(value):
        at = f"{path}[{number}].denyRule"
        rule = each.get("denyRule") if isinstance(each, Mapping) else None
        if not isinstance(rule, Mapping):
            raise GrammarError("no rule of a deny policy", path=at)
        condition = rule.get("denialCondition")
        expression = condition.get("expression") if isinstance(condition, Mapping) else condition
        if expression is not None and not isinstance(expression, str):
            raise GrammarError("a condition has an expression", path=f"{at}.denialCondition")
        yield DenyRule(
            _texts(rule, "deniedPrincipals", at),
            _texts(rule, "exceptionPrincipals", at),
            _texts(rule, "deniedPermissions", at),
            _texts(rule, "exceptionPermissions", at),
            expression or "",
        )


def _texts(rule: Mapping[str, Any], name: str, path: str) -> tuple[str, ...]:
    given = rule.get(name, [])
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise GrammarError("not a list of strings", path=f"{path}.{name}")
    return tuple(given)
