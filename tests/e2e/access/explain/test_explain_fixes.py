"""``explain`` names each documented way of breaking access, and prints a fix that turns it green.

moto authorises nothing by policy; these tests check what the program reports about settings it has read.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from harvester import explain_access
from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import plan_policy
from harvester.errors import ExitCode
from scripts.commands.installed_command import run
from scripts.servers.fault_proxy import FaultProxy, Rule, Status
from tests.e2e.access.explain.granted_bucket import (
    PUBLIC,
    GrantedBucket,
    codes,
    fixes,
    make_public,
    narrow_actions,
    own_by,
    remove_policy,
)
from tests.rigs import aws_cli
from tests.rigs.aws_answers import answer_as_new_bucket, answer_request_payment


def test_a_new_bucket_of_aws_is_open_after_apply_alone(s3_bucket: str, fault_proxy: FaultProxy, tmp_path: Path) -> None:
    answer_as_new_bucket(fault_proxy)
    closed = explain_access(f"s3://{s3_bucket}", "jobs")
    assert closed.verdict == "no-go"
    assert fixes(closed) == [f"nimble-harvester policy apply s3://{s3_bucket}/ --mode jobs"]
    apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"), backup_dir=tmp_path)
    opened = explain_access(f"s3://{s3_bucket}", "jobs")
    assert opened.verdict == "go"
    assert opened.exit_code(strict=True) is ExitCode.OK


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


def _public_account(granted: GrantedBucket) -> None:
    granted.put({**PUBLIC, "Resource": f"arn:aws:s3:::{granted.bucket}/*"})
    # Served before moto: the account's settings are shared by every test of this server.
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<PublicAccessBlockConfiguration><RestrictPublicBuckets>true'
        "</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
    )
    granted.proxy.add(Rule(Status(200, body=body.encode()), path="/v20180820/configuration/publicAccessBlock"))


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
    "no policy": (remove_policy, "requirement-missing"),
    "an action is missing": (narrow_actions, "requirement-missing"),
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
    "a public statement, restricted by the bucket": (make_public, "public-cuts-off-accounts"),
    "a public statement, restricted by the account": (_public_account, "public-cuts-off-accounts"),
    "ownership by the writer": (own_by("ObjectWriter"), "objects-owned-by-writer"),
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
        (own_by("BucketOwnerPreferred"), "objects-may-be-owned-by-writer"),
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


@pytest.mark.parametrize("words", [("--input", "in/"), ("--output", "out/")])
def test_the_fix_of_one_prefix_alone_runs_as_printed(granted: GrantedBucket, words: tuple[str, str]) -> None:
    asked = ("--mode", "jobs", words[0], f"{granted.url}/{words[1]}")
    (fix,) = run("explain", *asked, "--format", "json").document["explanations"][0]["fixes"]
    run_as_printed(fix)
    assert run("explain", *asked).code == ExitCode.OK
    assert "nothing to do" in run("policy", "apply", *asked).out


def test_fixes_are_run_with_the_connection_that_found_them(granted: GrantedBucket) -> None:
    granted.encrypt()
    remove_policy(granted)
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
