"""Compare policies by meaning: services rewrite what they store."""

from __future__ import annotations

import re
from typing import Any

from policies.language import Binding, PolicyDocument, Statement, compact_json

_ROOT = re.compile(r"arn:[^:]+:iam::([0-9]{12}):root\Z")


def same_meaning(one: PolicyDocument | None, other: PolicyDocument | None) -> bool:
    """Return whether two documents mean the same, statement by statement, in the same order.

    Lists of one and single values, the order in lists, an account and its root ARN, the case of actions, and what
    changes with each write (a version, an etag) are no difference.
    """
    return bool(_meaning(one) == _meaning(other))


def grants_at_least(found: PolicyDocument, wanted: PolicyDocument) -> bool:
    """Return whether every member of the wanted bindings has its role in ``found``, beside any others."""
    return _members(wanted) <= _members(found)


def _meaning(document: PolicyDocument | None) -> Any:
    if document is None:
        return ((), frozenset())
    return (
        tuple(_statement(each) for each in document.statements),
        _members(document),
    )


def _members(document: PolicyDocument) -> frozenset[tuple[str, str, str]]:
    return frozenset(_member(binding, each) for binding in document.bindings for each in binding.members)


def _statement(statement: Statement) -> Any:
    principals = statement.principals
    return (
        statement.sid,
        statement.effect,
        principals.everyone,
        frozenset(_account(each) for each in principals.named),
        statement.not_principal,
        frozenset(each.lower() for each in statement.actions),
        statement.not_action,
        frozenset(statement.resources),
        statement.not_resource,
        frozenset((each.operator.lower(), each.key, frozenset(each.values)) for each in statement.conditions),
    )


def _account(named: str) -> str:
    found = _ROOT.match(named)
    return found[1] if found else named


def _member(binding: Binding, member: str) -> tuple[str, str, str]:
    condition = dict(binding.condition or {})
    return binding.role, member, compact_json(condition.get("expression", ""))
