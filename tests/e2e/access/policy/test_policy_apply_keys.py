"""``policy apply`` of a bucket that is encrypted with a KMS key, whose policy is changed too."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import plan_policy
from harvester.access.change.reverting import plan_revert
from harvester.cli.shared.next_steps.fix_commands import advised_commands
from harvester.errors import ExitCode
from harvester.sessions.connections import StoreSettings
from scripts.commands.installed_command import run
from scripts.commands.output_schemas import validate
from scripts.servers.fault_proxy import FaultProxy, Rule, Status
from tests.e2e.access.policy.bucket_policies import FOREIGN, put, stored

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("state")


@pytest.fixture
def kms(fault_proxy: FaultProxy) -> KMSClient:
    return boto3.client("kms", endpoint_url=fault_proxy.url, region_name="us-east-1")


class TestKey:
    def encrypted(self, s3: S3Client, kms: KMSClient, bucket: str) -> str:
        arn = kms.create_key()["KeyMetadata"]["Arn"]
        default: Any = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn}
        rules: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=rules)
        return arn

    def test_both_policies_are_changed_and_put_back(self, s3_bucket: str, s3: S3Client, kms: KMSClient) -> None:
        arn = self.encrypted(s3, kms, s3_bucket)
        before = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
        outcome = apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs", key_arn=arn))
        assert outcome.complete
        after = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"])
        assert after["Statement"][0] == before["Statement"][0]
        assert after["Statement"][1]["Sid"] == "NimbleKMSAccess"
        apply_policy(plan_revert(f"s3://{s3_bucket}"))
        assert json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]) == before
        assert stored(s3, s3_bucket) is None

    def test_when_the_second_write_fails_the_first_is_named_and_can_be_undone(
        self, s3_bucket: str, s3: S3Client, kms: KMSClient, fault_proxy: FaultProxy
    ) -> None:
        put(s3, s3_bucket, FOREIGN)
        before = stored(s3, s3_bucket)
        arn = self.encrypted(s3, kms, s3_bucket)
        refused = Status(400, body=b'{"__type": "KMSInvalidStateException", "message": "is pending deletion"}')
        fault_proxy.add(Rule(refused, method="POST", header="x-amz-target: TrentService.PutKeyPolicy"))

        ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--kms-key", arn, "--yes")

        assert ended.code == 4
        assert "is pending deletion; the policy of" in ended.err
        assert "has been written already" in ended.err
        assert stored(s3, s3_bucket) != before
        undo = ended.err.split("to undo what has been written: ")[1].split(")")[0]
        undone = run(*shlex.split(undo)[1:], "--yes")
        assert undone.code == 0, undone.err
        assert stored(s3, s3_bucket) == before

    def test_a_key_that_is_not_named_remains_a_finding(self, s3_bucket: str, s3: S3Client, kms: KMSClient) -> None:
        arn = self.encrypted(s3, kms, s3_bucket)
        outcome = apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
        assert not outcome.complete
        assert outcome.exit_code() is ExitCode.DIFFERENCE
        assert outcome.explanation is not None
        command = advised_commands(outcome.explanation, StoreSettings())[-1]
        assert command.endswith(f"--kms-key {arn}")

    def test_the_key_of_aws_remains_a_finding(self, s3_bucket: str, s3: S3Client) -> None:
        rules: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
        s3.put_bucket_encryption(Bucket=s3_bucket, ServerSideEncryptionConfiguration=rules)
        outcome = apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
        assert outcome.exit_code() is ExitCode.DIFFERENCE
        assert outcome.explanation is not None
        assert "managed-key" in {each.code for each in outcome.explanation.findings}

    @pytest.mark.parametrize("action", ["GetKeyPolicy", "PutKeyPolicy"])
    def test_what_may_not_be_changed_is_handed_over(
        self, s3_bucket: str, s3: S3Client, kms: KMSClient, fault_proxy: FaultProxy, action: str
    ) -> None:
        arn = self.encrypted(s3, kms, s3_bucket)
        denied = b'{"__type": "AccessDeniedException", "message": "no"}'
        headers = {"content-type": "application/x-amz-json-1.1"}
        fault_proxy.add(Rule(Status(400, body=denied, headers=headers), header=f"x-amz-target: TrentService.{action}"))
        ended = run(
            "policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--kms-key", arn, "--yes", "--format", "json"
        )
        assert ended.code == 10, ended.err
        validate("policy-apply", ended.document)
        (handover,) = ended.document["handovers"]
        assert handover["statement"]["Sid"] == "NimbleKMSAccess"
        assert stored(s3, s3_bucket) is not None
        text = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--kms-key", arn, "--yes")
        assert "give its owner this statement" in " ".join(text.out.split())

    def test_another_profile_changes_the_key(
        self, s3_bucket: str, s3: S3Client, kms: KMSClient, fault_proxy: FaultProxy, tmp_path: Path
    ) -> None:
        arn = self.encrypted(s3, kms, s3_bucket)
        config = tmp_path / "config"
        config.write_text("[profile keys]\naws_access_key_id = AKIAKEYSKEYSKEYSKEYS\naws_secret_access_key = x\n")
        arguments = [
            "policy",
            "apply",
            f"s3://{s3_bucket}",
            "--mode",
            "jobs",
            "--kms-key",
            arn,
            "--kms-profile",
            "keys",
        ]
        ended = run(*arguments, "--yes", AWS_CONFIG_FILE=str(config))
        assert ended.code == 0, ended.err
        keys = [request for request in fault_proxy.log if "/kms/" in request.headers.get("authorization", "")]
        ours = [each for each in keys if "AKIAKEYSKEYSKEYSKEYS" in each.headers["authorization"]]
        assert any("PutKeyPolicy" in each.headers["x-amz-target"] for each in ours)
        assert run(*arguments[:-1], "nobody", "--yes").code == 8

    @pytest.mark.parametrize(
        ("key", "word"),
        [
            ("alias/mine", "alias"),
            ("arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", "eu-west-1"),
            ("arn:aws-cn:kms:cn-north-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", "partition"),
            ("1234", "ARN"),
        ],
    )
    def test_a_key_that_cannot_be_is_three_lines(self, s3_bucket: str, key: str, word: str) -> None:
        ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--kms-key", key, "--yes")
        assert ended.code == 2, ended.err
        assert word in ended.err
        assert len(ended.err.splitlines()) == 3
