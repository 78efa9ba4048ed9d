"""Take statements and principals out of a policy, and leave everything else as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.language import DocumentKind, PolicyDocument, is_unique_id, normal_member
from policies.policy_errors import ContractError, PolicyErrorCode


def without_statements(policy: PolicyDocument, named: Sequence[str], steps: list[str]) -> Mapping[str, Any]:
    """Return a document's value without the statements named by Sid, or by number from 1.

    Adds what is done to ``steps``. Raises ContractError for a statement that is not there.
    """
    removed = set[int]()
    for name in named:
        found = [each for each in policy.statements if each.sid == name] or [
            each for each in policy.statements if name == str(each.index + 1)
        ]
        if not found:
            labels = ", ".join(each.label for each in policy.statements)
            raise ContractError(
                f"the policy has no statement {name}",
                cause=f"it has {labels}" if labels else "it has none",
                code=PolicyErrorCode.NO_SUCH_STATEMENT,
            )
        removed.add(found[0].index)
        steps.append(f"remove {found[0].label}: {found[0].effect} {', '.join(found[0].actions)}")
    if not removed:
        return policy.value
    kept = [each.value for each in policy.statements if each.index not in removed]
    return {**policy.value, "Statement": kept}


def without_principals(
    value: Mapping[str, Any], named: Sequence[str], steps: list[str], *, kind: DocumentKind
) -> Mapping[str, Any]:
    """Return a document's value without principals, wherever an Allow or a binding names them.

    A statement or binding that names no other principal is removed. Adds what is done to ``steps``. Raises
    ContractError for a principal that is nowhere named so, or that only a Deny or a NotPrincipal names as a guard.
    """
    for name in named:
        value = (_from_bindings if kind == "gcs" else _from_statements)(value, name, steps)
    return value


def _from_statements(value: Mapping[str, Any], name: str, steps: list[str]) -> Mapping[str, Any]:
    given = value["Statement"]
    values: list[Any] = given if isinstance(given, list) else [given]
    after: list[Any] = []
    found = False
    for number, statement in enumerate(values, start=1):
        label = f"statement {number}" + (f" ({statement['Sid']})" if statement.get("Sid") else "")
        element = "Principal" if "Principal" in statement else "NotPrincipal"
        principal = statement[element]
        listed = principal.get("AWS", []) if isinstance(principal, Mapping) else []
        texts = listed if isinstance(listed, list) else [listed]
        # An id of a deleted principal matches no caller, so it guards nothing either.
        guards = statement["Effect"] != "Allow" or element == "NotPrincipal"
        if name not in texts or (guards and not is_unique_id(name)):
            after.append(statement)
            continue
        rest = [each for each in texts if each != name]
        others = {key: each for key, each in principal.items() if key != "AWS"}
        if rest:
            others = {"AWS": rest if isinstance(listed, list) and len(rest) > 1 else rest[0], **others}
        if not others and element == "NotPrincipal":
            # Nothing would be left that the statement holds for.
            after.append(statement)
            continue
        found = True
        if others:
            after.append({**statement, element: others})
            steps.append(f"remove {name} from {label}")
        else:
            steps.append(f"remove {label}, which names no other principal than {name}")
    if not found:
        raise _not_named(name)
    return {**value, "Statement": after if isinstance(given, list) or not after else after[0]}


def _from_bindings(value: Mapping[str, Any], name: str, steps: list[str]) -> Mapping[str, Any]:
    after: list[Any] = []
    found = False
    for number, binding in enumerate(value.get("bindings", []), start=1):
        members = binding.get("members", [])
        rest = [each for each in members if normal_member(each) != normal_member(name)]
        if len(rest) == len(members):
            after.append(binding)
            continue
        found = True
        label = f"binding {number} ({binding['role']})"
        if rest:
            after.append({**binding, "members": rest})
            steps.append(f"remove {name} from {label}")
        else:
            steps.append(f"remove {label}, which has no other member than {name}")
    if not found:
        raise _not_named(name)
    return {**value, "bindings": after}


def _not_named(name: str) -> ContractError:
    return ContractError(
        f"no Allow and no binding names {name!r}",
        cause="only there can a principal be removed without weakening a guard",
        code=PolicyErrorCode.PRINCIPAL_NOT_NAMED,
    )
