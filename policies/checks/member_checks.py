"""What a binding may not hold: members that Cloud Storage refuses, or that are not the ones meant."""

from __future__ import annotations

from collections.abc import Iterator

from policies.checks.findings import Finding, FixAction, finding, fix
from policies.checks.principal_matching import is_like_principal
from policies.checks.proof import PUBLIC_MEMBERS, is_stale
from policies.contracts import contracts
from policies.language import Binding

_MEMBERS = (
    *("user:", "serviceAccount:", "group:", "domain:", "principal:", "principalSet:", "deleted:"),
    *("projectOwner:", "projectEditor:", "projectViewer:"),
)
"""The types of members. Source: Cloud IAM documentation, "Principal identifiers"."""


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
    if not member.startswith(_MEMBERS):
        message = f"{member!r} has no type" if not separator else f"{kind!r} is no type of member"
        message += f"; {meant} is meant" if meant else ""
        yield finding("invalid-member", message, where=binding.label, path=path, fix=removal)
    elif meant is not None and member != meant:
        message = f"{member} is not {meant}: a service account has the type serviceAccount"
        yield finding("member-of-other-type", message, where=binding.label, path=path, fix=removal)
    elif meant is None and (alike := next((each for each in own.values() if is_like_principal(member, each)), None)):
        yield finding("principal-typo", f"{member!r} is not {alike}", where=binding.label, path=path, fix=removal)
