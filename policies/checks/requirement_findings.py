"""Findings about requirements that are not granted: one per cause, with every requirement it takes away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from policies.checks.findings import Finding, Fix, FixAction, SideEffect, finding, fix
from policies.checks.principal_matching import is_like_principal, match_statement_principals
from policies.checks.proof import HEAD_BUCKET, TIME_KEYS, NearMiss, Proof, Verdict, near_misses
from policies.checks.statement_checks import path_of
from policies.language import Binding, DocumentKind, PolicyDocument, Statement, compact_json

_TIME_KEYS = frozenset(each.lower() for each in TIME_KEYS)
_QUOTED = 400
"""How many characters of a deciding statement are quoted."""


def requirement_findings(
    proof: Proof, policy: PolicyDocument | None, key_policy: PolicyDocument | None
) -> Iterator[Finding]:
    """Yield one finding per cause that keeps requirements from being granted, and the ends of grants."""
    bucket_kind: DocumentKind = "gcs" if proof.contract.cloud == "gs" else "s3"
    described: tuple[tuple[tuple[Verdict, ...], PolicyDocument | None, DocumentKind], ...] = (
        (proof.verdicts, policy, bucket_kind),
        (proof.key_verdicts, key_policy, "kms"),
    )
    for verdicts, document, kind in described:
        causes: dict[object, list[tuple[Verdict, Finding]]] = {}
        for verdict in filter(lambda each: each.decisive, verdicts):
            found = _ungranted(proof, verdict, document) if not verdict.granted else _ending(verdict, document)
            if found is not None:
                same = (found.code, found.statement, found.path, found.fix, _deciding(verdict), verdict.reasons)
                causes.setdefault(same, []).append((verdict, found))
        for each in causes.values():
            yield replace(_joined(each), document=kind)
        yield from _listings_with_prefix(verdicts, document)


def _joined(cause: Sequence[tuple[Verdict, Finding]]) -> Finding:
    """Return one finding for all requirements that one cause takes away."""
    names = tuple(dict.fromkeys(verdict.requirement.id for verdict, _ in cause))
    first = cause[0][1]
    others = f"; also {', '.join(names[1:])}" if len(names) > 1 else ""
    inferred = all(verdict.requirement.inferred for verdict, _ in cause)
    return replace(first, message=first.message + others, consequences=names, inferred=inferred)


def _deciding(verdict: Verdict) -> tuple[int, ...]:
    return tuple(each.index for each in verdict.statements)


def _ungranted(proof: Proof, verdict: Verdict, document: PolicyDocument | None) -> Finding | None:
    name = f"{verdict.action} on {verdict.example}"
    if verdict.operation:
        name = f"{verdict.operation} ({name})"
    part = _part(verdict, document)
    if verdict.state == "unknown":
        message = f"{name} is not decided: {', '.join(map(str, verdict.reasons))}"
        message += "".join(f"; {need}" for need in verdict.needs)
        return _finding("requirement-undecided", message, document, part, fix=_fix_of_unknown(verdict, part))
    if verdict.effect == "explicitly_denied":
        message = f"{name} is denied" + (f" by {_quoted(part)}" if part is not None else "")
        message += "".join(f"; {need}" for need in verdict.needs if part is None)
        return _finding("requirement-denied", message, document, part, fix=_exemption(part))
    if verdict.holds_until is not None:
        message = f"{name} was granted until {verdict.holds_until:%Y-%m-%dT%H:%M:%SZ}"
        ended = part or _with_an_end(proof, document)
        return _finding("grant-expired", message, document, ended, fix=Fix(FixAction.MERGE))
    return _missing(proof, verdict, document, name)


def _missing(proof: Proof, verdict: Verdict, document: PolicyDocument | None, name: str) -> Finding:
    if document is None:
        return finding("requirement-missing", f"there is no policy: {name}", fix=Fix(FixAction.MERGE))
    message = f"{name} is allowed by no statement" + "".join(f"; {need}" for need in verdict.needs)
    missed = _near_miss(proof, verdict, document)
    part = _part(verdict, document)
    denies = isinstance(part, Statement) and part.effect == "Deny"
    # Once the missing statement is added, the Deny decides.
    resolution = _exemption(part) if denies else Fix(FixAction.MERGE)
    if missed is None:
        return _finding("requirement-missing", message, document, part, fix=resolution)
    message += f"; {missed.label} nearly grants it: its {missed.element} is {', '.join(missed.found)}"
    message += f", not {missed.wanted}" if missed.wanted else ""
    nearly = next((each for each in document.statements if each.index == missed.statement.index), None)
    return replace(_finding("requirement-missing", message, document, nearly, fix=resolution), path=missed.path)


def _near_miss(proof: Proof, verdict: Verdict, document: PolicyDocument) -> NearMiss | None:
    """Return the first near miss; another principal is one only where it resembles Nimble's."""
    wanted = proof.contract.principal
    for each in near_misses(proof.contract, proof.target, document, verdict):
        if each.element != "Principal" or any(is_like_principal(named, wanted) for named in each.found):
            return each
    return None


def _fix_of_unknown(verdict: Verdict, part: Statement | Binding | None) -> Fix:
    kinds = {each.kind for each in verdict.reasons}
    if any(each.denies for each in verdict.reasons):
        return Fix(FixAction.EDIT)
    if isinstance(part, Statement) and part.effect == "Deny" and kinds == {"condition"}:
        return _exemption(part)
    if "unread" in kinds and not isinstance(part, Statement):
        return Fix(FixAction.READ_PROJECT_POLICY) if verdict.action.startswith("storage.") else Fix(FixAction.EDIT)
    return Fix(FixAction.MERGE if kinds == {"condition"} else FixAction.EDIT)


def _exemption(part: Statement | Binding | None) -> Fix:
    if not isinstance(part, Statement):
        return Fix(FixAction.EDIT)
    return fix(FixAction.EXEMPT, SideEffect.NIMBLE_EXEMPT, statement=part.sid or str(part.index + 1))


def _with_an_end(proof: Proof, document: PolicyDocument | None) -> Statement | None:
    """Return the first Allow for Nimble with a condition on the time."""
    for each in document.statements if document is not None else ():
        dated = any(condition.key in _TIME_KEYS for condition in each.conditions)
        if dated and each.effect == "Allow" and match_statement_principals(each, proof.contract.principal).matches:
            return each
    return None


def _ending(verdict: Verdict, document: PolicyDocument | None) -> Finding | None:
    if verdict.holds_until is None:
        return None
    message = f"{verdict.requirement.id} is granted until {verdict.holds_until:%Y-%m-%dT%H:%M:%SZ}"
    return _finding("grant-ends", message, document, _part(verdict, document), fix=Fix(FixAction.MERGE))


def _listings_with_prefix(verdicts: Sequence[Verdict], document: PolicyDocument | None) -> Iterator[Finding]:
    denied = any(each.operation == HEAD_BUCKET and each.effect == "implicitly_denied" for each in verdicts)
    for statement in document.statements if denied and document is not None else ():
        if statement.effect == "Allow" and any(each.key == "s3:prefix" for each in statement.conditions):
            message = "head_bucket carries no s3:prefix, so the statement does not allow it"
            merge = Fix(FixAction.MERGE)
            yield replace(_finding("prefix-condition-on-list", message, document, statement, fix=merge), document="s3")


def _part(verdict: Verdict, document: PolicyDocument | None) -> Statement | Binding | None:
    """Return the first statement or binding that decides a verdict."""
    if document is None:
        return None
    decisive = set(_deciding(verdict))
    parts: Sequence[Statement | Binding] = document.statements or document.bindings
    return next((each for each in parts if each.index in decisive), None)


def _finding(
    code: str, message: str, document: PolicyDocument | None, part: Statement | Binding | None, *, fix: Fix
) -> Finding:
    if part is None or document is None:
        return finding(code, message, fix=fix)
    path = path_of(document, part) if isinstance(part, Statement) else f"$.bindings[{part.index}]"
    return finding(code, message, where=part.label, path=path, fix=fix, statement=part.index)


def _quoted(part: Statement | Binding) -> str:
    text = compact_json(part.value)
    return f"{part.label}: {text if len(text) <= _QUOTED else text[:_QUOTED] + '…'}"
