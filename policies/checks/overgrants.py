"""What a policy grants beyond the contract, and what resembles Nimble's principal or prefix but is another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from policies.checks.findings import Finding, Fix, FixAction, SideEffect, finding, fix
from policies.checks.principal_matching import is_like_principal
from policies.checks.proof import PUBLIC_MEMBERS, Proof, role_permissions
from policies.checks.statement_checks import path_of
from policies.contracts import AccessContract, Target, contracts, facts
from policies.evaluation import KnownAction, known_actions, resource_pattern
from policies.language import (
    NO_VALUES,
    Binding,
    Condition,
    Pattern,
    PolicyDocument,
    StateLimitError,
    Statement,
    Wildcard,
    caller,
    match_principals,
    regions,
    template,
)

ALIKE = 0.8
"""From which similarity on two prefixes count as one misspelt."""
_ACCESS_POINT_OF_ACCOUNT = re.compile(r"arn:[a-z-]+:s3:[a-z0-9*-]+:[0-9]{12}:accesspoint/[^$]*\Z")
"""An access point ARN with a fixed account: its name may be a wildcard without the statement being public."""
_LIMITING = frozenset(
    {
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceip",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "kms:calleraccount",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
"""Condition keys that keep a statement for everyone from being public. Source: "The meaning of public",
S3 user guide."""
_BROAD = {4: 8, 6: 32}
"""A range of addresses with fewer fixed bits does not keep a statement from being public. Source: as
above."""


def overgrant_findings(proof: Proof, policy: PolicyDocument, *, key: bool = False) -> Iterator[Finding]:
    """Yield what a document grants beyond the contract; ``key`` if it is the key's policy."""
    for each in _findings(proof, policy, key=key):
        yield replace(each, document=policy.kind)


def _findings(proof: Proof, policy: PolicyDocument, *, key: bool) -> Iterator[Finding]:
    if policy.kind == "gcs":
        yield from _gcs(proof, policy)
        return
    for statement in policy.statements:
        for each in _of_statement(proof, policy, statement, key=key):
            yield replace(each, statement=statement.index)
    yield from _other_mode(proof, policy)
    yield from _partitions(policy)
    if not key and not proof.complete:
        yield from _misspelt_prefixes(proof, policy)


def _of_statement(proof: Proof, policy: PolicyDocument, statement: Statement, *, key: bool) -> Iterator[Finding]:
    path = path_of(policy, statement)
    yield from _lookalikes(proof.contract, statement, path)
    if statement.effect == "Allow":
        yield from _too_many_callers(proof.contract, statement, path)
        if _admits(proof.contract, statement):
            yield from _too_much(proof, statement, path, key=key)


def _admits(contract: AccessContract, statement: Statement) -> bool:
    """Return whether a statement names Nimble's user or account, not everyone."""
    if statement.not_principal or statement.principals.everyone:
        return False
    return match_principals(statement.principals, caller(contract.principal)).matches


def _too_many_callers(contract: AccessContract, statement: Statement, path: str) -> Iterator[Finding]:
    for named in statement.principals.aws:
        if named in (contract.account, f"arn:aws:iam::{contract.account}:root"):
            message = f"{named} is Nimble's whole account"
            correction = fix(FixAction.EDIT, to=contract.principal)
            yield finding("account-root", message, where=statement.label, path=f"{path}.Principal", fix=correction)
    if is_public(statement):
        yield finding(
            "public",
            "everybody is admitted",
            where=statement.label,
            path=f"{path}.Principal",
            fix=removal_of(statement),
        )


def removal_of(statement: Statement) -> Fix:
    """Return the fix that removes a statement."""
    name = statement.sid or str(statement.index + 1)
    return fix(FixAction.REMOVE_STATEMENT, SideEffect.STATEMENT_REMOVED, statement=name)


def is_public(statement: Statement) -> bool:
    """Return whether S3 calls an Allow statement public: it admits everybody, and no condition binds it to
    a fixed few."""
    if statement.effect != "Allow" or not (statement.principals.everyone or statement.not_principal):
        return False
    return not any(_limits(each) for each in statement.conditions)


def _limits(condition: Condition) -> bool:
    """Return whether a condition binds a statement for everyone to a fixed few."""
    if condition.key not in _LIMITING or condition.negated or condition.if_exists or condition.quantifier == "all":
        return False
    if condition.family == "ip":
        broad = (each.prefixlen < _BROAD[each.version] for each in condition.networks)
        return bool(condition.networks) and not any(broad)
    if condition.family not in ("string", "fold", "like", "arn") or not condition.values:
        return False
    # Source: Amazon S3 user guide, "The meaning of public": of an access point the account must be fixed.
    if condition.key == "s3:dataaccesspointarn" and condition.family in ("like", "arn"):
        return all(_ACCESS_POINT_OF_ACCOUNT.match(value) for value in condition.values)
    return not any(sign in value for value in condition.values for sign in ("*", "?", "${"))


def _too_much(proof: Proof, statement: Statement, path: str, *, key: bool) -> Iterator[Finding]:
    contract = proof.contract
    statements = contract.key_statements if key else contract.statements
    needed = {known.name for each in statements for wanted in each.actions for known in known_actions(wanted)}
    granted = _granted(statement, "kms" if key else "s3")
    beyond = [each for each in granted if each.name not in needed]
    deleting = [each.name for each in beyond if each.name.startswith("s3:DeleteObject")]
    where = statement.label
    narrowing = None if key else _narrowing(statement, contract)
    if deleting:
        message = f"allows {', '.join(deleting)}"
        yield finding("delete-granted", message, where=where, path=f"{path}.Action", fix=narrowing)
    others = [each.name for each in beyond if each.name not in deleting]
    if others:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        yield finding("beyond-contract", f"allows {shown}", where=where, path=f"{path}.Action", fix=narrowing)
    if not key and any("object" in each.resources for each in granted):
        yield from _beyond_prefix(proof.target, statement, path, narrowing)


def _narrowing(statement: Statement, contract: AccessContract) -> Fix | None:
    """Return the fix that replaces a statement by the contract's; None where it is not for Nimble's user alone."""
    if not can_be_narrowed(statement, contract):
        return None
    name = statement.sid or str(statement.index + 1)
    return fix(FixAction.NARROW, SideEffect.OTHER_PREFIXES_CLOSED, statement=name)


def can_be_narrowed(statement: Statement, contract: AccessContract) -> bool:
    """Return whether a statement is for the contract's principal alone, and without a condition that would be lost."""
    return (
        statement.effect == "Allow"
        and not (statement.principals.everyone or statement.not_principal or statement.conditions)
        and set(statement.principals.named) == {contract.principal}
    )


def _granted(statement: Statement, service: str) -> Sequence[KnownAction]:
    named = {known.name: known for each in statement.actions for known in known_actions(each)}
    if not statement.not_action:
        return [each for each in named.values() if each.name.startswith(f"{service}:")]
    return [each for each in known_actions(f"{service}:*") if each.name not in named]


def _beyond_prefix(target: Target, statement: Statement, path: str, narrowing: Fix | None) -> Iterator[Finding]:
    objects = Pattern((f"{target.bucket_arn}/", Wildcard.ONE, Wildcard.RUN))
    inside = [Pattern((f"{target.bucket_arn}/{prefix}", Wildcard.RUN)) for prefix in target.prefixes.values()]
    named = [_pattern(each, statement) for each in statement.resources]
    element = f"{path}.{'NotResource' if statement.not_resource else 'Resource'}"
    try:
        for region in regions([*named, *inside], (objects,)):
            granted = any(at < len(named) for at in region.matched) is not statement.not_resource
            if granted and not any(at >= len(named) for at in region.matched):
                key = region.example.removeprefix(f"{target.bucket_arn}/")
                message = f"keys outside the prefix are covered, such as {key!r}"
                yield finding("beyond-prefix", message, where=statement.label, path=element, fix=narrowing)
                break
    except StateLimitError:
        # Too tangled to find an example: nothing is claimed.
        return


def _pattern(text: str, statement: Statement) -> Pattern:
    tokens = template(text, variables=statement.variables, wildcards=True).resolve(NO_VALUES)
    return resource_pattern(tokens)


def _lookalikes(contract: AccessContract, statement: Statement, path: str) -> Iterator[Finding]:
    if statement.not_principal is not (statement.effect == "Deny"):
        # A Deny is for whom it names; only the exemption from one is meant for Nimble.
        return
    wanted = contract.principal
    genuine = {each.principal for each in contracts()} | {wanted}
    for named in statement.principals.aws:
        if named not in genuine and is_like_principal(named, wanted):
            yield finding(
                "principal-typo",
                f"{named!r} is not {wanted}",
                where=statement.label,
                path=f"{path}.{'NotPrincipal' if statement.not_principal else 'Principal'}",
                fix=Fix(FixAction.EDIT)
                if statement.not_principal
                else fix(FixAction.REMOVE_PRINCIPAL, SideEffect.PRINCIPAL_LOSES_ACCESS, principal=named),
            )


def _other_mode(proof: Proof, policy: PolicyDocument) -> Iterator[Finding]:
    if proof.complete:
        return
    contract = proof.contract
    if any(contract.principal in each.principals.aws for each in policy.statements):
        return
    for other in contracts():
        if other.cloud != contract.cloud or other.principal == contract.principal or contract.principal_inferred:
            continue
        for statement in policy.statements:
            if other.principal in statement.principals.aws and statement.effect == "Allow":
                message = (
                    f"admits {other.principal}, the principal of {other.mode};"
                    f" {contract.mode} needs {contract.principal}"
                )
                yield finding(
                    "other-mode-principal",
                    message,
                    where=statement.label,
                    path=f"{path_of(policy, statement)}.Principal",
                    fix=Fix(FixAction.MERGE),
                    statement=statement.index,
                )


def _partitions(policy: PolicyDocument) -> Iterator[Finding]:
    for statement in policy.statements:
        for named in (*statement.resources, *statement.principals.aws):
            partition = named.split(":")[1] if named.startswith("arn:aws-") else ""
            if partition:
                message = f"{named} is in the partition {partition}"
                path = path_of(policy, statement)
                yield finding("wrong-partition", message, where=statement.label, path=path, statement=statement.index)
                break


def _misspelt_prefixes(proof: Proof, policy: PolicyDocument) -> Iterator[Finding]:
    target = proof.target
    failing = {each.requirement.scope for each in proof.verdicts if each.state == "fails"} & target.prefixes.keys()
    wanted: Mapping[str, str] = {name: prefix for name, prefix in target.prefixes.items() if name in failing and prefix}
    for statement in policy.statements:
        if statement.effect != "Allow" or not _admits(proof.contract, statement):
            continue
        path = f"{path_of(policy, statement)}.Resource"
        for resource in statement.resources:
            for name in wanted:
                yield from _misspelt_prefix(target, statement, resource, name, path)


def _misspelt_prefix(target: Target, statement: Statement, resource: str, name: str, path: str) -> Iterator[Finding]:
    start, prefix = f"{target.bucket_arn}/", target.prefixes[name]
    given = resource.removeprefix(start)
    bare = given.removesuffix("*")
    if not resource.startswith(start) or not bare:
        return
    # The whole statement is replaced: a resource that is only corrected would leave the others as they are.
    correction = fix(FixAction.MERGE, to=target.objects_arn(name))
    if given in (prefix, prefix.rstrip("/")):
        message = f"{resource} is one key, not the keys under {prefix!r}: it must end in /*"
        code = "resource-without-wildcard"
    elif bare not in target.prefixes.values() and _alike(bare, prefix):
        code, message = "prefix-typo", f"admits to {bare!r}, not to {prefix!r}"
    else:
        return
    yield finding(code, message, where=statement.label, path=path, fix=correction, statement=statement.index)


def _alike(given: str, wanted: str) -> bool:
    bare, other = given.strip("/").lower(), wanted.strip("/").lower()
    return bare == other or SequenceMatcher(None, bare, other).ratio() >= ALIKE


def _gcs(proof: Proof, policy: PolicyDocument) -> Iterator[Finding]:
    for binding in policy.bindings:
        path = f"$.bindings[{binding.index}]"
        for member in binding.members:
            if member in PUBLIC_MEMBERS:
                message = f"{member}: everybody holds {binding.role}"
                yield finding("public", message, where=binding.label, path=f"{path}.members")
        if proof.contract.principal in binding.members:
            yield from _gcs_role(binding, path)


def _gcs_role(binding: Binding, path: str) -> Iterator[Finding]:
    permissions = role_permissions(binding.role)
    needed = role_permissions(facts().gcs_role) or frozenset()
    if permissions is None:
        message = f"{binding.role} is not a predefined role of Cloud Storage: what it permits is not known here"
        yield finding("beyond-contract", message, where=binding.label, path=f"{path}.role")
    elif permissions - needed:
        code = "delete-granted" if "delete" in permissions else "beyond-contract"
        message = f"{binding.role} permits {', '.join(sorted(permissions - needed))} beyond {facts().gcs_role}"
        yield finding(
            code,
            message,
            where=binding.label,
            path=f"{path}.role",
            fix=fix(FixAction.EDIT, to=facts().gcs_role),
            statement=binding.index,
        )
