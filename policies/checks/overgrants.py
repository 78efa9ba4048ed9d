"""What a policy grants beyond the contract, and what looks like Nimble's but is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from policies.checks.findings import Finding, finding
from policies.checks.gcs_bindings import PUBLIC_MEMBERS, role_permissions
from policies.checks.store_limits import path_of
from policies.checks.verdicts import Proof
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
"""From which similarity on two names count as one misspelt."""
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


def excess(proof: Proof, policy: PolicyDocument, *, key: bool = False) -> Iterator[Finding]:
    """Yield what a document grants beyond the contract; ``key`` tells that it is the key's policy."""
    if policy.kind == "gcs":
        yield from _gcs(proof, policy)
        return
    for statement in policy.statements:
        path = path_of(policy, statement)
        yield from _lookalikes(proof.contract, statement, path)
        if statement.effect == "Allow":
            yield from _too_many_callers(proof.contract, statement, path)
            if _admits(proof.contract, statement):
                yield from _too_much(proof, statement, path, key=key)
    yield from _other_mode(proof, policy)
    yield from _partitions(policy)
    if not key and not proof.complete:
        yield from _misspelt_prefixes(proof, policy)


def _admits(contract: AccessContract, statement: Statement) -> bool:
    """Tell whether a statement speaks of Nimble's user by name or account, not of everyone."""
    if statement.not_principal or statement.principals.everyone:
        return False
    return match_principals(statement.principals, caller(contract.principal)).matches


def _too_many_callers(contract: AccessContract, statement: Statement, path: str) -> Iterator[Finding]:
    for named in statement.principals.aws:
        if named in (contract.account, f"arn:aws:iam::{contract.account}:root"):
            message = f"{named} is Nimble's whole account"
            yield finding("account-root", message, where=statement.label, path=f"{path}.Principal")
    if is_public(statement):
        yield finding("public", "everybody is admitted", where=statement.label, path=f"{path}.Principal")


def is_public(statement: Statement) -> bool:
    """Tell whether S3 calls an Allow statement public: it admits everybody, and no condition binds it to
    a fixed few."""
    if statement.effect != "Allow" or not (statement.principals.everyone or statement.not_principal):
        return False
    return not any(_limits(each) for each in statement.conditions)


def _limits(condition: Condition) -> bool:
    """Tell whether a condition binds a statement for everyone to a fixed few."""
    if condition.key not in _LIMITING or condition.negated or condition.if_exists or condition.quantifier == "all":
        return False
    if condition.family == "ip":
        broad = (each.prefixlen < _BROAD[each.version] for each in condition.networks)
        return bool(condition.networks) and not any(broad)
    textual = condition.family in ("string", "fold", "like", "arn")
    return (
        textual
        and bool(condition.values)
        and not any(sign in value for value in condition.values for sign in ("*", "?", "${"))
    )


def _too_much(proof: Proof, statement: Statement, path: str, *, key: bool) -> Iterator[Finding]:
    contract = proof.contract
    statements = contract.key_statements if key else contract.statements
    needed = {known.name for each in statements for wanted in each.actions for known in known_actions(wanted)}
    granted = _granted(statement, "kms" if key else "s3")
    beyond = [each for each in granted if each.name not in needed]
    deleting = [each.name for each in beyond if each.name.startswith("s3:DeleteObject")]
    where = statement.label
    if deleting:
        yield finding("delete-granted", f"allows {', '.join(deleting)}", where=where, path=f"{path}.Action")
    others = [each.name for each in beyond if each.name not in deleting]
    if others:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        yield finding("beyond-contract", f"allows {shown}", where=where, path=f"{path}.Action")
    if not key and any("object" in each.resources for each in granted):
        yield from _beyond_prefix(proof.target, statement, path)


def _granted(statement: Statement, service: str) -> Sequence[KnownAction]:
    named = {known.name: known for each in statement.actions for known in known_actions(each)}
    if not statement.not_action:
        return [each for each in named.values() if each.name.startswith(f"{service}:")]
    return [each for each in known_actions(f"{service}:*") if each.name not in named]


def _beyond_prefix(target: Target, statement: Statement, path: str) -> Iterator[Finding]:
    objects = Pattern((f"{target.bucket_arn}/", Wildcard.RUN))
    inside = [Pattern((f"{target.bucket_arn}/{prefix}", Wildcard.RUN)) for prefix in target.prefixes.values()]
    named = [_pattern(each, statement) for each in statement.resources]
    element = f"{path}.{'NotResource' if statement.not_resource else 'Resource'}"
    try:
        for region in regions([*named, *inside], (objects,)):
            granted = any(at < len(named) for at in region.matched) is not statement.not_resource
            if granted and not any(at >= len(named) for at in region.matched):
                key = region.example.removeprefix(f"{target.bucket_arn}/")
                message = f"keys outside the prefix are covered, such as {key!r}"
                yield finding("beyond-prefix", message, where=statement.label, path=element)
                break
    except StateLimitError:
        # Too tangled to find an example: nothing is claimed.
        return


def _pattern(text: str, statement: Statement) -> Pattern:
    tokens = template(text, variables=statement.variables, wildcards=True).resolve(NO_VALUES)
    return resource_pattern(tokens)


def _lookalikes(contract: AccessContract, statement: Statement, path: str) -> Iterator[Finding]:
    wanted = contract.principal
    genuine = {each.principal for each in contracts()} | {wanted}
    for named in statement.principals.aws:
        if named in genuine or not named.startswith("arn:"):
            continue
        same_user = named.split(":")[-1] == wanted.split(":")[-1]
        alike = SequenceMatcher(None, named, wanted).ratio() >= 1 - 4 / len(wanted)
        if same_user or alike:
            message = f"{named} is not {wanted}"
            yield finding("principal-typo", message, where=statement.label, path=f"{path}.Principal")


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
                )


def _partitions(policy: PolicyDocument) -> Iterator[Finding]:
    for statement in policy.statements:
        for named in (*statement.resources, *statement.principals.aws):
            partition = named.split(":")[1] if named.startswith("arn:aws-") else ""
            if partition:
                message = f"{named} is in the partition {partition}"
                yield finding("wrong-partition", message, where=statement.label, path=path_of(policy, statement))
                break


def _misspelt_prefixes(proof: Proof, policy: PolicyDocument) -> Iterator[Finding]:
    target = proof.target
    failing = {each.requirement.scope for each in proof.verdicts if each.state == "fails"} & target.prefixes.keys()
    wanted: Mapping[str, str] = {name: prefix for name, prefix in target.prefixes.items() if name in failing and prefix}
    start = f"{target.bucket_arn}/"
    for statement in policy.statements:
        if statement.effect != "Allow" or not _admits(proof.contract, statement):
            continue
        for resource in statement.resources:
            given = resource.removeprefix(start).removesuffix("*")
            if not resource.startswith(start) or not given or given in target.prefixes.values():
                continue
            for prefix in wanted.values():
                if _alike(given, prefix):
                    message = f"admits to {given!r}, not to {prefix!r}"
                    yield finding(
                        "prefix-typo",
                        message,
                        where=statement.label,
                        path=f"{path_of(policy, statement)}.Resource",
                    )


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
        yield finding(code, message, where=binding.label, path=f"{path}.role", fix=f"Grant {facts().gcs_role} instead.")
