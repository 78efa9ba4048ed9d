"""``policy diff`` of a live bucket and of a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import plan_policy
from scripts.commands.installed_command import run
from scripts.servers.fault_proxy import FaultProxy
from tests.e2e.access.policy.bucket_policies import FOREIGN, put, writes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("state")


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
