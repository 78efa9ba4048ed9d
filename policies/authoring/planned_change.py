"""Plan a change of a policy: the document as it is, what is to hold in it -> the document it is to become, proved.

The contract's statements are added or brought up to date, and nothing else is touched unless the desired state names
it. A statement is the contract's when its Sid is one of the contract's (or that with a number after it), it admits
Nimble's principal alone, and it has no condition. A Deny that keeps Nimble out is not changed: how it could exempt
Nimble is proposed, with what that would change, and done only on demand.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from policies.authoring.corrections import corrected
from policies.authoring.generation import generate, generate_key_statement
from policies.authoring.removals import without_principals, without_statements
from policies.checks import (
    Exemption,
    Finding,
    Proof,
    can_be_narrowed,
    find_exemptions,
    prove,
    prove_alone,
    refusals_of_change,
)
from policies.contracts import AccessContract, Target
from policies.evaluation import known_actions, resource_pattern
from policies.language import (
    CONDITION_VERSION,
    NO_VALUES,
    VERSION,
    DocumentKind,
    Pattern,
    PolicyDocument,
    StateLimitError,
    Statement,
    covers,
    document,
    dump_json,
    template,
)
from policies.policy_errors import MergeError, PolicyErrorCode


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What is to hold in a policy."""

    contract: AccessContract
    """The contract to grant."""
    target: Target
    """The bucket, the prefixes, and the key when its policy is in question."""
    exempt: bool = False
    """Whether statements that deny Nimble are to exempt it."""
    narrow: bool = False
    """Whether statements for Nimble alone that go beyond the prefix are to be replaced by the contract's."""
    correct: bool = False
    """Whether what the cloud would refuse is to be corrected, where it is certain what is meant."""
    without_statements: tuple[str, ...] = ()
    """Statements to be removed: Sids, or numbers from 1."""
    without_principals: tuple[str, ...] = ()
    """Principals to be removed wherever an Allow or a binding names them."""
    at: datetime | None = None
    """The time the change is proved for; without it, what depends on the time is unknown."""


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What a change does to a document."""

    before: PolicyDocument
    """The document as it was given."""
    after: PolicyDocument
    """The document as it would be; the same object when nothing changes."""
    steps: tuple[str, ...]
    """What is done, in words; empty when nothing changes."""
    exemptions: tuple[Exemption, ...]
    """How each Deny that keeps Nimble out could exempt it; done already when that was desired."""
    proof: Proof
    """The proof of ``after``."""
    findings: tuple[Finding, ...]
    """What is found in ``after``; statements that stay as they were cause warnings at most."""

    @property
    def changed(self) -> bool:
        """Whether the document changes."""
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


def empty_policy(kind: DocumentKind, source: str = "") -> PolicyDocument:
    """Return the policy that grants nothing: what a bucket without a policy is planned from."""
    value: dict[str, Any] = {"bindings": []} if kind == "gcs" else {"Version": VERSION, "Statement": []}
    return document(value, kind=kind, source=source)


def plan_change(policy: PolicyDocument, desired: DesiredState) -> PlannedChange:
    """Return what makes ``policy`` grant what is desired.

    Raises MergeError where the cloud would refuse the changed document, or ``policy`` is of another kind;
    ContractError for a statement or principal to be removed that the document does not have.
    """
    contract, target = desired.contract, desired.target
    _check_kind(policy, contract)
    steps: list[str] = []
    value = without_statements(policy, desired.without_statements, steps) if policy.kind == "s3" else policy.value
    value = without_principals(value, desired.without_principals, steps, kind=policy.kind)
    current = document(value, kind=policy.kind, source=policy.source) if steps else policy
    if desired.correct:
        current = corrected(current, contract, target, steps)
    if contract.cloud == "gs":
        value = _with_binding(current, contract, target, steps)
    else:
        narrowed = _narrowed(current, contract, target, steps) if desired.narrow else current
        value = _with_statements(narrowed, contract, target, steps)
    merged = document(value, kind=policy.kind, source=policy.source) if steps else policy
    found = tuple(find_exemptions(merged, contract, target, at=desired.at)) if contract.cloud == "s3" else ()
    if desired.exempt and found:
        steps += [
            f"exempt {contract.principal} from {each.where}{', within the contract only' if each.split else ''}"
            for each in found
        ]
        merged = document(found[-1].document, kind=policy.kind, source=policy.source)
    refusals = refusals_of_change(merged, target, _changed_statements(policy, merged))
    _check_outcome(merged, refusals)
    proof = prove_alone(contract, target, merged, at=desired.at)
    return PlannedChange(policy, merged, tuple(steps), found, proof, refusals)


def _changed_statements(before: PolicyDocument, after: PolicyDocument) -> frozenset[int]:
    """Return the statements or bindings of ``after`` that ``before`` does not have."""
    if after is before:
        return frozenset()
    kept = [each.value for each in before.statements] + [each.value for each in before.bindings]
    added = [each.index for each in after.statements if each.value not in kept]
    added += [each.index for each in after.bindings if each.value not in kept]
    return frozenset(added)


def _check_kind(policy: PolicyDocument, contract: AccessContract) -> None:
    if policy.fragment:
        raise MergeError(
            f"{policy.source or 'the text'} is a bare statement",
            cause="there is no document to merge into",
            code=PolicyErrorCode.BARE_STATEMENT,
        )
    if (policy.kind == "gcs") is not (contract.cloud == "gs"):
        raise MergeError(
            f"{policy.source or 'the document'} is a {policy.kind.upper()} policy, the contract is for {contract.cloud}://",
            code=PolicyErrorCode.OTHER_CLOUD,
            parameters={"cloud": "gs" if policy.kind == "gcs" else "s3"},
        )


def _check_outcome(policy: PolicyDocument, findings: Sequence[Finding]) -> None:
    """Raise for the first finding that the cloud refuses the document for."""
    for each in findings:
        if each.severity == "error":
            where = f"{each.where}: " if each.where else ""
            answer = f" (the cloud answers: {each.provider_message})" if each.provider_message else ""
            raise MergeError(
                f"the merged {policy.source or 'document'} would be refused",
                cause=f"{where}{each.message}{answer}",
                finding=each,
            )


def _narrowed(policy: PolicyDocument, contract: AccessContract, target: Target, steps: list[str]) -> PolicyDocument:
    """Return the document without statements for Nimble alone that are wider than the contract's."""
    if policy.kind == "kms":
        return policy
    wanted = _wanted(policy, contract, target)
    wide = [
        each
        for each in policy.statements
        if can_be_narrowed(each, contract) and not any(_is_within(each, own) for own in wanted)
    ]
    if not wide:
        return policy
    steps += [f"replace {each.label}, which goes beyond the contract" for each in wide]
    gone = {each.index for each in wide}
    kept = [each.value for each in policy.statements if each.index not in gone]
    return document({**policy.value, "Statement": kept}, kind=policy.kind, source=policy.source)


def _is_within(statement: Statement, wanted: Statement) -> bool:
    return (
        not (statement.not_action or statement.not_resource)
        and _names(statement) <= _names(wanted)
        and _covers(_patterns(wanted), _patterns(statement))
    )


def _with_statements(
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
    """Return the statement of the contract's that is about the same resources, and grants something else."""
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
    """Return whether statements already grant all of it to Nimble by name and without condition."""
    for name in _names(wanted):
        granting: list[Pattern] = []
        for each in policy.statements:
            plain = each.effect == "Allow" and not (
                each.not_principal or each.not_action or each.not_resource or each.conditions or _has_variables(each)
            )
            if plain and contract.principal in each.principals.aws and name in _names(each):
                granting += _patterns(each)
        if not _covers(granting, _patterns(wanted)):
            return False
    return True


def _has_variables(statement: Statement) -> bool:
    """Return whether a resource holds a policy variable: its value is not known, also where it has a default."""
    texts = (template(each, variables=statement.variables, wildcards=True) for each in statement.resources)
    return any(each.variables for each in texts)


def _free_sid(sid: str, values: Sequence[Any]) -> str:
    taken = {each.get("Sid") for each in values}
    candidates = (f"{sid}{number or ''}" for number in (0, *range(2, len(values) + 3)))
    return next(each for each in candidates if each not in taken)


def _check_escapes(policy: PolicyDocument, wanted: Statement) -> None:
    if any("${" in each for each in wanted.resources) and policy.value.get("Version") != "2012-10-17":
        raise MergeError(
            f"{policy.source or 'the document'} cannot hold a prefix with * or ? in it",
            cause="its Version does not know the escapes that keep them from being wildcards",
            code=PolicyErrorCode.ESCAPES_UNKNOWN,
        )


def _with_binding(policy: PolicyDocument, contract: AccessContract, target: Target, steps: list[str]) -> dict[str, Any]:
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
