"""``policy apply`` beside other writers and under refusals: what is kept, and the cause that is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import plan_policy
from harvester.errors import (
    AccessDenied,
    ConnectionFailed,
    DestinationUnusable,
    DifferenceFound,
    ExitCode,
    HarvesterError,
    IntegrityError,
)
from harvester.retry import RetryPolicy
from harvester.sessions.connections import StoreSettings
from scripts.commands.installed_command import run
from scripts.commands.output_schemas import validate
from scripts.servers.fault_proxy import Call, FaultProxy, Rule, Status, Upstream
from scripts.servers.loopback_server import Answer, Request
from tests.e2e.access.policy.bucket_policies import FOREIGN, backups, put, stored, writes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("state")


def test_the_backup_is_private_and_holds_both_sides(s3_bucket: str, s3: S3Client, state: Path) -> None:
    before = put(s3, s3_bucket, FOREIGN)
    outcome = apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
    assert outcome.backup is not None
    assert backups(state) == [outcome.backup]
    assert outcome.backup.stat().st_mode & 0o777 == 0o600
    document = json.loads(outcome.backup.read_text())
    validate("policy-backup", document)
    (saved,) = document["policies"]
    assert json.loads(saved["policy"]) == before
    assert json.loads(saved["replaced_by"]) == stored(s3, s3_bucket)


def test_without_a_backup_nothing_is_written(s3_bucket: str, fault_proxy: FaultProxy, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(DestinationUnusable):
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"), backup_dir=in_the_way)
    assert writes(fault_proxy) == []


def test_a_policy_edited_after_it_was_read_is_left_alone(
    s3_bucket: str, s3: S3Client, fault_proxy: FaultProxy, state: Path
) -> None:
    plan = plan_policy(f"s3://{s3_bucket}", "jobs")
    edited = put(s3, s3_bucket, FOREIGN)
    with pytest.raises(DifferenceFound) as caught:
        apply_policy(plan)
    assert "nothing was written" in str(caught.value)
    assert caught.value.exit_code is ExitCode.DIFFERENCE
    assert stored(s3, s3_bucket) == edited
    assert writes(fault_proxy) == []
    assert backups(state) == []


def test_a_write_in_the_same_moment_is_found_when_reading_back(
    s3_bucket: str, s3: S3Client, fault_proxy: FaultProxy
) -> None:
    def write_after(request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        put(s3, s3_bucket, FOREIGN)
        return answer

    fault_proxy.add(Rule(Call(write_after), method="PUT", query="^policy$", times=1))
    with pytest.raises(DifferenceFound) as caught:
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs"))
    assert "another document is read back" in str(caught.value)
    assert "-apply.json" in str(caught.value.parameters["backup"])


def test_settings_that_take_a_moment_are_waited_for(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    missing = Status(404, "NoSuchBucketPolicy", "The bucket policy does not exist")
    plan = plan_policy(f"s3://{s3_bucket}", "jobs")
    fault_proxy.add(Rule(missing, method="GET", query="^policy$", after=1, times=2))
    assert apply_policy(plan).complete


def test_what_the_service_rewrites_still_means_the_same(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    def rewrite(request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        document = json.loads(answer.body)
        for statement in document["Statement"]:
            statement["Resource"] = [statement["Resource"]]
            statement["Action"] = (
                [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"][::-1]
            )
        return Answer(answer.status, json.dumps(document).encode(), answer.headers)

    plan = plan_policy(f"s3://{s3_bucket}", "jobs")
    fault_proxy.add(Rule(Call(rewrite), method="GET", query="^policy$", after=1))
    assert apply_policy(plan).complete


@pytest.mark.parametrize(
    "text", [b"<html>a login page</html>", b'{"Version": "2012-10-17", "Statement": [], "Statement": []}']
)
def test_nothing_is_merged_into_what_is_no_policy(s3_bucket: str, fault_proxy: FaultProxy, text: bytes) -> None:
    fault_proxy.add(Rule(Status(200, body=text), method="GET", query="^policy$"))
    with pytest.raises(IntegrityError):
        plan_policy(f"s3://{s3_bucket}", "jobs")
    assert run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--yes").code == 7
    assert writes(fault_proxy) == []


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", AccessDenied),
        (400, "MalformedPolicy", IntegrityError),
        (503, "SlowDown", ConnectionFailed),
    ],
)
def test_a_refused_write_names_the_cause_and_where_the_backup_is(
    s3_bucket: str, fault_proxy: FaultProxy, status: int, code: str, error: type[HarvesterError]
) -> None:
    fault_proxy.add(Rule(Status(status, code, "Invalid principal in policy"), method="PUT", query="^policy$"))
    with pytest.raises(error) as caught:
        apply_policy(plan_policy(f"s3://{s3_bucket}", "jobs", settings=StoreSettings(retry=RetryPolicy(attempts=1))))
    assert "Invalid principal in policy" in str(caught.value)
    assert "-apply.json" in str(caught.value.parameters["backup"])
    assert "FAULT" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (Status(403, "AccessDenied", "no"), "s3:GetBucketPolicy"),
        (Status(405, "MethodNotAllowed", "no"), "only identities of the bucket's own account"),
    ],
)
def test_a_policy_that_may_not_be_read_is_not_replaced(
    s3_bucket: str, fault_proxy: FaultProxy, status: Status, word: str
) -> None:
    fault_proxy.add(Rule(status, method="GET", query="^policy$"))
    ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--yes")
    assert ended.code == 4
    assert word in ended.err
    assert writes(fault_proxy) == []
