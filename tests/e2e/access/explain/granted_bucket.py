"""A bucket that grants Nimble the contract, the changes that break it, and what ``explain`` reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harvester import explain_access
from harvester.access.explain.explaining import AccessReport
from harvester.cli.shared.next_steps.fix_commands import advised_commands
from harvester.sessions.connections import StoreSettings
from scripts.servers.fault_proxy import FaultProxy

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


def codes(report: AccessReport) -> set[str]:
    return {each.code for explanation in report.explanations for each in explanation.findings}


def fixes(report: AccessReport) -> list[str]:
    """Return the commands that are advised."""
    return [each for one in report.explanations for each in advised_commands(one, StoreSettings())]


PUBLIC = {"Sid": "Site", "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::{}/*"}


def remove_policy(granted: GrantedBucket) -> None:
    granted.s3.delete_bucket_policy(Bucket=granted.bucket)


def narrow_actions(granted: GrantedBucket) -> None:
    document = granted.policy()
    for statement in document["Statement"]:
        if statement["Sid"] == "NimbleReadWriteOutputPrefix":
            statement["Action"] = ["s3:GetObject", "s3:PutObject"]
    granted.s3.put_bucket_policy(Bucket=granted.bucket, Policy=json.dumps(document))


def make_public(granted: GrantedBucket) -> None:
    granted.put({**PUBLIC, "Resource": f"arn:aws:s3:::{granted.bucket}/*"})
    restricted: Any = {**ALL_ON, "BlockPublicPolicy": False}
    granted.s3.put_public_access_block(Bucket=granted.bucket, PublicAccessBlockConfiguration=restricted)


def own_by(setting: str) -> Callable[[GrantedBucket], None]:
    def change(granted: GrantedBucket) -> None:
        rules: Any = {"Rules": [{"ObjectOwnership": setting}]}
        granted.s3.put_bucket_ownership_controls(Bucket=granted.bucket, OwnershipControls=rules)

    return change
