"""Statements that buckets really store: a change beside them is never refused, and no error is found in them."""

from __future__ import annotations

from typing import Any

import pytest

import policies
from policies import DesiredState, plan_change

ASYNC = policies.contract("async")
TARGET = policies.target(ASYNC, "bkt", prefixes={"prefix": "out/"})
BUCKET, OBJECTS = "arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"
BOTH = [BUCKET, OBJECTS]
ACCOUNT = "111122223333"

STORED: dict[str, dict[str, Any]] = {
    "origin access identity": {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E127EXAMPLE51Z"},
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
    },
    "origin access control": {
        "Effect": "Allow",
        "Principal": {"Service": "cloudfront.amazonaws.com"},
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
        "Condition": {"StringEquals": {"AWS:SourceArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1ABCDEF2GHIJ"}},
    },
    "access to objects through access points": {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": BOTH,
        "Condition": {"StringEquals": {"s3:DataAccessPointAccount": ACCOUNT, "s3:AccessPointNetworkOrigin": "VPC"}},
    },
    "log delivery": {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::bkt/logs/*",
        "Condition": {"ArnLike": {"aws:SourceArn": BUCKET}, "StringEquals": {"aws:SourceAccount": ACCOUNT}},
    },
    "vended logs": {
        "Effect": "Allow",
        "Principal": {"Service": "delivery.logs.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::bkt/AWSLogs/{ACCOUNT}/*",
        "Condition": {
            "StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceAccount": [ACCOUNT]},
            "ArnLike": {"aws:SourceArn": [f"arn:aws:logs:eu-west-1:{ACCOUNT}:*"]},
        },
    },
    "load balancer logs": {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::156460612806:root"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::bkt/lb/AWSLogs/{ACCOUNT}/*",
    },
    "replication": {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/service-role/s3crr_role_for_source"},
        "Action": [
            "s3:ReplicateObject",
            "s3:ReplicateDelete",
            "s3:ReplicateTags",
            "s3:ObjectOwnerOverrideToBucketOwner",
        ],
        "Resource": OBJECTS,
    },
    "replication of the bucket": {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/service-role/s3crr_role_for_source"},
        "Action": ["s3:List*", "s3:GetBucketVersioning", "s3:PutBucketVersioning"],
        "Resource": BUCKET,
    },
    "inventory": {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": ["arn:aws:s3:::bkt/inventory/*"],
        "Condition": {
            "ArnLike": {"aws:SourceArn": ["arn:aws:s3:::source"]},
            "StringEquals": {"aws:SourceAccount": [ACCOUNT], "s3:x-amz-acl": "bucket-owner-full-control"},
        },
    },
    "tags of principal and object": {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
        "Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "${aws:PrincipalTag/team}"}},
    },
    "tags of the bucket": {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/app"},
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
        "Condition": {"StringEquals": {"s3:BucketTag/env": "prod"}},
    },
    "access points": {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": "*",
        "Resource": BOTH,
        "Condition": {"StringEquals": {"s3:DataAccessPointAccount": ACCOUNT}},
    },
    "organisation": {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
    },
    "encrypted transport": {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": BOTH,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    },
    "an action newer than the table": {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/app"},
        "Action": "s3:PutBucketQuantumConfiguration",
        "Resource": BUCKET,
    },
    "a condition key newer than the table": {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/app"},
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
        "Condition": {"StringEquals": {"s3:quantum-mode": "on", "aws:QuantumIdentity": "x"}},
    },
    "a federated user": {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:sts::{ACCOUNT}:federated-user/ann"},
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
    },
    "a canonical user": {
        "Effect": "Allow",
        "Principal": {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
    },
    "a session of a role": {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/team/ann"},
        "Action": "s3:GetObject",
        "Resource": OBJECTS,
    },
}


@pytest.mark.parametrize("name", STORED)
def test_no_error_is_found(name: str) -> None:
    value = {"Version": "2012-10-17", "Statement": [STORED[name]]}
    granted = plan_change(policies.document(value, kind="s3"), DesiredState(ASYNC, TARGET))
    assert granted.proof.complete
    assert [each.code for each in granted.findings if each.severity == "error"] == []
    found = policies.check(ASYNC, TARGET, granted.after).findings
    assert [each for each in found if each.severity == "error"] == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Action": "s?:GetObject"}, "wildcard-service"),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:group/devs"}}, "invalid-principal"),
        ({"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/team "}}, "invalid-principal"),
        ({"Condition": {"StringEquals": {"aws:PrincipleOrgID": "o-1"}}}, "unknown-condition-key"),
        ({"Condition": {"StringEquals": {"s3:x-amz-server-side-encrytion": "AES256"}}}, "unknown-condition-key"),
        ({"Condition": {"NumericLessThan": {"aws:SourceIp": "7"}}}, "operator-of-other-type"),
        ({"Condition": {"Bool": {"aws:PrincipalOrgID": "true"}}}, "operator-of-other-type"),
        ({"Action": "s3:HeadObject"}, "operation-not-action"),
        ({"Resource": "s3://bkt/*"}, "invalid-resource"),
        ({"Resource": "arn:aws:s3:::YOUR_BUCKET_NAME/*"}, "placeholder"),
        ({"Resource": f"arn:aws:s3express:eu-west-1:{ACCOUNT}:bucket/bkt--euw1-az1--x-s3"}, "directory-bucket"),
    ],
)
def test_what_is_new_is_checked_and_what_is_stored_only_warned_of(fields: dict[str, Any], code: str) -> None:
    statement = {**STORED["tags of the bucket"], "Condition": {}, **fields}
    value = {"Version": "2012-10-17", "Statement": [{key: each for key, each in statement.items() if each}]}
    document = policies.document(value, kind="s3")
    (found, *_) = [each for each in policies.check(ASYNC, TARGET, document).findings if each.code == code]
    assert found.statement == 0
    assert (found.severity == "error") is (code != "operator-of-other-type")
    planned = plan_change(document, DesiredState(ASYNC, TARGET))
    assert {each.severity for each in planned.findings if each.code == code} == {"warning"}


@pytest.mark.parametrize(
    ("action", "severity"),
    [
        ("s3:PutObjectHologram", "warning"),
        ("s3:PutObject ", "error"),
        ("s3:PutObject,s3:GetObject", "error"),
        ("s3::PutObject", "error"),
    ],
)
def test_what_no_action_is_named_is_newer_than_no_table(action: str, severity: str) -> None:
    statement = {**STORED["replication"], "Action": [action]}
    document = policies.document({"Version": "2012-10-17", "Statement": [statement]})
    found = [each for each in policies.check(ASYNC, TARGET, document).findings if each.code == "unknown-action"]
    assert [each.severity for each in found] == [severity]


def test_one_region_is_another_partition_and_one_must_be_enabled() -> None:
    document = policies.generate(ASYNC, TARGET)
    for region, codes in {
        "eusc-de-east-1": ["wrong-partition"],
        "me-south-1": ["opt-in-region"],
        "eu-west-1": [],
    }.items():
        target = policies.target(ASYNC, "bkt", prefixes={"prefix": "out/"}, region=region)
        found = policies.check(ASYNC, target, document).findings
        assert [each.code for each in found if each.severity != "info"] == codes, region


GCS = policies.contract("async", "gs")


def member_codes(member: str) -> list[str]:
    binding = {"role": "roles/storage.objectCreator", "members": [member]}
    target = policies.target(GCS, "bkt", prefixes={"prefix": None})
    found = policies.check(GCS, target, policies.document({"bindings": [binding]})).findings
    return [each.code for each in found if each.path.endswith(".members")]


@pytest.mark.parametrize(
    "member",
    [
        "user:ann@example.com",
        GCS.principal,
        "serviceAccount:other@project.iam.gserviceaccount.com",
        "group:team@example.com",
        "domain:example.com",
        "principal://iam.googleapis.com/locations/global/workforcePools/p/subject/s",
        "principalSet://iam.googleapis.com/locations/global/workforcePools/p/*",
        "projectOwner:acme",
        "projectEditor:acme",
        "projectViewer:acme",
    ],
)
def test_every_type_of_member_is_known(member: str) -> None:
    assert member_codes(member) == []


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (GCS.principal.replace("serviceAccount:", "user:"), "member-of-other-type"),
        (GCS.principal.replace("serviceAccount:", "group:"), "member-of-other-type"),
        (GCS.principal.removeprefix("serviceAccount:"), "invalid-member"),
        (GCS.principal.replace("serviceAccount:", "serviceaccount:"), "invalid-member"),
        ("ann@example.com", "invalid-member"),
        ("deleted:user:ann@example.com?uid=1", "stale-member"),
    ],
)
def test_a_member_of_no_or_another_type_is_named(member: str, code: str) -> None:
    assert member_codes(member) == [code]
