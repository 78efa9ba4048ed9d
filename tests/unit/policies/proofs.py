"""Documented policies, and proofs of them, for the tests of verdicts."""

from __future__ import annotations

import copy
from typing import Any

import policies

BUCKET = "bkt"
KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ASYNC = policies.contract("async")
JOBS = policies.contract("jobs")
GCS = policies.contract("async", "gs")
UPLOADER, CRAWLER = ASYNC.principal, JOBS.principal
DOCUMENTED_ASYNC: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "NimbleCloudDelivery",
            "Effect": "Allow",
            "Principal": {"AWS": UPLOADER},
            "Action": ["s3:PutObject", "s3:PutObjectACL", "s3:GetBucketLocation"],
            "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
        }
    ],
}
LEGACY_ASYNC: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Statement1",
            "Effect": "Allow",
            "Principal": {"AWS": UPLOADER},
            "Action": ["s3:PutObject", "s3:PutObjectACL"],
            "Resource": "arn:aws:s3:::bkt/*",
        },
        {
            "Sid": "Statement2",
            "Effect": "Allow",
            "Principal": {"AWS": UPLOADER},
            "Action": "s3:GetBucketLocation",
            "Resource": "arn:aws:s3:::bkt",
        },
    ],
}
DOCUMENTED_JOBS: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "NimbleListBucket",
            "Effect": "Allow",
            "Principal": {"AWS": CRAWLER},
            "Action": "s3:ListBucket",
            "Resource": "arn:aws:s3:::bkt",
        },
        {
            "Sid": "NimbleReadInputPrefix",
            "Effect": "Allow",
            "Principal": {"AWS": CRAWLER},
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::bkt/input/*",
        },
        {
            "Sid": "NimbleReadWriteOutputPrefix",
            "Effect": "Allow",
            "Principal": {"AWS": CRAWLER},
            "Action": [
                "s3:GetObject",
                "s3:PutObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            "Resource": "arn:aws:s3:::bkt/output/*",
        },
    ],
}


def keys(verdict: policies.Verdict) -> tuple[str, ...]:
    return tuple(each.name for each in verdict.reasons if each.kind == "condition")


def prove(value: dict[str, Any], contract: policies.AccessContract = JOBS, **target: Any) -> policies.Proof:
    return policies.prove(contract, policies.target(contract, BUCKET, **target), policies.document(value))


def denying(condition: dict[str, Any], **fields: Any) -> dict[str, Any]:
    value = copy.deepcopy(DOCUMENTED_JOBS)
    deny = {
        "Sid": "Guard",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
        "Condition": condition,
        **fields,
    }
    value["Statement"].append(deny)
    return value
