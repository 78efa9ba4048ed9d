"""``policy revert`` puts back what a change replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import plan_policy
from harvester.access.change.reverting import plan_revert
from harvester.errors import DifferenceFound
from scripts.commands.installed_command import run
from scripts.commands.output_schemas import validate
from tests.e2e.access.policy.bucket_policies import FOREIGN, put, stored

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("state")


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
        refused = run("policy", "revert", f"s3://{s3_bucket}", "--backup", wrong)
        assert refused.code == 7
        assert refused.err.splitlines()[1] == "  it is not what an apply or a revert wrote"
        assert run("policy", "revert", "file:///tmp/").code == 2
