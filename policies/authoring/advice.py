"""The change of a policy that carries out the fixes of findings, proved to end with a policy that passes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from policies.authoring.planned_change import DesiredState, plan_change
from policies.checks import POLICY_FIXES, Finding, FixAction, check, gate
from policies.contracts import AccessContract, Target
from policies.language import PolicyDocument
from policies.policy_errors import ContractError, MergeError

LISTED_WARNINGS = frozenset({"requirement-undecided", "public-blocks-put", "grant-ends"})
"""Warnings whose fix belongs to the change that is advised; the fix of another warning is offered only."""
_ROUNDS = 4
"""How often the outcome may need further fixes: after a correction, a guard may turn out to deny Nimble."""


def is_advised(finding: Finding) -> bool:
    """Return whether the fix of a finding belongs to the change that is advised."""
    return finding.severity == "error" or finding.code in LISTED_WARNINGS


def advised_change(
    policy: PolicyDocument,
    contract: AccessContract,
    target: Target,
    findings: Sequence[Finding],
    *,
    inherited: Sequence[PolicyDocument] | None = None,
    at: datetime | None = None,
) -> DesiredState | None:
    """Return what to ask for so that ``policy`` passes; None where no change that is offered leads there.

    Only findings about this kind of document, and settings that react to it, count. What else the bucket needs, such
    as its key's policy, is not read.
    """
    own = replace(target, key_arn=None) if policy.kind == "s3" else target
    given = [each for each in findings if each.document in (policy.kind, "")]
    desired = _desired(DesiredState(contract, own, at=at), given)
    for _ in range(_ROUNDS):
        if desired is None:
            return None
        try:
            change = plan_change(policy, desired)
        except MergeError as error:
            further: tuple[Finding, ...] = () if error.finding is None else (error.finding,)
        except ContractError:
            return None
        else:
            report = check(contract, own, change.after, at=at, inherited=inherited)
            proof = report.proof
            if gate(report.findings, (*proof.verdicts, *proof.key_verdicts)).passed:
                return desired
            further = report.findings
        more = _desired(desired, further)
        desired = None if more == desired else more
    return None


def _desired(state: DesiredState, findings: Iterable[Finding]) -> DesiredState | None:
    """Return ``state`` with the fixes of findings; None where no fix is a change of a policy."""
    fixes = [
        each.fix
        for each in findings
        if is_advised(each) and (each.fix.action in POLICY_FIXES or each.fix.action is FixAction.READ_PROJECT_POLICY)
    ]
    if not fixes:
        return None
    actions = {each.action for each in fixes}
    statements = [
        name for each in fixes if each.action is FixAction.REMOVE_STATEMENT for name in each["statement"].splitlines()
    ]
    principals = [each["principal"] for each in fixes if each.action is FixAction.REMOVE_PRINCIPAL]
    return replace(
        state,
        exempt=state.exempt or FixAction.EXEMPT in actions,
        narrow=state.narrow or FixAction.NARROW in actions,
        correct=state.correct or FixAction.CORRECT in actions,
        without_statements=tuple(dict.fromkeys((*state.without_statements, *statements))),
        without_principals=tuple(dict.fromkeys((*state.without_principals, *principals))),
    )
