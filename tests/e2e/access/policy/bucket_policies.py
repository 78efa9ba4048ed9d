"""The policy of a bucket on moto: put, read, and the requests and backups of a change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.servers.fault_proxy import FaultProxy
from scripts.servers.loopback_server import Request

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOREIGN = {
    "Sid": "Another team's",
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::111122223333:role/reader"},
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::{}/*",
}


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


DENY = {
    "Sid": "Organisation",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::{}", "arn:aws:s3:::{}/*"],
    "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-1234567890"}},
}
