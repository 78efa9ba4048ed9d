"""How a Deny that keeps Nimble out can exempt it, without giving Nimble more than the contract.

The exemption is one more condition, ``ArnNotEquals`` on ``aws:PrincipalArn``. Conditions are joined by AND, and this
one is true of every principal but Nimble's user, also of a request without the key: so the Deny holds for everybody
else exactly when it held before.

Where another statement would then allow Nimble more than the contract, the Deny is split: the exempted statement is
followed by ones that deny Nimble's user, under the same conditions, everything but the contract.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies.checks.principal_matching import match_statement_principals
from policies.checks.proof import Proof, Verdict, prove_alone
from policies.contracts import AccessContract, Target
from policies.evaluation import known_actions, resource_pattern
from policies.language import (
    NO_VALUES,
    PolicyDocument,
    StateLimitError,
    Statement,
    covers,
    document,
    pattern,
    template,
)

_OPERATOR = "ArnNotEquals"
_KEY = "aws:PrincipalArn"


@dataclass(frozen=True, slots=True)
class Exemption:
    """One Deny, and how it would exempt Nimble."""

    index: int
    """The statement's index, from 0."""
    where: str
    """The statement, as a person finds it."""
    before: Mapping[str, Any]
    """The statement as it is."""
    after: tuple[Mapping[str, Any], ...]
    """The statement with the exemption, and those that deny Nimble everything but the contract."""
    document: Mapping[str, Any]
    """The whole document with this exemption and those before it."""
    proof: Proof
    """The proof of the document with every exemption."""

    @property
    def split(self) -> bool:
        """True when the Deny still denies Nimble everything but the contract."""
        return len(self.after) > 1


def find_exemptions(
    policy: PolicyDocument, contract: AccessContract, target: Target, *, at: datetime | None = None
) -> Iterator[Exemption]:
    """Yield an exemption for each Deny that takes away what the contract needs, or may do so, were it granted.

    Nothing is yielded for a Deny that an assumption decides, and none for a document or a bound that is unknown.
    """
    blocking = [each for each in policy.statements if _blocks(each, policy, contract, target, at)]
    current = policy
    replaced: list[tuple[Statement, list[dict[str, Any]], PolicyDocument]] = []
    shift = 0
    for each in blocking:
        after = [exempt(each, contract.principal)]
        if _grants_more(current, each, contract, target):
            after += _rest_of(each, contract, target, current)
        value = _with_statements(current, each.index + shift, after)
        shift += len(after) - 1
        current = document(value, kind=policy.kind, source=policy.source)
        replaced.append((each, after, current))
    if replaced:
        proof = prove_alone(contract, target, current, at=at)
        for each, after, changed in replaced:
            yield Exemption(each.index, each.label, each.value, tuple(after), changed.value, proof)


def _blocks(
    statement: Statement, policy: PolicyDocument, contract: AccessContract, target: Target, at: datetime | None
) -> bool:
    """Return whether a Deny alone takes away what everything else would allow, or a condition decides whether.

    One statement at a time: together, the conditions of many would be tried in every combination.
    """
    if statement.effect != "Deny":
        return False
    allowed = {"Effect": "Allow", "Principal": {"AWS": contract.principal}, "Action": "*", "Resource": "*"}
    value = {**policy.value, "Statement": [allowed, dict(statement.value)]}
    alone = prove_alone(contract, target, document(value, kind=policy.kind), at=at)
    return any(_is_blocked(each) for each in (*alone.verdicts, *alone.key_verdicts))


def exempt(statement: Statement, principal: str) -> dict[str, Any]:
    """Return a Deny that is unchanged for everybody but ``principal``."""
    value = copy.deepcopy(dict(statement.value))
    conditions = dict(value.get("Condition", {}))
    operator = next((each for each in conditions if each.lower() == _OPERATOR.lower()), _OPERATOR)
    tests = dict(conditions.get(operator, {}))
    key = next((each for each in tests if each.lower() == _KEY.lower()), _KEY)
    given = tests.get(key, [])
    listed = [*given, principal] if isinstance(given, list) else [given, principal]
    tests[key] = listed if len(listed) > 1 else principal
    conditions[operator] = tests
    value["Condition"] = conditions
    return value


def _is_blocked(verdict: Verdict) -> bool:
    """Return whether a Deny takes a requirement away, or a condition of unknown value may."""
    if verdict.granted:
        return False
    return verdict.state == "fails" or all(each.kind == "condition" for each in verdict.reasons)


def _grants_more(policy: PolicyDocument, blocking: Statement, contract: AccessContract, target: Target) -> bool:
    """Return whether another statement may allow Nimble what the contract does not need and the Deny denies."""
    scopes = _scopes(contract, target, key=policy.kind == "kms")
    return any(
        each.effect == "Allow" and _applies(each, contract) and not _is_within(each, scopes, blocking)
        for each in policy.statements
    )


def _applies(statement: Statement, contract: AccessContract) -> bool:
    found = match_statement_principals(statement, contract.principal)
    return found.matches or bool(found.undecided)


def _is_within(statement: Statement, scopes: Sequence[tuple[frozenset[str], str]], blocking: Statement) -> bool:
    """Return whether a statement allows nothing but the contract, of what ``blocking`` denies."""
    if statement.not_action or statement.not_resource:
        return False
    denied = _names(blocking.actions)
    names = {name for name in _names(statement.actions) if (name in denied) is not blocking.not_action}
    for resource in statement.resources:
        for name in names:
            if not any(name in actions and _inside(statement, resource, scope, name) for actions, scope in scopes):
                return False
    return True


def _inside(statement: Statement, resource: str, scope: str, action: str) -> bool:
    """Return whether an action has an effect on a resource only inside a scope."""
    works_on = {kind for known in known_actions(action) for kind in known.resources}
    name = resource.split(":", 5)[-1]
    if "bucket" in works_on and "object" not in works_on and "/" in name:
        return True  # an action on buckets does nothing on objects
    if "object" in works_on and "bucket" not in works_on and "/" not in name and "*" not in name:
        return True
    tokens = template(resource, variables=statement.variables, wildcards=True).resolve(NO_VALUES)
    if tokens is None:
        return False
    try:
        return covers([pattern(scope)], resource_pattern(tokens))
    except StateLimitError:
        return False


def _names(actions: Sequence[str]) -> set[str]:
    return {known.name for each in actions for known in known_actions(each)}


def _scopes(contract: AccessContract, target: Target, *, key: bool) -> list[tuple[frozenset[str], str]]:
    """Return what the contract allows: actions, and the resource they are allowed on."""
    found = []
    for each in contract.key_statements if key else contract.statements:
        for scope in each.scopes:
            if scope in ("bucket", "key") or scope in target.prefixes:
                resource = {"bucket": target.bucket_arn, "key": "*"}.get(scope) or target.objects_arn(scope)
                found.append((frozenset(_names(each.actions)), resource))
    return found


def _rest_of(
    statement: Statement, contract: AccessContract, target: Target, policy: PolicyDocument
) -> list[dict[str, Any]]:
    """Return statements that deny Nimble's user everything but the contract, where ``statement`` denied it."""
    key = policy.kind == "kms"
    scopes = _scopes(contract, target, key=key)
    parts: list[dict[str, Any]] = []
    common = {"Effect": "Deny", "Principal": {"AWS": contract.principal}}
    if not key and all(target.prefixes.values()):
        # Outside the contract's resources: all that the statement denied.
        action = "NotAction" if statement.not_action else "Action"
        resources = [scope for _, scope in scopes]
        parts.append({**common, action: statement.value[action], "NotResource": sorted(set(resources))})
    for resource in dict.fromkeys(scope for _, scope in scopes):
        allowed = sorted({name for actions, scope in scopes if scope == resource for name in actions})
        parts.append({**common, "NotAction": allowed, "Resource": resource})
    condition = copy.deepcopy(statement.value.get("Condition"))
    taken = {each.sid for each in policy.statements}
    for number, each in enumerate(parts, start=1):
        if condition:
            each["Condition"] = condition
        if statement.sid:
            sid = f"{statement.sid}Nimble{number}"
            while sid in taken:
                sid += "x"
            taken.add(sid)
            parts[number - 1] = {"Sid": sid, **each}
    return parts


def _with_statements(policy: PolicyDocument, index: int, statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    given = policy.value["Statement"]
    values = given if isinstance(given, list) else [given]
    after: list[Any] = [*values[:index], *statements, *values[index + 1 :]]
    if not isinstance(given, list) and len(after) == 1:
        return {**policy.value, "Statement": after[0]}
    return {**policy.value, "Statement": after}
