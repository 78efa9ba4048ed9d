"""``policy apply`` of a live bucket: what is written, and when.

moto stores any text as a policy and authorises nothing by it; held here is what is written, when, and what is kept.
"""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import PolicyPlan, plan_policy
from harvester.access.explain.explaining import explain_access
from harvester.errors import ExitCode, UsageError
from policies import contract
from policies.checks.proof.proving import prove
from policies.contracts.targets import target
from policies.language.documents import parse
from scripts.commands.installed_command import COMMAND, environment, run
from scripts.commands.output_schemas import validate
from scripts.servers.fault_proxy import FaultProxy
from tests.e2e.access.policy.bucket_policies import DENY, FOREIGN, backups, put, stored, writes
from tests.rigs.aws_answers import answer_as_new_bucket

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.usefixtures("state")


def test_three_commands_from_nothing_to_a_green_chip(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    answer_as_new_bucket(fault_proxy)
    url = f"s3://{s3_bucket}"
    applied = run("policy", "apply", url, "--mode", "jobs", "--yes")
    assert applied.code == 0, applied.err
    assert "every requirement of the contract holds" in applied.out
    explained = run("explain", url, "--mode", "jobs")
    assert explained.code == 0
    assert explained.out.splitlines()[0] == f"{url}: go"
    tested = run("test", "--input", f"{url}/input/", "--output", f"{url}/output/")
    assert tested.code == 0
    assert "go: 2 of 2 green" in tested.out


@pytest.mark.parametrize("mode", ["async", "jobs"])
def test_the_stored_policy_proves_complete(s3_bucket: str, s3: S3Client, mode: str) -> None:
    outcome = apply_policy(plan_policy(f"s3://{s3_bucket}", mode))
    agreed = contract(mode)
    assert prove(agreed, target(agreed, s3_bucket), parse(json.dumps(stored(s3, s3_bucket)))).complete
    assert outcome.complete
    assert outcome.exit_code() is ExitCode.OK


def test_foreign_statements_keep_meaning_order_and_unknown_fields(s3_bucket: str, s3: S3Client) -> None:
    before = put(s3, s3_bucket, {**FOREIGN, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}, Id="kept")
    apply_policy(plan_policy(f"s3://{s3_bucket}/results/", "async"))
    after = stored(s3, s3_bucket)
    assert after is not None
    assert after["Id"] == "kept"
    assert after["Statement"][0] == before["Statement"][0]
    assert len(after["Statement"]) == 3


def test_a_second_apply_changes_nothing_and_reports_it(s3_bucket: str, fault_proxy: FaultProxy, state: Path) -> None:
    url = f"s3://{s3_bucket}/results/"
    apply_policy(plan_policy(url, "async"))
    fault_proxy.clear()
    again = run("policy", "apply", url, "--mode", "async")
    assert again.code == 0
    assert "nothing to do" in again.out
    assert writes(fault_proxy) == []
    assert len(backups(state)) == 1


def test_a_dry_run_writes_nothing(s3_bucket: str, fault_proxy: FaultProxy, state: Path) -> None:
    ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--dry-run")
    assert ended.code == 0
    assert ended.out.startswith("1. ")
    assert '+      "Sid": "NimbleListBucket"' in ended.out
    assert "Terraform" in ended.out
    assert writes(fault_proxy) == []
    assert backups(state) == []
    document = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--dry-run", "--format", "json").document
    validate("policy-apply", document)
    assert document["changed"] is False
    assert len(document["steps"]) == 3


@pytest.mark.parametrize("variable", ["UNRELATED", "NIMBLE_HARVESTER_POLICY_APPLY_YES", "NIMBLE_HARVESTER_APPLY_YES"])
def test_without_consent_nothing_is_written(
    s3_bucket: str, fault_proxy: FaultProxy, state: Path, variable: str
) -> None:
    ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", **{variable: "1"})
    assert ended.code == 13
    assert "--yes" in ended.err
    assert len([line for line in ended.err.splitlines() if not line.startswith("warning: ")]) == 3
    assert writes(fault_proxy) == []
    assert backups(state) == []


def test_a_flag_of_a_subcommand_has_its_variable(s3_bucket: str) -> None:
    ended = run("policy", "apply", f"s3://{s3_bucket}", NIMBLE_HARVESTER_POLICY_APPLY_MODE="jobs")
    assert ended.code == 13


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 13), ("\n", 13)])
def test_a_terminal_is_asked(s3_bucket: str, s3: S3Client, answer: str, code: int) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    out, err = process.communicate()
    os.close(ours)
    assert process.returncode == code, (out, err)
    assert "Make 3 changes?" in err
    assert (stored(s3, s3_bucket) is not None) is (code == 0)


def test_a_deny_is_never_edited_silently(s3_bucket: str, s3: S3Client) -> None:
    put(s3, s3_bucket, DENY)
    ended = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--yes")
    assert ended.code == 10
    assert "--exempt" in ended.out
    after = stored(s3, s3_bucket)
    assert after is not None
    assert "ArnNotEquals" not in json.dumps(after)
    exempted = run("policy", "apply", f"s3://{s3_bucket}", "--mode", "jobs", "--yes", "--exempt")
    assert exempted.code == 0, exempted.out
    after = stored(s3, s3_bucket)
    assert after is not None
    assert after["Statement"][0]["Condition"]["ArnNotEquals"]


def test_statements_are_removed_only_by_name(s3_bucket: str, s3: S3Client) -> None:
    put(s3, s3_bucket, FOREIGN, {**DENY, "Sid": "Other"})
    with pytest.raises(UsageError) as caught:
        plan_policy(f"s3://{s3_bucket}", "jobs", without=["Missing"])
    assert "statement 2 (Other)" in str(caught.value)
    plan = plan_policy(f"s3://{s3_bucket}", "jobs", without=["Other"])
    assert plan.steps[0].endswith("remove statement 2 (Other): Deny s3:*")
    apply_policy(plan)
    after = stored(s3, s3_bucket)
    assert after is not None
    assert next(each["Sid"] for each in after["Statement"]) == FOREIGN["Sid"]
    assert "Other" not in {each["Sid"] for each in after["Statement"]}


def test_several_buckets_are_refused() -> None:
    with pytest.raises(UsageError):
        plan_policy("s3://mine", "jobs", inputs=["s3://other/in/"])


def test_public_access_is_never_loosened(s3_bucket: str, fault_proxy: FaultProxy) -> None:
    plan: PolicyPlan = plan_policy(f"s3://{s3_bucket}", "jobs")
    apply_policy(plan)
    explain_access(f"s3://{s3_bucket}", "jobs")
    changed = [request.target for request in fault_proxy.log if request.method in {"PUT", "DELETE"}]
    assert changed
    assert all(target.endswith("?policy") for target in changed)
