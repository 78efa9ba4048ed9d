"""How a Deny that keeps Nimble out could exempt it, and what that changes for anybody else: nothing.

The exemption is one more condition, ``ArnNotEquals`` on ``aws:PrincipalArn``. Conditions are joined by
AND, and this one is true of everybody but Nimble's user, also of a request without the key: so the Deny
holds for everybody else exactly when it held before.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.checks.proof import prove_alone
from policies.checks.verdicts import Proof
from policies.contracts import AccessContract, Target
from policies.language import PolicyDocument, Statement, document

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
    after: Mapping[str, Any]
    """The statement with the exemption."""
    document: Mapping[str, Any]
    """The whole document with this exemption and those before it."""
    proof: Proof
    """What the contract finds in that document."""


def exemptions(policy: PolicyDocument, contract: AccessContract, target: Target) -> Iterator[Exemption]:
    """Yield an exemption for each Deny that takes away what the contract needs, or may do so."""
    current = policy
    exempted: set[int] = set()
    while True:
        blocking = _blocking(prove_alone(contract, target, current), current, exempted)
        if blocking is None:
            return
        exempted.add(blocking.index)
        after = exempt(blocking, contract.principal)
        value = _with_statement(current, blocking.index, after)
        current = document(value, kind=policy.kind, source=policy.source)
        proof = prove_alone(contract, target, current)
        yield Exemption(blocking.index, blocking.label, blocking.value, after, value, proof)


def exempt(statement: Statement, principal: str) -> dict[str, Any]:
    """Return a Deny that says the same of everybody but ``principal``."""
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


def _blocking(proof: Proof, policy: PolicyDocument, exempted: set[int]) -> Statement | None:
    for verdict in (*proof.verdicts, *proof.key_verdicts):
        if verdict.state == "holds":
            continue
        for reference in verdict.statements:
            statement = policy.statements[reference.index]
            if statement.effect == "Deny" and reference.index not in exempted:
                return statement
    return None


def _with_statement(policy: PolicyDocument, index: int, statement: Mapping[str, Any]) -> dict[str, Any]:
    given = policy.value["Statement"]
    if not isinstance(given, list):
        return {**policy.value, "Statement": statement}
    return {
        **policy.value,
        "Statement": [statement if at == index else each for at, each in enumerate(given)],
    }
