"""The policies that a Cloud Storage bucket inherits from, as gcloud prints them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

import policies
from policies import GrammarError, ParseError, parse_inherited

MEMBER = "serviceAccount:nimbleway-gcp-storage@nimbleway-gcp.iam.gserviceaccount.com"
CREATOR = {"role": "roles/storage.objectCreator", "members": [MEMBER]}
GCS = policies.contract("async", "gs")
TARGET = policies.target(GCS, "acme", prefixes={"prefix": "nimble/"})
AT = datetime(2026, 11, 30, tzinfo=UTC)


def ancestors(*bindings: dict[str, Any]) -> str:
    return json.dumps(
        [
            {"id": "acme-data", "type": "project", "policy": {"bindings": list(bindings), "etag": "BwY", "version": 1}},
            {"id": "123456789", "type": "folder", "policy": {"etag": "ACAB"}},
            {"id": "42", "type": "organization", "policy": {"name": "policies/x/denypolicies/y", "rules": []}},
        ]
    )


def state(text: str | None) -> tuple[str, list[str]]:
    bucket = policies.document(
        {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}, kind="gcs"
    )
    inherited = None if text is None else parse_inherited(text, source="inherited.json")
    proof = policies.prove(GCS, TARGET, bucket, inherited=inherited, at=AT)
    return proof.state, [each.code for verdict in proof.verdicts for each in verdict.reasons]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, ("unknown", ["unread:project-policy"])),
        (ancestors(), ("fails", [])),
        (ancestors(CREATOR), ("holds", [])),
        (json.dumps({"bindings": [CREATOR]}), ("holds", [])),
        (json.dumps([{"bindings": [CREATOR]}, {"bindings": []}]), ("holds", [])),
        ("[]", ("fails", [])),
        (ancestors({**CREATOR, "role": "roles/storage.objectViewer"}), ("fails", [])),
        (
            ancestors({**CREATOR, "members": ["group:vendors@example.com"]}),
            ("unknown", ["unread:group:vendors@example.com"]),
        ),
        (ancestors({**CREATOR, "role": "projects/p/roles/upload"}), ("unknown", ["unread:projects/p/roles/upload"])),
        (
            ancestors(
                {
                    **CREATOR,
                    "condition": {"title": "t", "expression": 'request.time < timestamp("2026-06-30T00:00:00Z")'},
                }
            ),
            ("fails", []),
        ),
    ],
)
def test_what_is_inherited_decides(text: str | None, found: tuple[str, list[str]]) -> None:
    assert state(text) == found


def test_an_inherited_binding_is_not_taken_for_one_of_the_bucket() -> None:
    bucket = policies.document(
        {"bindings": [{"role": "roles/storage.admin", "members": ["user:ann@example.com"]}]}, kind="gcs"
    )
    ends = {**CREATOR, "condition": {"title": "t", "expression": 'request.time < timestamp("2027-06-30T00:00:00Z")'}}
    report = policies.check(GCS, TARGET, bucket, inherited=parse_inherited(ancestors(ends)), at=AT)
    (reference,) = report.proof.verdicts[0].statements
    assert (reference.index, reference.sid) == (1, "roles/storage.objectCreator")
    (ending,) = [each for each in report.findings if each.code == "grant-ends"]
    assert ending.statement is None


@pytest.mark.parametrize("text", ['{"Version": "2012-10-17", "Statement": []}', "[1]", '"x"', '[{"policy": {"a": 1}}]'])
def test_other_documents_are_refused(text: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_inherited(text, source="inherited.json")
    assert caught.value.code == "not_inherited"


def test_text_that_is_no_json() -> None:
    with pytest.raises(ParseError):
        parse_inherited("{", source="inherited.json")


EVERYONE = "principalSet://goog/public:all"
ACCOUNT = f"principal://iam.googleapis.com/projects/-/serviceAccounts/{MEMBER.partition(':')[2]}"
OTHER_ACCOUNT = "principal://iam.googleapis.com/projects/-/serviceAccounts/other@p.iam.gserviceaccount.com"
GROUP = "principalSet://goog/group/vendors@example.com"
PERMISSION = "storage.googleapis.com/objects.create"
TAGGED = 'resource.matchTag("acme/env", "prod")'


def denying(*principals: str, permissions: tuple[str, ...] = (PERMISSION,), **more: Any) -> dict[str, Any]:
    rule = {"deniedPrincipals": list(principals), "deniedPermissions": list(permissions), **more}
    return {
        "rules": [
            {"denyRule": {"deniedPrincipals": [OTHER_ACCOUNT], "deniedPermissions": [PERMISSION]}},
            {"denyRule": rule},
        ]
    }


def with_denial(policy: dict[str, Any], *bindings: dict[str, Any]) -> str:
    named = {"name": "policies/cloudresourcemanager.googleapis.com%2Fprojects%2F1/denypolicies/guard", **policy}
    return json.dumps([{"policy": {"bindings": list(bindings)}}, {"id": "acme", "type": "project", "policy": named}])


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (denying(EVERYONE), ("fails", [])),
        (denying(ACCOUNT), ("fails", [])),
        (denying(ACCOUNT.replace("nimbleway-gcp-storage@", "Nimbleway-GCP-storage@")), ("fails", [])),
        (denying(GROUP, ACCOUNT), ("fails", [])),
        (denying(EVERYONE, permissions=("storage.googleapis.com/objects.*",)), ("fails", [])),
        (denying(EVERYONE, permissions=("storage.googleapis.com/*.create",)), ("fails", [])),
        (denying(EVERYONE, permissions=("storage.googleapis.com/*.*",)), ("fails", [])),
        (denying(EVERYONE, exceptionPrincipals=[OTHER_ACCOUNT]), ("fails", [])),
        (denying(EVERYONE, denialCondition={"expression": "true"}), ("fails", [])),
        (denying(EVERYONE, exceptionPermissions=["storage.googleapis.com/objects.get"]), ("fails", [])),
        (denying(OTHER_ACCOUNT, "principal://goog/subject/ann@example.com", f"deleted:{ACCOUNT}?uid=1"), ("holds", [])),
        (denying(EVERYONE, permissions=("storage.googleapis.com/objects.delete",)), ("holds", [])),
        (denying(EVERYONE, permissions=("storage.googleapis.com/buckets.create",)), ("holds", [])),
        (denying(EVERYONE, permissions=("pubsub.googleapis.com/objects.create",)), ("holds", [])),
        (denying(EVERYONE, permissions=()), ("holds", [])),
        (denying(EVERYONE, exceptionPrincipals=[ACCOUNT]), ("holds", [])),
        (denying(EVERYONE, exceptionPermissions=[PERMISSION]), ("holds", [])),
        (denying(EVERYONE, denialCondition={"expression": "false"}), ("holds", [])),
        (denying(GROUP, exceptionPrincipals=[ACCOUNT]), ("holds", [])),
        (denying(OTHER_ACCOUNT, denialCondition={"expression": TAGGED}), ("holds", [])),
        (denying(GROUP), ("unknown", [f"unread:{GROUP}"])),
        (denying(OTHER_ACCOUNT, GROUP), ("unknown", [f"unread:{GROUP}"])),
        (denying(EVERYONE, exceptionPrincipals=[GROUP]), ("unknown", [f"unread:{GROUP}"])),
        (denying(EVERYONE, denialCondition={"expression": TAGGED}), ("unknown", [f"condition:{TAGGED}"])),
        (
            denying(EVERYONE, denialCondition={"expression": 'resource.name == "x"'}),
            ("unknown", ['condition:resource.name == "x"']),
        ),
        (
            {"kind": "DenyPolicy", "etag": "x"},
            ("unknown", ["unread:deny policy guard of project acme"]),
        ),
    ],
)  # fmt: skip
def test_deny_policies_decide(policy: dict[str, Any], found: tuple[str, list[str]]) -> None:
    assert state(with_denial(policy, CREATOR)) == found


def test_what_no_binding_grants_fails_whatever_is_denied() -> None:
    assert state(with_denial(denying(GROUP))) == ("fails", [])
    assert state(with_denial(denying(EVERYONE))) == ("fails", [])
    group = {**CREATOR, "members": ["group:a@example.com"]}
    assert state(with_denial(denying(GROUP), group)) == ("unknown", ["unread:group:a@example.com", f"unread:{GROUP}"])


def test_no_change_of_the_bucket_is_advised_against_a_deny_policy() -> None:
    bucket = policies.document({"bindings": [CREATOR]}, kind="gcs")
    for policy, code, message in [
        (denying(EVERYONE), "requirement-denied", "the deny policy guard of project acme denies it"),
        (denying(GROUP), "requirement-undecided", f"unread:{GROUP}"),
        (denying(EVERYONE, denialCondition={"expression": TAGGED}), "requirement-undecided", f"condition:{TAGGED}"),
        ({"kind": "DenyPolicy", "etag": "x"}, "requirement-undecided", "of project acme (iam.denypolicies.get)"),
        ({**denying(EVERYONE), "name": ""}, "requirement-denied", "the deny policy of project acme denies it"),
    ]:
        inherited = parse_inherited(with_denial(policy))
        report = policies.check(GCS, TARGET, bucket, inherited=inherited, at=AT)
        (found,) = [each for each in report.findings if each.code.startswith("requirement-")]
        assert (found.code, found.fix.action) == (code, policies.FixAction.EDIT)
        assert message in found.message
        assert policies.advised_change(bucket, GCS, TARGET, report.findings, inherited=inherited, at=AT) is None


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ({}, "$[1].rules"),
        ([1], "$[1].rules[0].denyRule"),
        ([{"denyRule": []}], "$[1].rules[0].denyRule"),
        ([{"denyRule": {"deniedPrincipals": "x"}}], "$[1].rules[0].denyRule.deniedPrincipals"),
        ([{"denyRule": {"exceptionPermissions": [1]}}], "$[1].rules[0].denyRule.exceptionPermissions"),
        ([{"denyRule": {"denialCondition": {"expression": 1}}}], "$[1].rules[0].denyRule.denialCondition"),
        ([{"denyRule": {"denialCondition": 1}}], "$[1].rules[0].denyRule.denialCondition"),
    ],
)
def test_rules_that_are_none_are_refused_with_their_path(rules: object, path: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_inherited(with_denial({"rules": rules}))
    assert caught.value.path == path


@pytest.mark.parametrize(("text", "path"), [('{"a": 1}', "$"), ('[{"bindings": []}, {"a": 1}]', "$[1]")])
def test_what_is_refused_is_named_by_its_path(text: str, path: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_inherited(text)
    assert str(caught.value).startswith(f"the document, at {path}: ")


@pytest.mark.parametrize("empty", [{"version": 1}, {"auditConfigs": []}, {"etag": "ACAB"}, {"bindings": []}])
def test_a_policy_may_have_no_bindings(empty: dict[str, Any]) -> None:
    (found,) = parse_inherited(json.dumps(empty), source="file")
    assert (found.kind, found.bindings, found.denials, found.source) == ("gcs", (), (), "file")


def test_a_policy_is_named_after_the_resource_it_is_attached_to() -> None:
    allowed, denied = parse_inherited(
        json.dumps([{"id": "7", "policy": {"etag": "x"}}, *json.loads(with_denial(denying()))[1:]])
    )
    assert (allowed.source, denied.source) == ("resource 7", "project acme")
    assert (denied.kind, denied.bindings, denied.fragment, len(denied.denials or ())) == ("gcs", (), False, 2)
