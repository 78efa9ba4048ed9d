"""``explain`` decides by the settings it reads, and names those that it could not read.

moto authorises nothing by policy; these tests check what the program reports about settings it has read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest

from harvester import explain_access
from harvester.errors import AccessDenied, ConnectionFailed, ExitCode, NoSuchBucket
from harvester.retry import RetryPolicy
from harvester.sessions.connections import StoreSettings
from policies import contract
from scripts.servers.fault_proxy import FaultProxy, OtherBody, Rule, Stall, Status
from tests.e2e.access.explain.granted_bucket import GrantedBucket, codes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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


def test_a_key_is_looked_at_when_it_is_named(granted: GrantedBucket) -> None:
    report = granted.explain(key_arn=granted.new_key())
    assert {each.document for each in report.explanations[0].requirements} == {"bucket policy", "key policy"}
