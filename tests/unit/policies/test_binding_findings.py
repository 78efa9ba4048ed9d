"""What is found in a binding of Cloud Storage: its role, its condition and its members."""

from __future__ import annotations

from typing import Any

import pytest

import policies
from tests.unit.policies.checked import GCS, report

NIMBLE, ANN, CREATOR = GCS.principal, "user:ann@example.com", "roles/storage.objectCreator"
ADDRESS = NIMBLE.partition(":")[2]
OTHER_PROJECT = NIMBLE.replace("@nimbleway-gcp.", "@nimbleway-gpc.")


def found(
    *members: str, role: str = CREATOR, expression: str | None = None
) -> list[tuple[str, str, str, str, policies.FixAction, str]]:
    binding: dict[str, Any] = {"role": role, "members": list(members)}
    if expression is not None:
        binding["condition"] = {"title": "t", "expression": expression}
    where = policies.target(GCS, "bkt", prefixes={"prefix": "out/"})
    checked = report({"version": 3, "bindings": [binding]}, GCS, "gcs", target=where)
    invalid = {"unknown-role", "invalid-expression", "invalid-member", "stale-member", "member-of-other-type"}
    return [
        (each.code, each.severity, each.message, each.path, each.fix.action, each.fix["principal"])
        for each in checked.findings
        if each.code in invalid | {"principal-typo"}
    ]


@pytest.mark.parametrize(
    ("role", "meant"),
    [
        ("roles/storage.objectCreater", CREATOR),
        ("storage.objectCreator", CREATOR),
        ("storage.objectCreater", CREATOR),
        ("roles/storage objectCreator2", ""),
        ("writer", ""),
        ("projects/p/x", ""),
    ],
)
@pytest.mark.parametrize("members", [(ANN,), (ANN, NIMBLE)])
def test_a_role_that_cannot_exist(role: str, meant: str, members: tuple[str, ...]) -> None:
    own = NIMBLE if NIMBLE in members else ""
    action = policies.FixAction.REMOVE_PRINCIPAL if own else policies.FixAction.EDIT
    message = f"{role!r} is no role" + (f"; {meant} is meant" if meant else "")
    assert found(*members, role=role) == [("unknown-role", "error", message, "$.bindings[0].role", action, own)]


@pytest.mark.parametrize("role", [CREATOR, "roles/custom.thing", "projects/p/roles/x", "organizations/1/roles/x.y_z"])
def test_a_role_that_may_exist(role: str) -> None:
    assert found(ANN, role=role) == []


@pytest.mark.parametrize(("expression", "problem"), [("", "is empty"), ("(true", "does not close (")])
def test_a_condition_that_is_no_expression(expression: str, problem: str) -> None:
    path = "$.bindings[0].condition.expression"
    found_in = ("invalid-expression", "error", f"the condition {problem}", path)
    assert found(ANN, expression=expression) == [(*found_in, policies.FixAction.EDIT, "")]
    assert found(NIMBLE, expression=expression) == [(*found_in, policies.FixAction.REMOVE_PRINCIPAL, NIMBLE)]
    assert found(ANN, expression="true") == []


@pytest.mark.parametrize(
    ("member", "code", "severity", "message"),
    [
        (f"deleted:{ANN}?uid=1", "stale-member", "warning", f"deleted:{ANN}?uid=1 is a deleted account"),
        ("user:ann @example.com", "invalid-member", "error", "'user:ann @example.com' has white space in it"),
        ("ann@example.com", "invalid-member", "error", "'ann@example.com' has no type"),
        ("usr:ann@example.com", "invalid-member", "error", "'usr' is no type of member"),
        (ADDRESS, "invalid-member", "error", f"{ADDRESS!r} has no type; {NIMBLE} is meant"),
        (f"sa:{ADDRESS}", "invalid-member", "error", f"'sa' is no type of member; {NIMBLE} is meant"),
        (
            f"user:{ADDRESS}",
            "member-of-other-type",
            "error",
            f"user:{ADDRESS} is not {NIMBLE}: a service account has the type serviceAccount",
        ),
        (OTHER_PROJECT, "principal-typo", "error", f"{OTHER_PROJECT!r} is not {NIMBLE}"),
    ],
)
def test_a_member_that_is_refused_or_not_meant(member: str, code: str, severity: str, message: str) -> None:
    removal = policies.FixAction.REMOVE_PRINCIPAL
    assert found(member) == [(code, severity, message, "$.bindings[0].members", removal, member)]


@pytest.mark.parametrize(
    "member",
    [
        "allUsers",
        "allAuthenticatedUsers",
        NIMBLE,
        ANN,
        "group:a@example.com",
        "domain:example.com",
        "projectEditor:p",
        "serviceAccount:other@p.iam.gserviceaccount.com",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/group/a b",
    ],
)
def test_a_member_that_is_stored(member: str) -> None:
    assert found(member) == []
