"""What S3, KMS and Cloud Storage refuse to store: limits of the document, and what its statements may hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from policies.checks.condition_checks import condition_findings
from policies.checks.findings import Finding, Fix, FixAction, finding, fix
from policies.checks.member_checks import binding_findings, member_findings
from policies.checks.statement_checks import action_findings, path_of, principal_findings, resource_findings
from policies.contracts import AccessContract, Target, facts, is_opt_in, partition_of
from policies.evaluation import known_actions
from policies.language import CONDITION_VERSION, LIMITS, PolicyDocument, Statement, caller

NEAR = 0.9
"""From which share of the limit on a document counts as nearly too large."""
_DOCUMENT_FIELDS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_FIELDS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_REFUSED_WHEREVER = frozenset({"deleted-principal"})
"""Findings for which every put fails, also where the cloud stores the statement already."""


def store_findings(
    document: PolicyDocument, target: Target | None = None, raw_size: int | None = None
) -> list[Finding]:
    """Return what the cloud would refuse to store, or stores without its meaning.

    ``target`` is the bucket it is for, ``raw_size`` the text's own size in bytes, when known.
    """
    if document.kind == "gcs":
        found = list(_gcs(document))
    else:
        found = [finding("fragment", "a bare statement, to be added to a document", fix=Fix(FixAction.MERGE))]
        if not document.fragment:
            found = list(_document(document, raw_size))
        for statement in document.statements:
            found += (replace(each, statement=statement.index) for each in _statement(document, statement, target))
    return [replace(each, document=document.kind) for each in found]


def refusals_of_change(after: PolicyDocument, target: Target, changed: frozenset[int]) -> tuple[Finding, ...]:
    """Return the findings about a changed document; those about untouched statements are warnings at most.

    ``changed`` are the statements that are new or changed. What the cloud stores already, it accepted; only a deleted
    principal makes every later put fail all the same.
    """
    found = store_findings(after, target)
    return tuple(
        each.at("warning")
        if each.severity == "error"
        and each.statement is not None
        and each.statement not in changed
        and each.code not in _REFUSED_WHEREVER
        else each
        for each in found
    )


def region_findings(contract: AccessContract, target: Target) -> Iterator[Finding]:
    """Yield what the bucket's Region means for Nimble; nothing where it is not known."""
    if contract.cloud != "s3" or not target.region:
        return
    partition, wanted = partition_of(target.region), contract.principal.split(":")[1]
    where = f"region {target.region}"
    if partition and partition != wanted:
        message = f"{target.region} is in the partition {partition}, Nimble's principal in {wanted}"
        yield replace(finding("wrong-partition", message, where=where), blocks=("read", "write"), inferred=True)
    elif is_opt_in(target.region):
        message = f"{target.region} must be enabled by each account that uses it"
        yield replace(finding("opt-in-region", message, where=where), inferred=True)


def _document(document: PolicyDocument, raw_size: int | None) -> Iterator[Finding]:
    for name in document.value.keys() - _DOCUMENT_FIELDS:
        yield finding("unknown-field", f"the document has a field {name!r}", path=f"$.{name}")
    if not document.statements:
        yield finding("no-statement", "Statement is empty", path="$.Statement", fix=Fix(FixAction.MERGE))
    limit = LIMITS[document.kind]
    if document.size > limit:
        yield finding("too-large", f"{document.size:,} bytes; at most {limit:,} are stored")
    elif document.size > limit * NEAR:
        yield finding("near-limit", f"{document.size:,} of {limit:,} bytes")
    elif raw_size is not None and raw_size > limit:
        yield finding("near-limit", f"{raw_size:,} bytes with white space, {document.size:,} of {limit:,} without")
    sids: dict[str, Statement] = {}
    given = {each.sid for each in document.statements}
    for statement in document.statements:
        if statement.sid and statement.sid in sids:
            message = f"{statement.sid!r} is also the Sid of {sids[statement.sid].label}"
            path = f"{path_of(document, statement)}.Sid"
            free = next(each for number in count(2) if (each := f"{statement.sid}{number}") not in given)
            given.add(free)
            correction = fix(FixAction.CORRECT, element="Sid", text=statement.sid, to=free)
            yield finding(
                "duplicate-sid", message, where=statement.label, path=path, fix=correction, statement=statement.index
            )
        sids.setdefault(statement.sid or "", statement)
    if document.kind == "kms":
        yield from _lockout(document)


def _lockout(document: PolicyDocument) -> Iterator[Finding]:
    keeping = [each for each in document.statements if _keeps_control(each)]
    if not keeping:
        yield finding("key-lockout", "no statement lets the key's own account change the key's policy")
    elif all(each.conditions for each in keeping):
        message = "the key's own account may change the key's policy only under a condition"
        path = f"{path_of(document, keeping[0])}.Condition"
        yield finding("key-control-conditional", message, where=keeping[0].label, path=path)


def _keeps_control(statement: Statement) -> bool:
    if statement.effect != "Allow" or statement.not_principal:
        return False
    changes = any(any(known.name == "kms:PutKeyPolicy" for known in known_actions(each)) for each in statement.actions)
    of_the_owner = any(caller(each).account not in ("", facts().account) for each in statement.principals.aws)
    return changes is not statement.not_action and (of_the_owner or statement.principals.everyone)


def _statement(document: PolicyDocument, statement: Statement, target: Target | None) -> Iterator[Finding]:
    path, where = path_of(document, statement), statement.label
    for name in statement.value.keys() - _STATEMENT_FIELDS:
        yield finding("unknown-field", f"the statement has a field {name!r}", where=where, path=f"{path}.{name}")
    yield from principal_findings(statement, path)
    yield from action_findings(document, statement, path)
    yield from resource_findings(document, statement, path, target)
    for condition in statement.conditions:
        element = f"{path}.Condition.{condition.operator}.{condition.name}"
        yield from condition_findings(document, statement, condition, element)


def _gcs(document: PolicyDocument) -> Iterator[Finding]:
    for binding in document.bindings:
        path = f"$.bindings[{binding.index}]"
        yield from (replace(each, statement=binding.index) for each in binding_findings(binding, path))
        for member in binding.members:
            found = member_findings(binding, member, f"{path}.members")
            yield from (replace(each, statement=binding.index) for each in found)
        if binding.condition is not None and document.value.get("version") != CONDITION_VERSION:
            version: Any = document.value.get("version", "none")
            yield finding(
                "condition-needs-version-3",
                f"the version is {version}",
                where=binding.label,
                path=f"{path}.condition",
                fix=fix(FixAction.CORRECT, element="version", text=str(version), to=f'"version": {CONDITION_VERSION}'),
            )
