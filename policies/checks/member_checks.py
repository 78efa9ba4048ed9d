"""What a binding may not hold: a role, a condition or members that Cloud Storage refuses, or that are not meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from policies.checks.findings import Finding, Fix, FixAction, finding, fix
from policies.checks.principal_matching import is_like_principal
from policies.checks.proof import PUBLIC_MEMBERS, is_stale, role_permissions, similar_role, syntax_problem
from policies.contracts import contracts
from policies.language import Binding

_MEMBERS = (
    *("user:", "serviceAccount:", "group:", "domain:", "principal:", "principalSet:", "deleted:"),
    *("projectOwner:", "projectEditor:", "projectViewer:"),
)
"""The types of members. Source: Cloud IAM documentation, "Principal identifiers"."""


# Source: Cloud IAM documentation, "Roles and permissions".
_ROLE = re.compile(r"(roles|(projects|organizations)/[^/\s]+/roles)/[A-Za-z0-9_.]+\Z")


def binding_findings(binding: Binding, path: str) -> Iterator[Finding]:
    """Yield what is wrong with the role and the condition of a binding, at its JSON path."""
    own = {each.principal for each in contracts() if each.cloud == "gs"}
    named = next((each for each in binding.members if each in own), None)
    # The contract's own binding takes the place of one that is refused.
    removal = Fix(FixAction.EDIT) if named is None else fix(FixAction.REMOVE_PRINCIPAL, principal=named)
    full = f"roles/{binding.role}"
    meant = full if role_permissions(full) is not None else similar_role(binding.role) or similar_role(full)
    if meant is not None or not _ROLE.match(binding.role):
        message = f"{binding.role!r} is no role" + (f"; {meant} is meant" if meant else "")
        yield finding("unknown-role", message, where=binding.label, path=f"{path}.role", fix=removal)
    if binding.condition is not None and (problem := syntax_problem(binding.condition["expression"])):
        message = f"the condition {problem}"
        yield finding(
            "invalid-expression", message, where=binding.label, path=f"{path}.condition.expression", fix=removal
        )


def member_findings(binding: Binding, member: str, path: str) -> Iterator[Finding]:
    """Yield what is wrong with a member, at its JSON path."""
    if member in PUBLIC_MEMBERS:
        return
    kind, separator, address = member.partition(":")
    own = {each.principal.partition(":")[2]: each.principal for each in contracts() if each.cloud == "gs"}
    meant = own.get(address if separator else member)
    removal = fix(FixAction.REMOVE_PRINCIPAL, principal=member)
    if is_stale(member):
        yield finding("stale-member", f"{member} is a deleted account", where=binding.label, path=path, fix=removal)
        return
    # The attributes and groups of a pool are named as its identity provider names them.
    if not kind.startswith("principal") and re.search(r"\s", member):
        message = f"{member!r} has white space in it"
        yield finding("invalid-member", message, where=binding.label, path=path, fix=removal)
        return
    if not member.startswith(_MEMBERS):
        message = f"{member!r} has no type" if not separator else f"{kind!r} is no type of member"
        message += f"; {meant} is meant" if meant else ""
        yield finding("invalid-member", message, where=binding.label, path=path, fix=removal)
    elif meant is not None and member != meant:
        message = f"{member} is not {meant}: a service account has the type serviceAccount"
        yield finding("member-of-other-type", message, where=binding.label, path=path, fix=removal)
    elif meant is None and (alike := next((each for each in own.values() if is_like_principal(member, each)), None)):
        yield finding("principal-typo", f"{member!r} is not {alike}", where=binding.label, path=path, fix=removal)
