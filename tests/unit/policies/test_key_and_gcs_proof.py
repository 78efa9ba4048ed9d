"""Verdicts on policies of KMS keys, and on those of Cloud Storage buckets."""

from __future__ import annotations

from typing import Any

import pytest

import policies
from tests.unit.policies.proofs import (
    ASYNC,
    BUCKET,
    GCS,
    JOBS,
    KEY,
)

_BEGINS = 'resource.name.startsWith("projects/_/buckets/bkt/objects/{}")'


class TestKey:
    def prove(
        self, *statements: dict[str, Any], contract: policies.AccessContract = ASYNC, key: str | None = KEY
    ) -> policies.Proof:
        target = policies.target(contract, BUCKET, prefixes={contract.prefixes[-1].name: "out/"}, key_arn=key)
        bucket = policies.generate(contract, target)
        own = policies.generate_key_statement(contract, target).value
        value = {"Version": "2012-10-17", "Statement": [{**own, **each} for each in statements]}
        return policies.prove(contract, target, bucket, policies.document(value, kind="kms"))

    def test_the_statement_is_complete(self) -> None:
        for contract in (ASYNC, JOBS):
            assert self.prove({}, contract=contract).complete
            assert self.prove({}, contract=contract, key=None).complete

    def test_the_root_statement_is_not_enough(self) -> None:
        proof = self.prove({"Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*"})
        assert {each.state for each in proof.key_verdicts} == {"fails"}
        assert proof.state == "fails"

    @pytest.mark.parametrize("action", ASYNC.key_statements[0].actions)
    def test_dropping_an_action_is_found(self, action: str) -> None:
        rest = [each for each in ASYNC.key_statements[0].actions if each != action]
        proof = self.prove({"Action": rest})
        failing = {each.requirement.action for each in proof.key_verdicts if each.state != "holds"}
        assert action in failing
        assert failing <= {action, action.removesuffix("*")}
        used = action in ("kms:Decrypt", "kms:GenerateDataKey*")
        assert proof.state == ("fails" if used else "holds"), "only what a delivery uses decides"

    def test_actions_may_be_spelled_out(self) -> None:
        spelled = [
            "kms:Encrypt",
            "kms:Decrypt",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
            "kms:GenerateDataKey*",
            "kms:Describe*",
        ]
        assert {each.state for each in self.prove({"Action": spelled}).key_verdicts} == {"holds"}
        without = self.prove({"Action": [each for each in spelled if each != "kms:ReEncryptTo"]})
        assert [each.action for each in without.key_verdicts if each.state != "holds"] == ["kms:ReEncryptTo"]
        assert without.complete, "no delivery encrypts again"

    @pytest.mark.parametrize(
        ("condition", "state"),
        [
            ({"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}, "holds"),
            ({"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}, "fails"),
            ({"StringEquals": {"kms:CallerAccount": "744254827463"}}, "holds"),
            ({"StringEquals": {"kms:CallerAccount": "111122223333"}}, "fails"),
            ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": "aws:s3:arn"}}, "holds"),
            ({"Bool": {"kms:GrantIsForAWSResource": "true"}}, "fails"),
            ({"StringEquals": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}}, "holds"),
            ({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT", "kms:KeyUsage": "ENCRYPT_DECRYPT"}}, "holds"),
            ({"StringEquals": {"kms:KeySpec": "RSA_4096"}}, "fails"),
            ({"Bool": {"kms:MultiRegion": "false"}}, "holds"),
            ({"Bool": {"kms:MultiRegion": "true"}}, "fails"),
            ({"StringEquals": {"kms:KeyOrigin": "AWS_KMS"}}, "unknown"),
            ({"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/*"}}, "unknown"),
            ({"Bool": {"aws:ViaAWSService": "true"}}, "unknown"),
        ],
    )
    def test_conditions_on_the_key(self, condition: dict[str, Any], state: str) -> None:
        assert self.prove({"Condition": condition}).state == state

    @pytest.mark.parametrize(
        ("arns", "state"),
        [
            (["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/out/*"], "holds"),
            (["arn:aws:s3:::bkt/out/*"], "unknown"),
            (["arn:aws:s3:::bkt"], "unknown"),
            (["arn:aws:s3:::other*"], "fails"),
        ],
    )
    def test_the_encryption_context_names_object_or_bucket(self, arns: list[str], state: str) -> None:
        proof = self.prove({"Condition": {"StringLike": {"kms:EncryptionContext:aws:s3:arn": arns}}})
        states = {each.action: each.state for each in proof.key_verdicts}
        assert states.pop("kms:DescribeKey") == "fails", "it neither encrypts nor decrypts, so it has no context"
        assert set(states.values()) == {state}

    def test_without_the_keys_arn_its_region_is_open(self) -> None:
        via = {"Condition": {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}}
        assert self.prove(via, key=None).state == "unknown"
        assert self.prove({"Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}}, key=None).complete

    def test_a_key_policy_may_name_its_own_key(self) -> None:
        assert self.prove({"Resource": KEY}).complete
        assert self.prove({"Resource": KEY}, key=None).complete
        assert self.prove({"Resource": "arn:aws:kms:*:*:key/*"}, key=None).complete
        assert not self.prove({"Resource": KEY.replace("1234", "9999")}).complete


class TestCloudStorage:
    MEMBER = GCS.principal

    def prove(self, *bindings: dict[str, Any], prefix: str | None = None) -> policies.Proof:
        target = policies.target(GCS, BUCKET, prefixes={"prefix": prefix})
        return policies.prove(GCS, target, policies.document({"bindings": list(bindings)}), inherited=())

    def binding(
        self, role: str = "roles/storage.objectCreator", expression: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        value: dict[str, Any] = {"role": role, "members": [self.MEMBER], **fields}
        return {**value, "condition": {"expression": expression}} if expression else value

    @pytest.mark.parametrize(
        ("role", "state"),
        [
            ("roles/storage.objectCreator", "holds"),
            ("roles/storage.objectAdmin", "holds"),
            ("roles/storage.legacyBucketWriter", "holds"),
            ("roles/storage.objectViewer", "fails"),
            ("projects/p/roles/custom", "unknown"),
        ],
    )
    def test_roles(self, role: str, state: str) -> None:
        assert self.prove(self.binding(role)).state == state

    @pytest.mark.parametrize(
        ("member", "state"),
        [
            ("allUsers", "holds"),
            ("allAuthenticatedUsers", "holds"),
            ("group:nimble@example.com", "unknown"),
            ("domain:example.com", "fails"),
            ("principalSet://iam.googleapis.com/locations/global/workforcePools/p/*", "fails"),
            ("principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s", "fails"),
            ("principalSet://cloudresourcemanager.googleapis.com/projects/1/type/ServiceAccount", "unknown"),
            ("serviceAccount:NimbleWay-GCP-storage@nimbleway-gcp.iam.gserviceaccount.com", "holds"),
            ("user:ann@example.com", "fails"),
            ("projectEditor:customer", "fails"),
            ("projectOwner:customer", "fails"),
            ("deleted:" + GCS.principal + "?uid=1", "fails"),
        ],
    )
    def test_members(self, member: str, state: str) -> None:
        assert self.prove(self.binding(members=[member])).state == state

    @pytest.mark.parametrize(
        ("expression", "state"),
        [
            ('resource.name.startsWith("projects/_/buckets/bkt/objects/out/")', "holds"),
            ("resource.name.startsWith('projects/_/buckets/bkt/objects/')", "holds"),
            ('resource.name.startsWith("projects/_/buckets/bkt/objects/in/")', "fails"),
            (r'resource.name.startsWith("projects/_/buckets/bkt/objects/\x6fut/")', "unknown"),
            (r'resource.name.startsWith("projects/_/buckets/bkt/objects/out/\\\t")', "unknown"),
            ('resource.name.startsWith("projects/_/buckets/bkt/objects/out/a")', "fails"),
            (f"{_BEGINS.format('a/')} || {_BEGINS.format('out/')}", "holds"),
            ('request.time < timestamp("2027-01-01T00:00:00Z")', "unknown"),
        ],
    )
    def test_conditions(self, expression: str, state: str) -> None:
        proof = self.prove(self.binding(expression=expression), prefix="out/")
        assert proof.state == state
        (verdict,) = proof.verdicts
        assert verdict.example.startswith("gs://bkt/out/")
        if state == "unknown":
            assert expression in verdict.needs[0]

    def test_bindings_add_up(self) -> None:
        narrow = self.binding(expression='resource.name.startsWith("projects/_/buckets/bkt/objects/in/")')
        assert self.prove(narrow, self.binding()).complete

    def test_no_policy_grants_nothing(self) -> None:
        target = policies.target(GCS, BUCKET)
        assert policies.prove(GCS, target, None).state == "unknown", "a role may be inherited from the project"
        assert policies.prove(GCS, target, None, inherited=()).state == "fails"
