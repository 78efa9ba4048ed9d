"""What `check` finds in key policies and in policies of Cloud Storage."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import policies
from policies.checks.proof.gcs_bindings import role_permissions
from tests.unit.policies.checked import ASYNC, GCS, codes, generated, report, target


class TestKey:
    def test_a_key_policy_alone(self) -> None:
        own = policies.generate_key_statement(ASYNC, target()).value
        found = report({"Version": "2012-10-17", "Statement": [own]}, kind="kms")
        assert [each.code for each in found.findings] == ["key-lockout"]
        assert found.chips == ()
        assert [each.code for each in report(own).findings] == ["fragment"]

    def test_a_lockout_is_seen_through_conditions(self) -> None:
        whole = copy.deepcopy(dict(policies.generate_key_policy(ASYNC, target(), "111122223333").value))
        for change, code in (
            ({"Effect": "Deny"}, "key-lockout"),
            ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, "key-control-conditional"),
            ({"Action": "kms:Get*"}, "key-lockout"),
            ({"Principal": {"AWS": ASYNC.principal}}, "key-lockout"),
        ):
            value = {**whole, "Statement": [{**whole["Statement"][0], **change}, whole["Statement"][1]]}
            assert [each for each in codes(value, kind="kms") if each.startswith("key-")] == [code]
        rest = {key: each for key, each in whole["Statement"][0].items() if key != "Action"}
        turned = {**rest, "NotAction": "kms:ScheduleKeyDeletion"}
        assert "key-lockout" not in codes({**whole, "Statement": [turned, whole["Statement"][1]]}, kind="kms")

    def test_more_than_the_contract_on_a_key(self) -> None:
        whole = copy.deepcopy(dict(policies.generate_key_policy(ASYNC, target(), "111122223333").value))
        whole["Statement"][1]["Action"] = "kms:*"
        found = next(each for each in report(whole, kind="kms").findings if each.code == "beyond-contract")
        assert "more" in found.message

    @pytest.mark.parametrize("key", ["s3:prefix", "secretsmanager:VersionId", "kms:ViaService"])
    def test_a_key_of_another_service_is_not_one_of_s3(self, key: str) -> None:
        whole = policies.generate_key_policy(ASYNC, target(), "111122223333").value
        own = {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::111122223333:role/team"},
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {"StringEquals": {key: "x"}},
        }
        value = {**whole, "Statement": [*whole["Statement"], own]}
        assert codes(value, kind="kms") == codes(whole, kind="kms")

    def test_both_documents_together(self) -> None:
        where = target(key_arn="arn:aws:kms:eu-west-1:111122223333:key/abc")
        assert "key-not-checked" in codes(generated(), target=where)
        key = policies.generate_key_policy(ASYNC, where, "111122223333")
        found = report(generated(), target=where, key_policy=key)
        assert [each.code for each in found.findings] == ["no-test-connection"]
        empty = policies.document({"Version": "2012-10-17", "Statement": []}, kind="kms")
        assert "requirement-missing" in codes(generated(), target=where, key_policy=empty)


class TestCloudStorage:
    def binding(self, **fields: Any) -> dict[str, Any]:
        binding = {"role": "roles/storage.objectCreator", "members": [GCS.principal], **fields}
        return {"bindings": [binding]}

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"members": ["ann"]}, "invalid-member"),
            ({"members": ["user:ann@example.com "]}, "invalid-member"),
            ({"role": "storage.objectCreator"}, "unknown-role"),
            ({"role": "roles/storage.objectcreator"}, "unknown-role"),
            ({"role": "roles/storage.objectCreater"}, "unknown-role"),
            ({"role": "projects/roles/writer"}, "unknown-role"),
            ({"condition": {"title": "t", "expression": "resource.name.startsWith("}}, "invalid-expression"),
            ({"members": [f"deleted:{GCS.principal}?uid=1"]}, "stale-member"),
            ({"members": ["allUsers"]}, "public"),
            ({"role": "roles/storage.objectAdmin"}, "delete-granted"),
            ({"role": "roles/storage.objectViewer"}, "beyond-contract"),
            ({"role": "projects/p/roles/mine"}, "beyond-contract"),
            ({"condition": {"expression": "true"}}, "condition-needs-version-3"),
        ],
    )
    def test_a_binding_with_something_the_matter(self, fields: dict[str, Any], code: str) -> None:
        found = next(each for each in report(self.binding(**fields), GCS).findings if each.code == code)
        assert found.where.startswith("binding 1 (")
        assert found.path.startswith("$.bindings[0].")

    def test_nothing_is_the_matter_with_other_peoples_bindings(self) -> None:
        value = self.binding()
        pool = "principalSet://iam.googleapis.com/locations/global/workforcePools/p/group/Data Science"
        value["bindings"].append({"role": "roles/storage.admin", "members": ["user:ann@example.com", pool]})
        assert codes(value, GCS) == []

    def test_the_contracts_role_is_a_known_one(self) -> None:
        assert role_permissions(policies.facts().gcs_role)
