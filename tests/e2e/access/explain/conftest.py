"""What the tests of ``explain`` start from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import plan_policy
from scripts.servers.fault_proxy import FaultProxy
from tests.e2e.access.explain.granted_bucket import GrantedBucket
from tests.rigs.aws_answers import answer_request_payment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


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
