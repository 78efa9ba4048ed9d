"""Statements that nearly grant what a contract requires, and the element of each that does not match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from policies.checks.proof.gcs_bindings import role_permissions
from policies.checks.proof.verdicts import Verdict
from policies.contracts import AccessContract, Target
from policies.evaluation import CompiledStatement, StatementReference, prepare
from policies.language import Binding, PolicyDocument, caller

Element = Literal["Principal", "Action", "Resource", "Condition", "members", "role", "condition"]


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A statement that would grant a requirement if one element were another."""

    statement: StatementReference
    """The statement, or the binding with its role in place of the Sid."""
    label: str
    """The statement with its number from 1, and its Sid."""
    element: Element
    """The element that does not match."""
    path: str
    """The JSON path of the element."""
    found: tuple[str, ...]
    """The values of the element."""
    wanted: str
    """A value that would match; empty for a condition."""


def near_misses(
    contract: AccessContract, target: Target, policy: PolicyDocument, verdict: Verdict
) -> tuple[NearMiss, ...]:
    """Return the statements of which one element alone keeps them from granting what ``verdict`` denies.

    Empty for a verdict that is granted or explicitly denied.
    """
    if verdict.granted or verdict.effect == "explicitly_denied":
        return ()
    if policy.kind == "gcs":
        return tuple(_bindings(contract.principal, verdict, policy.bindings))
    return tuple(_statements(contract, target, policy, verdict))


def _statements(
    contract: AccessContract, target: Target, policy: PolicyDocument, verdict: Verdict
) -> Iterator[NearMiss]:
    wanted = _wanted_resource(target, verdict)
    for compiled in prepare(policy).statements:
        if not compiled.allow:
            continue
        missing = list(_missing(compiled, contract.principal, verdict, wanted))
        if len(missing) == 1:
            element, found, value = missing[0]
            statement = compiled.statement
            name = f"Not{element}" if f"Not{element}" in statement.value else element
            path = f"{_path(policy, compiled.reference.index)}.{name}"
            yield NearMiss(compiled.reference, statement.label, element, path, found, value)


def _missing(
    compiled: CompiledStatement, principal: str, verdict: Verdict, wanted: str
) -> Iterator[tuple[Element, tuple[str, ...], str]]:
    """Yield the elements of an Allow that do not match; a condition only where no other element misses."""
    statement = compiled.statement
    others = 0
    if not compiled.match(caller(principal)).matches:
        others += 1
        yield "Principal", statement.principals.named, principal
    if not compiled.matches_action(verdict.action):
        others += 1
        yield "Action", statement.actions, verdict.action
    if not compiled.matches_resource(verdict.example, _no_value):
        others += 1
        yield "Resource", statement.resources, wanted
    if not others and statement.conditions:
        yield "Condition", tuple(f"{each.operator} {each.name}" for each in statement.conditions), ""


def _no_value(_key: str) -> None:
    return None


def _wanted_resource(target: Target, verdict: Verdict) -> str:
    scope = verdict.requirement.scope
    return target.objects_arn(scope) if scope in target.prefixes else verdict.resource


def _path(policy: PolicyDocument, index: int) -> str:
    listed = isinstance(policy.value.get("Statement"), list)
    return f"$.Statement[{index}]" if listed else "$.Statement"


def _bindings(member: str, verdict: Verdict, bindings: Sequence[Binding]) -> Iterator[NearMiss]:
    """Yield bindings that name the member's address with another kind, or the member with another role."""
    address = member.partition(":")[2]
    permission = verdict.action.rsplit(".", 1)[-1]
    for each in bindings:
        permissions = role_permissions(each.role)
        grants = permissions is None or permission in permissions
        same = [one for one in each.members if one == member]
        lookalikes = tuple(one for one in each.members if one != member and one.rpartition(":")[2] == address)
        reference = StatementReference(each.index, each.role)
        path = f"$.bindings[{each.index}]"
        if grants and lookalikes and not same:
            yield NearMiss(reference, each.label, "members", f"{path}.members", lookalikes, member)
        elif same and not grants:
            role = "roles/storage.objectCreator"
            yield NearMiss(reference, each.label, "role", f"{path}.role", (each.role,), role)
        elif same and each.condition:
            expression = str(each.condition["expression"])
            yield NearMiss(reference, each.label, "condition", f"{path}.condition", (expression,), "")
