"""``policy apply``, ``policy revert`` and ``policy diff`` of a live bucket.

moto stores any text as a policy and authorises nothing by it; held here is what is written, when, and what is kept.
"""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import PolicyPlan, plan_policy
from harvester.access.change.reverting import plan_revert
from harvester.access.explain.explaining import explain_access
from harvester.cli.shared.next_steps.fix_commands import advised_commands
from harvester.errors import (
    AccessDenied,
    ConnectionFailed,
    DestinationUnusable,
    DifferenceFound,
    ExitCode,
    HarvesterError,
    IntegrityError,
    UsageError,
)
from harvester.retry import RetryPolicy
from harvester.sessions.connections import StoreSettings
from policies import contract
from policies.checks.proof.proving import prove
from policies.contracts.targets import target
from policies.language.documents import parse
from scripts.commands.installed_command import COMMAND, environment, run
from scripts.commands.output_schemas import validate
from scripts.servers.fault_proxy import Call, FaultProxy, Rule, Status, Upstream
from scripts.servers.loopback_server import Answer, Request
from tests.rigs.aws_answers import answer_as_new_bucket

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

FOREIGN = {
    "Sid": "Another team's",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::111122223333:role/reader"},
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::{}/*",
}


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where backups go."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def kms(fault_proxy: FaultProxy) -> KMSClient:
    return boto3.client("kms", endpoint_url=fault_proxy.url, region_name="us-east-1")


def stored(s3: S3Client, bucket: str) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucketPolicy":
            raise
        return None
    return document


def put(s3: S3Client, bucket: str, *statements: dict[str, Any], **fields: Any) -> dict[str, Any]:
    document = {"Version": "2012-10-17", **fields, "Statement": list(statements)}
    text = json.dumps(document).replace("{}", bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def writes(proxy: FaultProxy) -> list[Request]:
    return [request for request in proxy.log if request.method in {"PUT", "DELETE"} and "policy" in request.target]


def backups(state: Path) -> list[Path]:
    return sorted(state.rglob("*.json"))


def test_three_commands_from_nothing_to_a_green_chip(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    answer_as_new_bucket(fault_proxy)
    url = f"s3://{s3_bucket}"
    applied = run("policy", "apply", url, "--mode", "jobs", "--yes")
    assert applied.code == 0, applied.err
    assert "every requirement of the contract holds" in applied.out
    explained = run("explain", url, "--mode", "jobs")
    assert explained.code == 0
    assert explained.out.splitlines()[0] == f"{url}: go"
    tested = run("test", "--input", f"{url}/input/", "--output", f"{url}/output/")
    assert tested.code == 0
    assert "go: 2 of 2 green" in tested.out


@pytest.mark.parametrize("mode", ["async", "jobs"])
def test_the_stored_policy_proves_complete(s3_bucket: str, s3: S3Client, mode: str) -> None:
    outcome = apply_policy(plan_policy(f"s3://{s3_bucket}", mode))
    agreed = contract(mode)
    assert prove(agreed, target(agreed, s3_bucket), parse(json.dumps(stored(s3, s3_bucket)))).complete
    assert outcome.complete
    assert outcome.exit_code() is ExitCode.OK


def test_foreign_statements_keep_meaning_order_and_unknown_fields(s3_bucket: str, s3: S3Client) -> None:
    before = put(s3, s3_bucket, {**FOREIGN, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, Id="kept")
    apply_policy(plan_policy(f"s3://{s3_bucket}/results/", "async"))
    after = stored(s3, s3_bucket)
    assert after is not None
    assert after["Id"] == "kept"
    assert after["Statement"][0] == before["Statement"][0]
    assert len(after["Statement"]) == 3


def test_a_second_apply_changes_nothing_and_reports_it(s3_bucket: str, fault_proxy: FaultProxy, state: Path) -> None:
    url = f"s3://{s3_bucket}/results/"
    apply_policy(plan_policy(url, "async"))
    fault_proxy.clear()
    again = run("policy", "apply", url, "--mode", "async")
    assert again.code == 0
    assert "nothing to do" in again.out
    assert writes(fault_proxy) == []
    assert len(backups(state)) == 1


def test_a_dry_run_writes_nothing(s3_bucket: str, fault_proxy: FaultProxy, state: Path) -> None:
    ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--dry-run")
    assert ended.code == 0
    assert ended.out.startswith("1. ")
    assert '+      "Sid": "NimbleListBucket"' in ended.out
    assert "Terraform" in ended.out
    assert writes(fault_proxy) == []
    assert backups(state) == []
    document = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--dry-run", "--format", "json").document
    validate("policy-apply", document)
    assert document["changed"] is False
    assert len(document["steps"]) == 3


@pytest.mark.parametrize("variable", ["UNRELATED", "NIMBLE_HARVESTER_POLICY_APPLY_YES", "NIMBLE_HARVESTER_APPLY_YES"])
def test_without_consent_nothing_is_written(
    s3_bucket: str, fault_proxy: FaultProxy, state: Path, variable: str
) -> None:
    ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", **{variable: "1"})
    assert ended.code == 13
    assert "--yes" in ended.err
    assert len([line for line in ended.err.splitlines() if not line.startswith("warning: ")]) == 3
    assert writes(fault_proxy) == []
    assert backups(state) == []


def test_a_flag_of_a_subcommand_has_its_variable(s3_bucket: str) -> None:
    ended = run("policy", "apply", f"s3://{s3_bucket}", NIMBLE_HARVESTER_POLICY_APPLY_MODE="jobs")
    assert ended.code == 13


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 13), ("\n", 13)])
def test_a_terminal_is_asked(s3_bucket: str, s3: S3Client, answer: str, code: int) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    out, err = process.communicate()
    os.close(ours)
    assert process.returncode == code, (out, err)
    assert "Make 3 changes?" in err
    assert (stored(s3, s3_bucket) is not None) is (code == 0)


def test_the_backup_is_private_and_holds_both_sides(s3_bucket: str, s3: S3Client, state: Path) -> None:
    before = put(s3, s3_bucket, FOREIGN)
    outcome = apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
    assert outcome.backup is not None
    assert backups(state) == [outcome.backup]
    assert outcome.backup.stat().st_mode & 0o777 == 0o600
    document = json.loads(outcome.backup.read_text())
    validate("policy-backup", document)
    (saved,) = document["policies"]
    assert json.loads(saved["policy"]) == before
    assert json.loads(saved["replaced_by"]) == stored(s3, s3_bucket)


def test_without_a_backup_nothing_is_written(s3_bucket: str, fault_proxy: FaultProxy, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(DestinationUnusable):
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"), backup_dir=in_the_way)
    assert writes(fault_proxy) == []


def test_a_policy_edited_after_it_was_read_is_left_alone(
    s3_bucket: str, s3: S3Client, fault_proxy: FaultProxy, state: Path
) -> None:
    plan = plan_policy(f"s3://{s3_bucket}", "jobs")
    edited = put(s3, s3_bucket, FOREIGN)
    with pytest.raises(DifferenceFound) as caught:
        apply_policy(plan)
    assert "nothing was written" in str(caught.value)
    assert caught.value.exit_code is ExitCode.DIFFERENCE
    assert stored(s3, s3_bucket) == edited
    assert writes(fault_proxy) == []
    assert backups(state) == []


def test_a_write_in_the_same_moment_is_found_when_reading_back(
    s3_bucket: str, s3: S3Client, fault_proxy: FaultProxy
) -> None:
    def write_after(request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        put(s3, s3_bucket, FOREIGN)
        return answer

    fault_proxy.add(Rule(Call(write_after), method="PUT", query="^policy$", times=1))
    with pytest.raises(DifferenceFound) as caught:
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
    assert "another document is read back" in str(caught.value)
    assert "-apply.json" in str(caught.value.parameters["backup"])


def test_settings_that_take_a_moment_are_waited_for(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    missing = Status(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
    plan = plan_policy(f"s3://{s3_bucket}", "jobs")
    fault_proxy.add(Rule(missing, method="GET", query="^policy$", after=1, times=2))
    assert apply_policy(plan).complete


def test_what_the_service_rewrites_still_means_the_same(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    def rewrite(request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        document = json.loads(answer.body)
        for statement in document["Statement"]:
            statement["Resource"] = [statement["Resource"]]
            statement["Action"] = (
                [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"][::-1]
            )
        return Answer(answer.status, json.dumps(document).encode(), answer.headers)

    plan = plan_policy(f"s3://{s3_bucket}", "jobs")
    fault_proxy.add(Rule(Call(rewrite), method="GET", query="^policy$", after=1))
    assert apply_policy(plan).complete


@pytest.mark.parametrize(
    "text", [b"<html>a login page</html>", b'{"Version": "2012-10-17", "Statement": [], "Statement": []}']
)
def test_nothing_is_merged_into_what_is_no_policy(s3_bucket: str, fault_proxy: FaultProxy, text: bytes) -> None:
    fault_proxy.add(Rule(Status(200, body=text), method="GET", query="^policy$"))
    with pytest.raises(IntegrityError):
        plan_policy(f"s3://{s3_bucket}", "jobs")
    assert run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--yes").code == 7
    assert writes(fault_proxy) == []


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", AccessDenied),
        (400, "MalformedPolicy", IntegrityError),
        (503, "SlowDown", ConnectionFailed),
    ],
)
def test_a_refused_write_names_the_cause_and_where_the_backup_is(
    s3_bucket: str, fault_proxy: FaultProxy, status: int, code: str, error: type[HarvesterError]
) -> None:
    fault_proxy.add(Rule(Status(status, code, "Invalid principal in policy"), method="PUT", query="^policy$"))
    with pytest.raises(error) as caught:
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs", settings=StoreSettings(retry=RetryPolicy(attempts=1))))
    assert "Invalid principal in policy" in str(caught.value)
    assert "-apply.json" in str(caught.value.parameters["backup"])
    assert "FAULT" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (Status(403, "AccessDenied", "no"), "s3:GetBucketPolicy"),
        (Status(405, "MethodNotAllowed", "no"), "only identities of the bucket's own account"),
    ],
)
def test_a_policy_that_may_not_be_read_is_not_replaced(
    s3_bucket: str, fault_proxy: FaultProxy, status: Status, word: str
) -> None:
    fault_proxy.add(Rule(status, method="GET", query="^policy$"))
    ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--yes")
    assert ended.code == 4
    assert word in ended.err
    assert writes(fault_proxy) == []


DENY = {
    "Sid": "Organisation",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::{}", "arn:aws:s3:::{}/*"],
    "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1234567890"}},
}


def test_a_deny_is_never_edited_silently(s3_bucket: str, s3: S3Client) -> None:
    put(s3, s3_bucket, DENY)
    ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--yes")
    assert ended.code == 10
    assert "--exempt" in ended.out
    after = stored(s3, s3_bucket)
    assert after is not None
    assert "ArnNotEquals" not in json.dumps(after)
    exempted = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--yes", "--exempt")
    assert exempted.code == 0, exempted.out
    after = stored(s3, s3_bucket)
    assert after is not None
    assert after["Statement"][0]["Condition"]["ArnNotEquals"]


def test_statements_are_removed_only_by_name(s3_bucket: str, s3: S3Client) -> None:
    put(s3, s3_bucket, FOREIGN, {**DENY, "Sid": "Other"})
    with pytest.raises(UsageError) as caught:
        plan_policy(f"s3://{s3_bucket}", "jobs", without=["Missing"])
    assert "statement 2 (Other)" in str(caught.value)
    plan = plan_policy(f"s3://{s3_bucket}", "jobs", without=["Other"])
    assert plan.steps[0].endswith("remove statement 2 (Other): Deny s3:*")
    apply_policy(plan)
    after = stored(s3, s3_bucket)
    assert after is not None
    assert next(each["Sid"] for each in after["Statement"]) == FOREIGN["Sid"]
    assert "Other" not in {each["Sid"] for each in after["Statement"]}


class TestDiff:
    def test_of_a_bucket(self, s3_bucket: str, fault_proxy: FaultProxy, s3: S3Client) -> None:
        url = f"s3://{s3_bucket}/results/"
        put(s3, s3_bucket, FOREIGN)
        before = run("policy", "diff", url, "--mode", "async")
        assert before.code == 10
        assert '+      "Sid": "NimbleCloudDeliveryWrite"' in before.out
        assert writes(fault_proxy) == []
        apply_policy(plan_policy(url, "async"))
        assert run("policy", "diff", url, "--mode", "async").code == 0

    def test_of_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "policy.json"
        path.write_text(json.dumps({"Version": "2012-10-17", "Statement": [FOREIGN]}).replace("{}", "mine"))
        assert run("policy", "diff", path, "--mode", "jobs", "--bucket", "mine").code == 10
        assert run("policy", "diff", path, "--mode", "jobs").code == 2
        assert run("policy", "diff", "s3://mine", "--mode", "jobs", "--bucket", "mine").code == 2


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


class TestRevert:
    def test_no_policy_before_means_none_after(self, s3_bucket: str, s3: S3Client) -> None:
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
        ended = run("policy", "revert", f"s3://{s3_bucket}", "--yes", "--format", "json")
        assert ended.code == 0, ended.err
        validate("policy-revert", ended.document)
        assert stored(s3, s3_bucket) is None
        again = run("policy", "revert", f"s3://{s3_bucket}")
        assert again.code == 0
        assert "nothing to do" in again.out

    def test_the_exact_bytes_are_put_back(self, s3_bucket: str, s3: S3Client) -> None:
        resources = [f"arn:aws:s3:::{s3_bucket}/*"]
        text = json.dumps({"Statement": [{**FOREIGN, "Resource": resources}], "Version": "2012-10-17"}, indent=3) + "\n"
        s3.put_bucket_policy(Bucket=s3_bucket, Policy=text)
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
        assert s3.get_bucket_policy(Bucket=s3_bucket)["Policy"] != text
        apply_policy(plan_revert(f"s3://{s3_bucket}"))
        assert s3.get_bucket_policy(Bucket=s3_bucket)["Policy"] == text

    def test_the_newest_and_a_named_one(self, s3_bucket: str, s3: S3Client) -> None:
        first = put(s3, s3_bucket, FOREIGN)
        one = apply_policy(plan_policy(f"s3://{s3_bucket}/a/", "async"))
        second = stored(s3, s3_bucket)
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
        apply_policy(plan_revert(f"s3://{s3_bucket}"))
        assert stored(s3, s3_bucket) == second
        assert one.backup is not None
        apply_policy(plan_revert(f"s3://{s3_bucket}", backup=one.backup.name))
        assert stored(s3, s3_bucket) == first

    def test_it_can_be_undone_itself(self, s3_bucket: str, s3: S3Client) -> None:
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
        opened = stored(s3, s3_bucket)
        undone = apply_policy(plan_revert(f"s3://{s3_bucket}"))
        apply_policy(plan_revert(f"s3://{s3_bucket}", backup=str(undone.backup)))
        assert stored(s3, s3_bucket) == opened

    def test_consent_is_needed(self, s3_bucket: str, s3: S3Client) -> None:
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
        ended = run("policy", "revert", f"s3://{s3_bucket}", NIMBLE_HARVESTER_POLICY_REVERT_YES="1")
        assert ended.code == 13
        assert stored(s3, s3_bucket) is not None

    def test_a_later_change_is_noted(self, s3_bucket: str, s3: S3Client) -> None:
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
        put(s3, s3_bucket, FOREIGN)
        plan = plan_revert(f"s3://{s3_bucket}")
        assert any("another writer" in note for note in plan.notes)

    def test_an_edit_after_planning_is_left_alone(self, s3_bucket: str, s3: S3Client) -> None:
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
        plan = plan_revert(f"s3://{s3_bucket}")
        edited = put(s3, s3_bucket, FOREIGN)
        with pytest.raises(DifferenceFound):
            apply_policy(plan)
        assert stored(s3, s3_bucket) == edited

    def test_backups_that_are_none(self, s3_bucket: str, tmp_path: Path) -> None:
        assert run("policy", "revert", f"s3://{s3_bucket}").code == 2
        assert run("policy", "revert", f"s3://{s3_bucket}", "--backup", "none.json").code == 2
        wrong = tmp_path / "wrong.json"
        wrong.write_text('{"schema": "other"}')
        assert run("policy", "revert", f"s3://{s3_bucket}", "--backup", wrong).code == 7
        assert run("policy", "revert", "file:///tmp/").code == 2


def test_several_buckets_are_refused() -> None:
    with pytest.raises(UsageError):
        plan_policy("s3://mine", "jobs", inputs=["s3://other/in/"])


def test_public_access_is_never_loosened(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    plan: PolicyPlan = plan_policy(f"s3://{s3_bucket}", "jobs")
    apply_policy(plan)
    explain_access(f"s3://{s3_bucket}", "jobs")
    changed = [request.target for request in fault_proxy.log if request.method in {"PUT", "DELETE"}]
    assert changed
    assert all(target.endswith("?policy") for target in changed)
