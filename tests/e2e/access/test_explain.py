"""``explain``: what Nimble may do, each documented way of breaking it named, and a fix that turns it green.

moto authorises nothing by policy; these tests check what the program reports about settings it has read.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from harvester import explain_access
from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import plan_policy
from harvester.access.explain.explaining import AccessReport
from harvester.cli.shared.next_steps.fix_commands import advised_commands
from harvester.errors import AccessDenied, ConnectionFailed, ExitCode, NoSuchBucket, UsageError
from harvester.retry import RetryPolicy
from harvester.sessions.connections import StoreSettings
from policies import contract
from scripts.commands.installed_command import run
from scripts.commands.output_schemas import validate
from scripts.servers.fault_proxy import FaultProxy, OtherBody, Rule, Stall, Status
from tests.rigs import aws_cli
from tests.rigs.aws_answers import answer_as_new_bucket, answer_request_payment

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

ALL_ON = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass
class GrantedBucket:
    """A bucket that grants Nimble the contract, on a moto that answers like AWS where it would not."""

    bucket: str
    s3: S3Client
    kms: KMSClient
    proxy: FaultProxy
    mode: str = "jobs"

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}"

    def explain(self, **options: Any) -> AccessReport:
        return explain_access(self.url, self.mode, **options)

    def policy(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.s3.get_bucket_policy(Bucket=self.bucket)["Policy"])
        return document

    def put(self, *statements: dict[str, Any], keep: bool = True) -> None:
        own = self.policy()["Statement"] if keep else []
        document = {"Version": "2012-10-17", "Statement": [*own, *statements]}
        self.s3.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(document))

    def encrypt(self, key: str | None = None, algorithm: str = "aws:kms") -> None:
        default: dict[str, Any] = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key} if key else {})
        rules: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
        self.s3.put_bucket_encryption(Bucket=self.bucket, ServerSideEncryptionConfiguration=rules)

    def new_key(self) -> str:
        return self.kms.create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def granted(
    s3_bucket: str, s3: S3Client, fault_proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> GrantedBucket:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    answer_request_payment(fault_proxy)
    rules: Any = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=s3_bucket, OwnershipControls=rules)
    kms = boto3.client("kms", endpoint_url=fault_proxy.url, region_name="us-east-1")
    granted = GrantedBucket(s3_bucket, s3, kms, fault_proxy)
    apply_policy(plan_policy(granted.url, "jobs"))
    return granted


def codes(report: AccessReport) -> set[str]:
    return {each.code for explanation in report.explanations for each in explanation.findings}


def fixes(report: AccessReport) -> list[str]:
    """Return the commands that are advised."""
    return [each for one in report.explanations for each in advised_commands(one, StoreSettings())]


def test_an_open_bucket_is_go(granted: GrantedBucket) -> None:
    report = granted.explain()
    (explanation,) = report.explanations
    assert report.verdict == "go", explanation.findings
    assert report.exit_code(strict=True) is ExitCode.OK
    assert {each.state for each in explanation.requirements} == {"holds"}
    assert [each.id for each in explanation.requirements] == [each.id for each in contract("jobs").requirements]
    assert all(each.decided_by for each in explanation.requirements)
    assert {each.access: each.chip.text for each in explanation.chips if each.chip} == {
        "read": "✓ Connection OK",
        "write": "✓ Connection OK",
    }
    assert explanation.fixes == ()
    assert explanation.unknowns == ()


def test_a_new_bucket_of_aws_is_open_after_apply_alone(s3_bucket: str, fault_proxy: FaultProxy, tmp_path: Path) -> None:
    answer_as_new_bucket(fault_proxy)
    closed = explain_access(f"s3://{s3_bucket}", "jobs")
    assert closed.verdict == "no-go"
    assert fixes(closed) == [f"nimble-harvester policy apply s3://{s3_bucket}/ --mode jobs"]
    apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"), backup_dir=tmp_path)
    opened = explain_access(f"s3://{s3_bucket}", "jobs")
    assert opened.verdict == "go"
    assert opened.exit_code(strict=True) is ExitCode.OK


PUBLIC = {"Sid": "Site", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{}/*"}


def _no_policy(granted: GrantedBucket) -> None:
    granted.s3.delete_bucket_policy(Bucket=granted.bucket)


def _narrowed(granted: GrantedBucket) -> None:
    document = granted.policy()
    for statement in document["Statement"]:
        if statement["Sid"] == "NimbleReadWriteOutputPrefix":
            statement["Action"] = ["s3:GetObject", "s3:PutObject"]
    granted.s3.put_bucket_policy(Bucket=granted.bucket, Policy=json.dumps(document))


def _misspelt(granted: GrantedBucket) -> None:
    text = json.dumps(granted.policy()).replace("output/*", "Output/*")
    granted.s3.put_bucket_policy(Bucket=granted.bucket, Policy=text)


def _other_principal(granted: GrantedBucket) -> None:
    text = json.dumps(granted.policy()).replace("crawlit-scrapy", "webit-uploader")
    granted.s3.put_bucket_policy(Bucket=granted.bucket, Policy=text)


def _prefix_condition(granted: GrantedBucket) -> None:
    document = granted.policy()
    for statement in document["Statement"]:
        if statement["Sid"] == "NimbleListBucket":
            statement["Sid"] = "Ours"
            statement["Condition"] = {"StringLike": {"s3:prefix": "input/*"}}
    granted.s3.put_bucket_policy(Bucket=granted.bucket, Policy=json.dumps(document))


def _guardrail(condition: dict[str, Any]) -> Callable[[GrantedBucket], None]:
    def add(granted: GrantedBucket) -> None:
        resources = [f"arn:aws:s3:::{granted.bucket}", f"arn:aws:s3:::{granted.bucket}/*"]
        deny = {"Sid": "Guard", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources}
        granted.put({**deny, "Condition": condition})

    return add


def _public(granted: GrantedBucket) -> None:
    granted.put({**PUBLIC, "Resource": f"arn:aws:s3:::{granted.bucket}/*"})
    restricted: Any = {**ALL_ON, "BlockPublicPolicy": False}
    granted.s3.put_public_access_block(Bucket=granted.bucket, PublicAccessBlockConfiguration=restricted)


def _public_account(granted: GrantedBucket) -> None:
    granted.put({**PUBLIC, "Resource": f"arn:aws:s3:::{granted.bucket}/*"})
    # Served before moto: the account's settings are shared by every test of this server.
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<PublicAccessBlockConfiguration><RestrictPublicBuckets>true'
        "</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
    )
    granted.proxy.add(Rule(Status(200, body=body.encode()), path="/v20180820/configuration/publicAccessBlock"))


def _ownership(setting: str) -> Callable[[GrantedBucket], None]:
    def change(granted: GrantedBucket) -> None:
        rules: Any = {"Rules": [{"ObjectOwnership": setting}]}
        granted.s3.put_bucket_ownership_controls(Bucket=granted.bucket, OwnershipControls=rules)

    return change


def _no_ownership(granted: GrantedBucket) -> None:
    granted.s3.delete_bucket_ownership_controls(Bucket=granted.bucket)


def _managed_key(granted: GrantedBucket) -> None:
    granted.encrypt()


def _managed_alias(granted: GrantedBucket) -> None:
    granted.encrypt("alias/aws/s3")


def _closed_key(granted: GrantedBucket) -> None:
    granted.encrypt(granted.new_key())


def _key_by_alias(granted: GrantedBucket) -> None:
    arn = granted.new_key()
    alias = f"alias/{granted.bucket}"
    granted.kms.create_alias(AliasName=alias, TargetKeyId=arn)
    granted.encrypt(alias)


def _key_by_id(granted: GrantedBucket) -> None:
    granted.encrypt(granted.new_key().rsplit("/", 1)[-1])


def _disabled_key(granted: GrantedBucket) -> None:
    arn = granted.new_key()
    granted.encrypt(arn)
    granted.kms.disable_key(KeyId=arn.rsplit("/", 1)[-1])


def _dying_key(granted: GrantedBucket) -> None:
    arn = granted.new_key()
    granted.encrypt(arn)
    granted.kms.schedule_key_deletion(KeyId=arn.rsplit("/", 1)[-1], PendingWindowInDays=7)


def _requester_pays(granted: GrantedBucket) -> None:
    client = boto3.client("s3", endpoint_url=granted.proxy.url, region_name="us-east-1")
    client.put_bucket_request_payment(Bucket=granted.bucket, RequestPaymentConfiguration={"Payer": "Requester"})


WAYS: dict[str, tuple[Callable[[GrantedBucket], None], str]] = {
    "no policy": (_no_policy, "requirement-missing"),
    "an action is missing": (_narrowed, "requirement-missing"),
    "the prefix is misspelt": (_misspelt, "prefix-typo"),
    "the other mode's principal": (_other_principal, "other-mode-principal"),
    "listing only with s3:prefix": (_prefix_condition, "prefix-condition-on-list"),
    "a Deny for other organisations": (
        _guardrail({"StringNotEquals": {"aws:PrincipalOrgID": "o-1234567890"}}),
        "requirement-denied",
    ),
    "a Deny outside a VPC endpoint": (
        _guardrail({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}),
        "requirement-denied",
    ),
    "a Deny without a second factor": (
        _guardrail({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}),
        "requirement-denied",
    ),
    "a Deny by address": (
        _guardrail({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
        "requirement-undecided",
    ),
    "a public statement, restricted by the bucket": (_public, "public-cuts-off-accounts"),
    "a public statement, restricted by the account": (_public_account, "public-cuts-off-accounts"),
    "ownership by the writer": (_ownership("ObjectWriter"), "objects-owned-by-writer"),
    "the AWS-managed key": (_managed_key, "managed-key"),
    "the AWS-managed key by its alias": (_managed_alias, "managed-key"),
    "requests that the requester pays": (_requester_pays, "requester-pays"),
    "a key that does not admit Nimble": (_closed_key, "requirement-missing"),
    "a key by its alias": (_key_by_alias, "key-by-alias"),
    "a key by its id": (_key_by_id, "key-by-alias"),
    "a disabled key": (_disabled_key, "key-not-enabled"),
    "a key about to be deleted": (_dying_key, "key-not-enabled"),
}


def run_as_printed(command: str) -> None:
    """Run a printed command: ours with consent, AWS's by its own service models."""
    program, *arguments = shlex.split(command)
    if program == "aws":
        aws_cli.main(arguments)
    else:
        ended = run(*arguments, "--yes")
        assert (program, ended.code) == ("nimble-harvester", 0), (command, ended.out, ended.err)


@pytest.mark.parametrize("way", WAYS)
def test_each_way_of_breaking_is_named_and_its_fix_turns_it_green(granted: GrantedBucket, way: str) -> None:
    break_it, code = WAYS[way]
    break_it(granted)
    broken = granted.explain()
    assert broken.verdict in ("no-go", "unknown")
    assert broken.exit_code() is ExitCode.DIFFERENCE
    assert code in codes(broken)
    (explanation,) = broken.explanations
    assert explanation.fixes
    commands = fixes(broken)
    for command in commands:
        run_as_printed(command)
    corrected = granted.explain()
    assert corrected.verdict == "go", (commands, corrected.explanations[0].findings)


def test_requester_pays_keeps_nimble_out(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    answer_request_payment(fault_proxy, "Requester")
    report = explain_access(f"s3://{s3_bucket}", "jobs")
    found = next(each for each in report.explanations[0].findings if each.code == "requester-pays")
    assert found.severity == "error"
    assert found.inferred
    assert "put-bucket-request-payment" in fixes(report)[0]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_ownership("BucketOwnerPreferred"), "objects-may-be-owned-by-writer"),
        (_no_ownership, "ownership-not-set"),
    ],
)
def test_softer_ownership_is_a_warning_with_the_fix_and_nothing_else(
    granted: GrantedBucket, change: Callable[[GrantedBucket], None], code: str
) -> None:
    change(granted)
    report = granted.explain()
    assert codes(report) == {code}
    assert report.verdict == "go"
    assert report.exit_code() is ExitCode.OK
    assert "put-bucket-ownership-controls" in fixes(report)[0]


def _lifecycle(granted: GrantedBucket, **rule: Any) -> None:
    rules: Any = {"Rules": [{"ID": "old", "Status": "Enabled", "Filter": {"Prefix": ""}, **rule}]}
    granted.s3.put_bucket_lifecycle_configuration(Bucket=granted.bucket, LifecycleConfiguration=rules)


def test_rules_that_delete_or_archive_before_the_harvest_are_found(granted: GrantedBucket) -> None:
    _lifecycle(granted, Expiration={"Days": 2})
    assert codes(granted.explain()) == {"expires-results"}
    assert codes(granted.explain(harvest_days=1)) == set()
    _lifecycle(granted, Filter={"Prefix": "elsewhere/"}, Expiration={"Days": 1})
    assert codes(granted.explain()) == set()
    _lifecycle(granted, Filter={"Prefix": "output/"}, Transitions=[{"Days": 1, "StorageClass": "GLACIER"}])
    assert codes(granted.explain()) == {"archives-results"}
    _lifecycle(granted, Status="Disabled", Expiration={"Days": 1})
    assert codes(granted.explain()) == set()
    _lifecycle(granted, Expiration={"Date": "2020-01-01T00:00:00Z"})
    assert codes(granted.explain()) == {"expires-results"}


def test_object_lock_is_warned_of(s3: S3Client, fault_proxy: FaultProxy, s3_bucket: str) -> None:
    bucket = f"{s3_bucket}-locked"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    rule: Any = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}}}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=rule)
    assert "object-lock" in codes(explain_access(f"s3://{bucket}", "jobs"))


def test_a_key_in_another_region_is_named(granted: GrantedBucket) -> None:
    kms = boto3.client("kms", endpoint_url=granted.proxy.url, region_name="eu-west-1")
    granted.encrypt(kms.create_key()["KeyMetadata"]["Arn"])
    assert "key-in-other-region" in codes(granted.explain())


UNREADABLE = [
    ("^policy", "bucket policy", "s3:GetBucketPolicy"),
    ("^publicAccessBlock", "Block Public Access of the bucket", "s3:GetBucketPublicAccessBlock"),
    ("^ownershipControls", "Object Ownership", "s3:GetBucketOwnershipControls"),
    ("^encryption", "default encryption", "s3:GetEncryptionConfiguration"),
    ("^versioning", "versioning", "s3:GetBucketVersioning"),
    ("^lifecycle", "lifecycle rules", "s3:GetLifecycleConfiguration"),
    ("^object-lock", "Object Lock", "s3:GetBucketObjectLockConfiguration"),
]


@pytest.mark.parametrize(("query", "setting", "permission"), UNREADABLE)
def test_what_may_not_be_read_is_unknown_with_its_permission(
    granted: GrantedBucket, query: str, setting: str, permission: str
) -> None:
    granted.proxy.add(Rule(Status(403, "AccessDenied", "no"), query=query, method="GET"))
    report = granted.explain()
    (unknown,) = report.explanations[0].unknowns
    assert (unknown.setting, unknown.permission, unknown.reason) == (setting, permission, "denied")
    assert unknown.request_id == "FAULT"
    # Only the policy decides a requirement.
    decides = setting == "bucket policy"
    assert report.verdict == ("unknown" if decides else "go")
    assert report.exit_code() is (ExitCode.DIFFERENCE if decides else ExitCode.OK)
    assert report.exit_code(strict=True) is ExitCode.DIFFERENCE


def test_an_unknown_policy_makes_no_verdict_and_no_chip(granted: GrantedBucket) -> None:
    granted.proxy.add(Rule(Status(403, "AccessDenied", "no"), query="^policy"))
    (explanation,) = granted.explain().explanations
    assert {each.state for each in explanation.requirements} == {"unknown"}
    assert [each.chip for each in explanation.chips] == [None, None]


def test_an_unknown_key_policy_leaves_the_write_chip_open(granted: GrantedBucket) -> None:
    granted.encrypt(granted.new_key())
    denied = b'{"__type": "AccessDeniedException", "message": "no"}'
    headers = {"content-type": "application/x-amz-json-1.1"}
    granted.proxy.add(Rule(Status(400, body=denied, headers=headers), header="x-amz-target: TrentService.GetKeyPolicy"))
    (explanation,) = granted.explain().explanations
    assert [(each.setting, each.permission) for each in explanation.unknowns] == [("key policy", "kms:GetKeyPolicy")]
    assert {each.access: each.chip is None for each in explanation.chips} == {"read": False, "write": True}
    assert {each.state for each in explanation.requirements if each.document == "key policy"} == {"unknown"}
    assert explanation.verdict == "unknown"


@pytest.mark.parametrize(
    "answer", [OtherBody(b"not XML at all"), OtherBody(b"<ListBucketResult/>"), Status(501, "NotImplemented")]
)
def test_an_endpoint_without_an_answer_makes_an_unknown(granted: GrantedBucket, answer: OtherBody | Status) -> None:
    granted.proxy.add(Rule(answer, query="^ownershipControls", method="GET"))
    (unknown,) = granted.explain().explanations[0].unknowns
    assert (unknown.setting, unknown.reason) == ("Object Ownership", "not offered")


def test_a_policy_that_is_not_json_is_no_policy(granted: GrantedBucket) -> None:
    granted.proxy.add(Rule(OtherBody(b"<html>hello</html>"), query="^policy$", method="GET"))
    report = granted.explain()
    assert "policy-not-readable" in codes(report)
    assert {each.state for each in report.explanations[0].requirements} == {"unknown"}


def test_what_makes_every_question_pointless_is_an_error(granted: GrantedBucket) -> None:
    with pytest.raises(NoSuchBucket):
        explain_access(f"{granted.url}-not", "jobs")
    granted.proxy.add(Rule(Status(403, "InvalidAccessKeyId", "no such key"), path=granted.bucket))
    with pytest.raises(AccessDenied):
        granted.explain()
    granted.proxy.clear()
    granted.proxy.add(Rule(Status(503, "SlowDown")))
    with pytest.raises(ConnectionFailed):
        granted.explain()


def test_an_endpoint_that_answers_one_question_never_costs_bounded_time(granted: GrantedBucket) -> None:
    stalled = granted.proxy.add(Rule(Stall(), query="^ownershipControls", method="GET"))
    settings = StoreSettings(retry=RetryPolicy(attempts=2, stall_seconds=1))
    (unknown,) = granted.explain(settings=settings).explanations[0].unknowns
    assert (unknown.setting, unknown.reason) == ("Object Ownership", "unreachable")
    assert stalled.acted == 2


def test_a_foreign_owner_is_seen(granted: GrantedBucket) -> None:
    granted.proxy.add(Rule(Status(403), header="x-amz-expected-bucket-owner: 123456789012"))
    (explanation,) = granted.explain(settings=StoreSettings(expected_bucket_owner="210987654321")).explanations
    assert explanation.snapshot.s3 is not None
    assert explanation.snapshot.s3.owner == "210987654321"
    assert "Block Public Access of the account" in {each.setting for each in explanation.unknowns}


def test_a_bucket_of_another_account_than_expected_is_refused(granted: GrantedBucket) -> None:
    ended = run("explain", granted.url, "--mode", "jobs", "--expected-bucket-owner", "210987654321")
    assert (ended.code, ended.out) == (ExitCode.ACCESS_DENIED, "")
    assert "belongs to account 123456789012\n  the expected owner is 210987654321" in ended.err


@pytest.mark.parametrize("words", [("--input", "in/"), ("--output", "out/")])
def test_the_fix_of_one_prefix_alone_runs_as_printed(granted: GrantedBucket, words: tuple[str, str]) -> None:
    asked = ("--mode", "jobs", words[0], f"{granted.url}/{words[1]}")
    (fix,) = run("explain", *asked, "--format", "json").document["explanations"][0]["fixes"]
    run_as_printed(fix)
    assert run("explain", *asked).code == ExitCode.OK
    assert "nothing to do" in run("policy", "apply", *asked).out


def test_fixes_are_run_with_the_connection_that_found_them(granted: GrantedBucket) -> None:
    granted.encrypt()
    _no_policy(granted)
    flags = ("--endpoint-url", granted.proxy.url, "--region", "us-east-1", "--kms-profile", "keys")
    elsewhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    config = Path(os.environ["XDG_STATE_HOME"]).with_name("config")
    config.write_text("[profile keys]\nregion = us-east-1\naws_access_key_id = k\naws_secret_access_key = s\n")
    elsewhere["AWS_CONFIG_FILE"] = str(config)
    ended = run("explain", granted.url, "--mode", "jobs", *flags, "--format", "json", **elsewhere)
    encrypt, apply = ended.document["explanations"][0]["fixes"]
    assert encrypt.startswith("aws s3api put-bucket-encryption ")
    assert encrypt.endswith(f" --endpoint-url {granted.proxy.url} --region us-east-1")
    assert apply.endswith(" ".join(flags))
    assert run(*shlex.split(apply)[1:], "--yes", **elsewhere).code == ExitCode.DIFFERENCE
    assert granted.policy()["Statement"]


def test_both_paths_of_a_job_in_two_buckets_are_one_answer(granted: GrantedBucket, s3: S3Client) -> None:
    other = f"{granted.bucket}-out"
    s3.create_bucket(Bucket=other)
    report = explain_access([], "jobs", inputs=[f"{granted.url}/input/"], outputs=[f"s3://{other}/output/"])
    assert [each.target.bucket for each in report.explanations] == [granted.bucket, other]
    assert [each.verdict for each in report.explanations] == ["go", "no-go"]
    assert report.verdict == "no-go"


class TestFiles:
    def test_saved_files_explain_the_same_without_a_network(self, granted: GrantedBucket, tmp_path: Path) -> None:
        granted.encrypt(granted.new_key())
        _public(granted)
        live = run("explain", granted.url, "--mode", "jobs", "--save", tmp_path, "--format", "json")
        assert live.code == 10
        validate("explain", live.document)
        folder = tmp_path / granted.bucket
        validate("settings", json.loads((folder / "settings.json").read_text()))
        files = {
            "--policy": folder / "bucket-policy.json",
            "--key-policy": folder / "key-policy.json",
            "--settings": folder / "settings.json",
        }
        options = [text for pair in files.items() for text in pair]
        granted.proxy.kill()
        offline = run("explain", granted.url, "--mode", "jobs", *options, "--format", "json", AWS_ACCESS_KEY_ID="")
        assert offline.document == live.document
        assert offline.code == 10

    def test_a_policy_alone_leaves_the_settings_unknown(self, granted: GrantedBucket, tmp_path: Path) -> None:
        path = tmp_path / "policy.json"
        path.write_text(json.dumps(granted.policy()))
        ended = run("explain", granted.url, "--mode", "jobs", "--policy", path, "--format", "json")
        assert ended.code == 0
        assert ended.document["verdict"] == "go"
        assert {each["reason"] for each in ended.document["explanations"][0]["unknown"]} == {"not asked"}
        strict = run("explain", granted.url, "--mode", "jobs", "--policy", path, "--strict")
        assert strict.code == 10

    def test_the_baseline_names_what_changed_and_what_is_lost(self, granted: GrantedBucket, tmp_path: Path) -> None:
        saved = run("explain", granted.url, "--mode", "jobs", "--save", tmp_path)
        assert saved.code == 0, saved.out
        same = run("explain", granted.url, "--mode", "jobs", "--baseline", tmp_path)
        assert same.code == 0
        assert "nothing changed" in same.out
        _narrowed(granted)
        _ownership("ObjectWriter")(granted)
        granted.put({**PUBLIC, "Resource": f"arn:aws:s3:::{granted.bucket}/*"})
        ended = run("explain", granted.url, "--mode", "jobs", "--baseline", tmp_path, "--format", "json")
        assert ended.code == 10
        since = ended.document["explanations"][0]["since"]
        changes = {each["where"]: (each["before"], each["after"]) for each in since["changes"]}
        assert changes["Object Ownership"] == ("BucketOwnerEnforced", "ObjectWriter")
        assert "bucket policy, NimbleReadWriteOutputPrefix, Action" in changes
        assert changes["bucket policy, Site"][0] == ""
        assert since["lost"] == ["s3:AbortMultipartUpload on output", "s3:ListMultipartUploadParts on output"]

    def test_a_harmless_change_since_the_baseline_is_noticed(self, granted: GrantedBucket, tmp_path: Path) -> None:
        run("explain", granted.url, "--mode", "jobs", "--save", tmp_path)
        granted.s3.put_bucket_versioning(Bucket=granted.bucket, VersioningConfiguration={"Status": "Enabled"})
        ended = run("explain", granted.url, "--mode", "jobs", "--baseline", tmp_path)
        assert ended.code == 10
        assert "versioning was not set, is Enabled" in ended.out

    @pytest.mark.parametrize(
        ("text", "code", "word"),
        [
            ("{", 7, "line 1"),
            ("[]", 7, "no saved settings"),
            (
                '{"schema": "urn:nimble-harvester:settings:v1", "cloud": "s3", "bucket": "other", "settings": {}}',
                2,
                "other",
            ),
            (
                '{"schema": "urn:nimble-harvester:settings:v1", "cloud": "s3", "bucket": "mine", "settings": {"ownership": 3}}',  # noqa: E501
                7,
                "ownership",
            ),
        ],
    )
    def test_files_that_are_not_what_they_claim(self, tmp_path: Path, text: str, code: int, word: str) -> None:
        path = tmp_path / "settings.json"
        path.write_text(text)
        ended = run("explain", "s3://mine", "--mode", "jobs", "--settings", path)
        assert ended.code == code, ended.err
        assert word in ended.err
        assert 2 <= len(ended.err.splitlines()) <= 3

    @pytest.mark.parametrize("option", ["--policy", "--key-policy"])
    def test_a_policy_file_that_is_none_is_named(self, tmp_path: Path, option: str) -> None:
        path = tmp_path / "policy.tf"
        path.write_text('data "aws_iam_policy_document" "x" {}')
        ended = run("explain", "s3://mine", "--mode", "jobs", option, path)
        assert (ended.code, ended.out) == (ExitCode.INTEGRITY, "")
        assert f"{path}, line 1, column 1" in ended.err

    def test_a_missing_file_and_a_missing_baseline(self, granted: GrantedBucket, tmp_path: Path) -> None:
        ended = run("explain", granted.url, "--mode", "jobs", "--policy", tmp_path / "none.json")
        assert ended.code == 2
        ended = run("explain", granted.url, "--mode", "jobs", "--baseline", tmp_path)
        assert ended.code == 2
        assert "--save" in ended.err


class TestCommand:
    def test_eighty_columns_and_one_screen_of_reasons(self, granted: GrantedBucket) -> None:
        _narrowed(granted)
        ended = run("explain", granted.url, "--mode", "jobs")
        assert ended.code == 10
        assert ended.err.startswith("error: exit 10: ")
        lines = ended.out.splitlines()
        assert lines[0] == f"s3://{granted.bucket}: no-go"
        commands = [line for line in lines if "nimble-harvester policy apply" in line]
        assert len(commands) == 1
        unbreakable = max(len(f"arn:aws:s3:::{granted.bucket}/output/x") + 12, 80)
        assert all(len(line) <= unbreakable for line in lines if line not in commands)

    def test_the_chips_are_one_line_for_async(self, granted: GrantedBucket) -> None:
        ended = run("explain", f"{granted.url}/results/", "--mode", "async")
        assert "Test Connection belongs to jobs; here it would show: read ✗" in " ".join(ended.out.split())

    @pytest.mark.parametrize(
        ("arguments", "code", "word"),
        [
            (("s3://b-1/elsewhere/", "--mode", "jobs"), 2, "--input"),
            (("gs://b-1/", "--mode", "jobs"), 2, "Amazon S3 only"),
            (("file:///tmp/", "--mode", "async"), 2, "directory"),
            (("s3://B/", "--mode", "async"), 2, "bucket"),
            (("s3://b-1/", "--mode", "async", "--input", "in/"), 2, "--prefix"),
            (("--mode", "jobs", "--input", "in/"), 2, "exactly one LOCATION"),
            (("s3://b-1/x/", "--mode", "async", "--prefix", "y/"), 2, "names a prefix"),
            (("s3://b-1/", "--mode", "async", "--principal", "me"), 2, "IAM user"),
            (("--mode", "jobs"), 2, "no location"),
        ],
    )
    def test_bad_input_is_three_lines(self, arguments: tuple[str, ...], code: int, word: str) -> None:
        ended = run("explain", *arguments)
        assert ended.code == code
        assert word in ended.err
        assert ended.out == ""
        assert 2 <= len(ended.err.splitlines()) <= 3


def test_a_key_is_looked_at_when_it_is_named(granted: GrantedBucket) -> None:
    report = granted.explain(key_arn=granted.new_key())
    assert {each.document for each in report.explanations[0].requirements} == {"bucket policy", "key policy"}


def test_no_locations_is_refused() -> None:
    with pytest.raises(UsageError):
        explain_access([], "jobs")
