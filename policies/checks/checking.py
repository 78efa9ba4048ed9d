"""Check documents against a contract: a verdict per requirement, the chips, and every finding."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from policies.checks.chip_forecast import ChipForecast, forecast_chips
from policies.checks.findings import Finding, Fix, FixAction, finding
from policies.checks.overgrants import can_be_narrowed, overgrant_findings
from policies.checks.proof import NOT_PROVEN, Proof, UnknownReason, Verdict, prove, prove_alone
from policies.checks.requirement_findings import requirement_findings
from policies.checks.rules import SEVERITIES, Severity
from policies.checks.store_limits import region_findings, store_findings
from policies.contracts import AccessContract, Requirement, Target, facts
from policies.evaluation import OLD_AFTER_DAYS, action_table
from policies.language import PolicyDocument

KEY_POLICY_NOT_GIVEN = UnknownReason("unread", "key policy", permission="kms:GetKeyPolicy")
"""The reason while the bucket's key is known, but not its policy."""
_NEAR_MISSES = frozenset({"principal-typo", "prefix-typo", "resource-without-wildcard", "other-mode-principal"})
_PREFER_REQUIREMENTS = frozenset({"requirement-missing", "requirement-denied", "grant-expired"})


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of a check."""

    proof: Proof
    """The verdict per requirement."""
    chips: tuple[ChipForecast, ...]
    """What Test Connection would show for reading and for writing; empty for GCS."""
    findings: tuple[Finding, ...]
    """Every finding, gravest first, then in the document's order."""
    at: datetime
    """The time that it was decided for."""
    inherited: tuple[PolicyDocument, ...] | None = None
    """The policies that the bucket inherits from; None where they were not read."""

    def fails(self, on: Severity = "error") -> bool:
        """Return whether there is a finding at least as grave as ``on``."""
        return any(SEVERITIES.index(each.severity) >= SEVERITIES.index(on) for each in self.findings)


def check(
    contract: AccessContract,
    target: Target,
    policy: PolicyDocument | UnknownReason | None,
    key_policy: PolicyDocument | UnknownReason | None = None,
    *,
    raw_size: int | None = None,
    at: datetime | None = None,
    inherited: Sequence[PolicyDocument] | None = None,
) -> CheckReport:
    """Check a bucket's policy, and its key's when the bucket has one, against a contract.

    A policy is a document, None where there is none, or the reason why it is not known. ``policy`` may also be the
    key's policy alone: then only the key's requirements count. ``raw_size`` is the size in bytes of the policy's
    text; ``at`` is the time conditions on the time are decided for (default: now). For ``inherited`` see `prove`.
    """
    moment = at or datetime.now(UTC)
    key_alone = isinstance(policy, PolicyDocument) and policy.kind == "kms"
    if key_policy is None and target.key_arn and not key_alone:
        key_policy = KEY_POLICY_NOT_GIVEN
    proof = _proof(contract, target, policy, key_policy, moment, inherited)
    documents = [each for each in (policy, key_policy) if isinstance(each, PolicyDocument)]
    bucket_policy = policy if isinstance(policy, PolicyDocument) and not key_alone else None
    key_document = policy if key_alone else key_policy
    found = [*region_findings(contract, target)]
    for document in documents:
        found += store_findings(document, target, raw_size if document is policy else None)
    found += requirement_findings(
        proof, bucket_policy, key_document if isinstance(key_document, PolicyDocument) else None
    )
    for document in documents:
        found += overgrant_findings(proof, document, key=document.kind == "kms")
    without_wildcard = {each.statement for each in found if each.code == "resource-without-wildcard"}
    found = [each for each in found if each.code != "beyond-prefix" or each.statement not in without_wildcard]
    invalid = {(each.document, each.statement) for each in found if each.severity == "error" and each.provider_message}
    found = [_graded(_corrected_first(each, invalid, documents, contract), proof) for each in found]
    found += _notes(proof, documents, moment)
    found.sort(key=lambda each: (-SEVERITIES.index(each.severity), each.code not in _PREFER_REQUIREMENTS))
    chips: tuple[ChipForecast, ...] = ()
    if not key_alone and contract.cloud == "s3" and not isinstance(policy, UnknownReason):
        known_key = key_policy if isinstance(key_policy, PolicyDocument) else None
        chips = tuple(forecast_chips(contract, target, bucket_policy, known_key, at=moment))
    above = None if inherited is None else tuple(inherited)
    return CheckReport(proof, chips, tuple(dict.fromkeys(found)), moment, above)


def _corrected_first(
    found: Finding,
    invalid: Collection[tuple[str, int | None]],
    documents: Sequence[PolicyDocument],
    contract: AccessContract,
) -> Finding:
    """Return a finding about a statement that the cloud refuses with the fix that comes first.

    Nimble is not exempted from a statement that has to be corrected, and one for Nimble's principal alone is replaced.
    """
    if found.statement is None or (found.document, found.statement) not in invalid:
        return found
    if found.fix.action is FixAction.EXEMPT:
        return replace(found, fix=Fix(FixAction.EDIT))
    if found.fix.action is not FixAction.EDIT or not found.provider_message or found.severity != "error":
        return found
    statements = (each for document in documents if document.kind == found.document for each in document.statements)
    refused = next((each for each in statements if each.index == found.statement), None)
    replaced = refused is not None and can_be_narrowed(refused, contract)
    return replace(found, fix=Fix(FixAction.CORRECT, found.fix.parameters)) if replaced else found


def _graded(found: Finding, proof: Proof) -> Finding:
    """Return a finding about a near miss as a warning where every requirement is granted all the same."""
    return found.at("warning") if proof.complete and found.code in _NEAR_MISSES else found


def _proof(
    contract: AccessContract,
    target: Target,
    policy: PolicyDocument | UnknownReason | None,
    key_policy: PolicyDocument | UnknownReason | None,
    at: datetime,
    inherited: Sequence[PolicyDocument] | None,
) -> Proof:
    if isinstance(policy, PolicyDocument) and policy.kind == "kms":
        return prove_alone(contract, target, policy, at=at)
    key_document = key_policy if isinstance(key_policy, PolicyDocument) else None
    if isinstance(policy, UnknownReason):
        known = prove(contract, target, None, key_document, at=at)
        verdicts = tuple(_unread(each.requirement, each, policy) for each in known.verdicts)
        proof = Proof(contract, target, verdicts, known.key_verdicts, NOT_PROVEN[contract.cloud])
    else:
        proof = prove(contract, target, policy, key_document, inherited=inherited, at=at)
    if isinstance(key_policy, UnknownReason):
        example = proof.verdicts[0] if proof.verdicts else None
        if example is not None:
            key_verdicts = tuple(_unread(each, example, key_policy) for each in contract.key_requirements)
            proof = replace(proof, key_verdicts=key_verdicts)
    return proof


def _unread(requirement: Requirement, like: Verdict, reason: UnknownReason) -> Verdict:
    """Return the verdict on a requirement whose document was not read."""
    return replace(
        like,
        requirement=requirement,
        state="unknown",
        effect="unknown",
        action=requirement.action,
        operation="",
        statements=(),
        assumptions=(),
        reasons=(reason,),
        needs=(),
        holds_until=None,
    )


def _notes(proof: Proof, documents: list[PolicyDocument], at: datetime) -> Iterator[Finding]:
    kinds = {each.kind for each in documents}
    inferred = [each.requirement.id for each in (*proof.verdicts, *proof.key_verdicts) if each.requirement.inferred]
    if inferred:
        yield finding("inferred", f"not documented by Nimble: {', '.join(inferred)}")
    if proof.target.key_arn and "kms" not in kinds:
        yield finding("key-not-checked", f"the policy of {proof.target.key_arn} was not given")
    if proof.contract.cloud == "s3" and proof.contract.mode != facts().test_connection.mode and "s3" in kinds:
        yield finding("no-test-connection", "the chips shown are what it would answer all the same")
    yield from _listed_actions(proof)
    table = action_table()
    age = (at.date() - datetime.fromisoformat(table.date).date()).days
    if age > OLD_AFTER_DAYS:
        yield finding("old-action-table", f"{table.source} is {age} days old", fix=Fix(FixAction.EDIT))


def _listed_actions(proof: Proof) -> Iterator[Finding]:
    """Yield the actions of Nimble's page that no delivery uses and that are not granted."""
    listed = [each for each in proof.key_verdicts if not each.decisive and each.state == "fails"]
    if listed:
        names = ", ".join(dict.fromkeys(each.requirement.action for each in listed))
        message = f"listed by Nimble's page, not needed for delivery and not granted: {names}"
        yield replace(finding("listed-action-missing", message, fix=Fix(FixAction.MERGE)), document="kms")
