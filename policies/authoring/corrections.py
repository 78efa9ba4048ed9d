"""Correct what the cloud would refuse in a policy, where it is certain what is meant.

A misspelt action, resource, condition key or Sid is written as its finding names it. A statement for Nimble's principal
alone that is refused all the same is removed: the contract's own statements take its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.checks import Finding, FixAction, can_be_narrowed, store_findings
from policies.contracts import AccessContract, Target
from policies.language import CONDITION_VERSION, PolicyDocument, document

_ROUNDS = 3
"""How often corrections are searched: one may show another, such as the bucket of a URL that became an ARN."""


def corrected(policy: PolicyDocument, contract: AccessContract, target: Target, steps: list[str]) -> PolicyDocument:
    """Return the document with its corrections; adds what is done to ``steps``."""
    current = policy
    for _ in range(_ROUNDS):
        found = [each for each in _refused(current, target) if each.fix.action is FixAction.CORRECT and each.fix["to"]]
        value = _with_corrections(current, found, steps)
        if value is None:
            break
        current = document(value, kind=policy.kind, source=policy.source)
    return _without_refused(current, contract, target, steps)


def _refused(policy: PolicyDocument, target: Target) -> list[Finding]:
    return [each for each in store_findings(policy, target) if each.severity == "error" and each.provider_message]


def _with_corrections(policy: PolicyDocument, found: Sequence[Finding], steps: list[str]) -> dict[str, Any] | None:
    """Return the document's value with corrections; None where there is nothing to correct."""
    if policy.kind == "gcs":
        # A version is all that is corrected in bindings: members are removed by name.
        if not found:
            return None
        steps.append(f"set version {CONDITION_VERSION}, which a binding with a condition needs")
        return {**policy.value, "version": CONDITION_VERSION}
    given = policy.value["Statement"]
    values: list[Any] = list(given) if isinstance(given, list) else [given]
    done = 0
    for each in found:
        fix, at = each.fix, each.statement
        if at is None:
            continue
        after = _replaced(values[at], fix["element"], fix["text"], fix["to"])
        if after is not None:
            values[at] = after
            steps.append(f"correct {each.where}: {fix['text']} is {fix['to']}")
            done += 1
    if not done:
        return None
    return {**policy.value, "Statement": values if isinstance(given, list) else values[0]}


def _replaced(statement: Mapping[str, Any], element: str, text: str, to: str) -> dict[str, Any] | None:
    """Return a statement with ``to`` in place of ``text``; None where it does not have it."""
    if element == "Condition":
        conditions = _with_key(statement.get("Condition", {}), text, to)
        return None if conditions is None else {**statement, "Condition": conditions}
    given = statement.get(element)
    listed = given if isinstance(given, list) else [given]
    if text not in listed:
        return None
    # Two names may mean the same, such as HeadBucket and ListObjectsV2.
    texts = list(dict.fromkeys(to if each == text else each for each in listed))
    return {**statement, element: texts if isinstance(given, list) else texts[0]}


def _with_key(conditions: Mapping[str, Any], text: str, to: str) -> dict[str, Any] | None:
    after = {}
    found = False
    for operator, tests in conditions.items():
        named = next((key for key in tests if key.lower() == text.lower()), None)
        # Under an operator that has the right key too, which of the two is meant is not certain.
        if named is None or any(key.lower() == to.lower() for key in tests):
            after[operator] = tests
            continue
        found = True
        after[operator] = {to if key == named else key: values for key, values in tests.items()}
    return after if found else None


def _without_refused(
    policy: PolicyDocument, contract: AccessContract, target: Target, steps: list[str]
) -> PolicyDocument:
    """Return the document without statements for Nimble alone that the cloud refuses."""
    if policy.kind == "gcs":
        return policy
    refused = {each.statement for each in _refused(policy, target)}
    gone = [each for each in policy.statements if each.index in refused and can_be_narrowed(each, contract)]
    if not gone:
        return policy
    steps += [f"replace {each.label}, which the cloud refuses" for each in gone]
    kept = [each.value for each in policy.statements if each not in gone]
    return document({**policy.value, "Statement": kept}, kind=policy.kind, source=policy.source)
