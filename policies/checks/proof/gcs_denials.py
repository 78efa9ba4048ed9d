"""Prove whether the deny policies that a Cloud Storage bucket inherits deny a permission.

Source: the page "Deny policies" of Cloud IAM, and the API reference of IAM v2, "DenyRule".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from policies.checks.proof.gcs_conditions import NameTest, holds, parse_expression, single_tests
from policies.checks.proof.verdicts import UnknownReason
from policies.language import DenyRule, PolicyDocument

_SERVICE = "storage.googleapis.com"
_EVERYONE = "principalSet://goog/public:all"
_ACCOUNT = "principal://iam.googleapis.com/projects/-/serviceAccounts/"
_OTHERS = ("principal://goog/subject/", "deleted:")
"""Beginnings of principals that are no service account, or none any more."""


class Denial(NamedTuple):
    """What deny policies do to a permission."""

    rules: tuple[str, ...]
    """The policies that certainly deny it, in words."""
    reasons: tuple[UnknownReason, ...]
    """Why others may deny it."""


def prove_denials(
    member: str, permission: str, policies: Iterable[PolicyDocument], *, at: datetime | None = None
) -> Denial:
    """Prove whether ``policies`` deny a permission, such as ``storage.objects.create``, to a service account."""
    account = member.partition(":")[2]
    wanted = permission.removeprefix("storage.")
    certain: dict[str, None] = {}
    reasons: dict[UnknownReason, None] = {}
    for policy in policies:
        if policy.denials is None:
            detail = "whether it denies Nimble's service account"
            reasons[
                UnknownReason("unread", _label(policy), permission="iam.denypolicies.get", detail=detail, denies=True)
            ] = None
        for rule in policy.denials or ():
            found = _decide(rule, account, wanted, at)
            if found is True:
                certain[_label(policy)] = None
            elif found is not False:
                reasons.update(dict.fromkeys(found))
    return Denial(tuple(certain), tuple(reasons))


def _label(policy: PolicyDocument) -> str:
    name = str(policy.value.get("name", "")).rpartition("/")[2]
    return f"deny policy {name} of {policy.source}" if name else f"deny policy of {policy.source}"


def _decide(rule: DenyRule, account: str, wanted: str, at: datetime | None) -> bool | list[UnknownReason]:
    """Return whether a rule denies the permission, or why that is not known."""
    if not _names(rule.permissions, wanted) or _names(rule.exception_permissions, wanted):
        return False
    applies = _holds(rule.condition, at) if rule.condition else True
    denied, excepted = _includes(rule.principals, account), _includes(rule.exception_principals, account)
    if applies is False or denied is False or excepted is True:
        return False
    open_sets = [*_sets(rule.principals)] if denied is None else []
    open_sets += _sets(rule.exception_principals) if excepted is None else []
    detail = "whether Nimble's service account is a member"
    reasons = [UnknownReason("unread", each, detail=detail, denies=True) for each in open_sets]
    if applies is None:
        reasons.append(UnknownReason("condition", rule.condition, denies=True))
    return reasons or True


def _holds(condition: str, at: datetime | None) -> bool | None:
    expression = parse_expression(condition)
    if any(isinstance(each, NameTest) for each in single_tests(expression)):
        return None  # deny policies have no conditions on names
    return holds(expression, "", at)


def _names(permissions: Sequence[str], wanted: str) -> bool:
    resource, _, verb = wanted.partition(".")
    for each in permissions:
        service, _, name = each.partition("/")
        named_resource, _, named_verb = name.partition(".")
        if service == _SERVICE and named_resource in ("*", resource) and named_verb in ("*", verb):
            return True
    return False


def _includes(principals: Sequence[str], account: str) -> bool | None:
    """Return whether principals include a service account; None where that depends on the members of a set."""
    named = (_ACCOUNT + account).lower()  # IAM ignores the case of addresses
    if any(each == _EVERYONE or each.lower() == named for each in principals):
        return True
    return None if _sets(principals) else False


def _sets(principals: Sequence[str]) -> list[str]:
    """Return the principals of which the members are not known."""
    return [each for each in principals if not each.startswith((_ACCOUNT, *_OTHERS)) and each != _EVERYONE]
