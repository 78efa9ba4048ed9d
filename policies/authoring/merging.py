"""Our statements in somebody else's document: added or brought up to date, and nothing else touched.

A statement is ours when its Sid is one of the contract's (or that with a number after it), it admits
Nimble's principal alone, and it has no condition. A Deny that keeps Nimble out belongs to somebody else:
how it could exempt Nimble is proposed, with what that would change, and done only on demand.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.authoring.generation import generate, generate_key_statement
from policies.checks import Exemption, Proof, exemptions, misplaced, prove, prove_alone, refusals
from policies.contracts import AccessContract, Target
from policies.evaluation import known_actions, resource_pattern
from policies.language import (
    CONDITION_VERSION,
    NO_VALUES,
    Pattern,
    PolicyDocument,
    StateLimitError,
    Statement,
    covers,
    document,
    dump_json,
    template,
)
from policies.policy_errors import MergeError


@dataclass(frozen=True, slots=True)
class Change:
    """What a merge does to a document."""

    before: PolicyDocument
    """The document as it was given."""
    after: PolicyDocument
    """The document as it would be; the same object when nothing changes."""
    steps: tuple[str, ...]
    """What is done, in words; empty when nothing changes."""
    exemptions: tuple[Exemption, ...]
    """How each Deny that keeps Nimble out could exempt it; done already when that was asked for."""
    proof: Proof
    """What the contract finds in ``after``."""

    @property
    def changed(self) -> bool:
        """Tell whether the document changes."""
        return self.after is not self.before

    @property
    def diff(self) -> str:
        """The change as a unified diff of both documents written alike; empty when nothing changes."""
        name = self.before.source or "policy.json"
        return unified_diff(self.before.value, self.after.value, name)


def unified_diff(before: Mapping[str, Any], after: Mapping[str, Any], name: str, outcome: str = "merged") -> str:
    """Return a unified diff of two documents written alike."""
    old, new = dump_json(before).splitlines(keepends=True), dump_json(after).splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, f"{name} (now)", f"{name} ({outcome})"))


def merge(policy: PolicyDocument, contract: AccessContract, target: Target, *, exempt: bool = False) -> Change:
    """Return what makes ``policy`` grant the contract at the target.

    With ``exempt``, statements that deny Nimble are given the exemption otherwise only proposed. Raises
    MergeError where the cloud would refuse the outcome, or the document is not one this can be merged
    into.
    """
    _check_kind(policy, contract)
    steps: list[str] = []
    if contract.cloud == "gs":
        value = _merge_bindings(policy, contract, target, steps)
    else:
        value = _merge_statements(policy, contract, target, steps)
    merged = document(value, kind=policy.kind, source=policy.source) if steps else policy
    found = tuple(exemptions(merged, contract, target)) if contract.cloud == "s3" else ()
    if exempt and found:
        steps += [f"exempt {contract.principal} from {each.where}" for each in found]
        merged = document(found[-1].document, kind=policy.kind, source=policy.source)
    _check_outcome(merged, target)
    return Change(policy, merged, tuple(steps), found, prove_alone(contract, target, merged))


def _check_kind(policy: PolicyDocument, contract: AccessContract) -> None:
    if policy.fragment:
        raise MergeError(
            f"{policy.source or 'the text'} is a bare statement",
            cause="there is no document to merge into",
            next_step="give the whole policy: aws kms get-key-policy, or aws s3api get-bucket-policy",
        )
    if (policy.kind == "gcs") is not (contract.cloud == "gs"):
        raise MergeError(
            f"{policy.source or 'the document'} is a {policy.kind.upper()} policy, the contract is for {contract.cloud}://",
            next_step=f"use --cloud {'gs' if policy.kind == 'gcs' else 's3'}",
        )


def _check_outcome(policy: PolicyDocument, target: Target) -> None:
    for each in (*misplaced(policy, target), *refusals(policy)):
        if each.severity == "error":
            where = f"{each.where}: " if each.where else ""
            said = f" (the cloud says: {each.provider_message})" if each.provider_message else ""
            raise MergeError(
                f"the merged {policy.source or 'document'} would be refused",
                cause=f"{where}{each.message}{said}",
                next_step=each.fix,
            )


def _merge_statements(
    policy: PolicyDocument, contract: AccessContract, target: Target, steps: list[str]
) -> dict[str, Any]:
    given = policy.value["Statement"]
    values: list[Any] = list(given) if isinstance(given, list) else [given]
    for wanted in _wanted(policy, contract, target):
        ours = [each for each in policy.statements if _is_ours(each, wanted, contract)]
        stale = _stale(ours, wanted)
        if any(_same_meaning(each, wanted) for each in ours) or (
            stale is None and _is_granted(policy, wanted, contract)
        ):
            continue
        if stale is not None:
            values[stale.index] = {**wanted.value, "Sid": stale.sid}
            steps.append(f"update {stale.label}: {_summary(wanted)}")
        else:
            sid = _free_sid(wanted.sid or "", values)
            values.append({**wanted.value, "Sid": sid})
            steps.append(f"add statement {sid}: {_summary(wanted)}")
            _check_escapes(policy, wanted)
    return {**policy.value, "Statement": values}


def _wanted(policy: PolicyDocument, contract: AccessContract, target: Target) -> Sequence[Statement]:
    if policy.kind == "kms":
        return generate_key_statement(contract, target).statements
    return generate(contract, target).statements


def _summary(statement: Statement) -> str:
    return f"{', '.join(statement.actions)} on {', '.join(statement.resources)}"


def _is_ours(statement: Statement, wanted: Statement, contract: AccessContract) -> bool:
    known = re.fullmatch(re.escape(wanted.sid or "") + r"[0-9]*", statement.sid or "")
    principals = statement.principals
    return (
        known is not None
        and statement.effect == "Allow"
        and principals.named == (contract.principal,)
        and not (principals.everyone or statement.not_principal or statement.not_action or statement.not_resource)
        and not statement.conditions
    )


def _same_meaning(one: Statement, other: Statement) -> bool:
    return _names(one) == _names(other) and set(one.resources) == set(other.resources)


def _names(statement: Statement) -> set[str]:
    return {known.name for each in statement.actions for known in known_actions(each)}


def _stale(ours: Sequence[Statement], wanted: Statement) -> Statement | None:
    """Return the statement of ours that is about the same target, and says something else about it."""
    for each in ours:
        if not _same_meaning(each, wanted) and _covers(_patterns(wanted), _patterns(each)):
            return each
    return None


def _patterns(statement: Statement) -> list[Pattern]:
    texts = (template(each, variables=statement.variables, wildcards=True) for each in statement.resources)
    # A variable, also one with a default, names no resource for certain.
    return [resource_pattern(None if each.variables else each.resolve(NO_VALUES)) for each in texts]


def _covers(covering: Sequence[Pattern], covered: Sequence[Pattern]) -> bool:
    try:
        return all(covers(covering, each) for each in covered)
    except StateLimitError:
        return False


def _is_granted(policy: PolicyDocument, wanted: Statement, contract: AccessContract) -> bool:
    """Tell whether statements, whoever's they are, already grant all of it to Nimble by name and without
    condition."""
    for name in _names(wanted):
        granting: list[Pattern] = []
        for each in policy.statements:
            plain = each.effect == "Allow" and not (
                each.not_principal or each.not_action or each.not_resource or each.conditions
            )
            if plain and contract.principal in each.principals.aws and name in _names(each):
                granting += _patterns(each)
        if not _covers(granting, _patterns(wanted)):
            return False
    return True


def _free_sid(sid: str, values: Sequence[Any]) -> str:
    taken = {each.get("Sid") for each in values}
    candidates = (f"{sid}{number or ''}" for number in (0, *range(2, len(values) + 3)))
    return next(each for each in candidates if each not in taken)


def _check_escapes(policy: PolicyDocument, wanted: Statement) -> None:
    if any("${" in each for each in wanted.resources) and policy.value.get("Version") != "2012-10-17":
        raise MergeError(
            f"{policy.source or 'the document'} cannot hold a prefix with * or ? in it",
            cause="its Version does not know the escapes that keep them from being wildcards",
            next_step='set "Version": "2012-10-17" after checking that no value holds ${…}',
        )


def _merge_bindings(
    policy: PolicyDocument, contract: AccessContract, target: Target, steps: list[str]
) -> dict[str, Any]:
    wanted = generate(contract, target)
    if prove(contract, target, policy).complete:
        return dict(policy.value)
    (binding,) = wanted.bindings
    value = {**policy.value, "bindings": [*policy.value.get("bindings", []), binding.value]}
    where = f" under {target.url('prefix')}" if binding.condition else ""
    steps.append(f"add binding: {binding.role} to {contract.principal}{where}")
    if binding.condition and value.get("version") != CONDITION_VERSION:
        value["version"] = CONDITION_VERSION
        steps.append(f"set version {CONDITION_VERSION}, which a binding with a condition needs")
    return value


def describe(change: Change) -> Iterator[str]:
    """Yield the numbered steps of a change, for people."""
    for number, step in enumerate(change.steps, start=1):
        yield f"{number}. {step}"
