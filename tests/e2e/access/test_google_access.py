"""Explain, apply and revert on Google Cloud Storage: etags enforced by a fake, shapes by the emulator's own.

The fake authorises nothing by the stored policy.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester import explain_access
from harvester.access.change.applying import apply_policy
from harvester.access.change.planning import plan_policy
from harvester.access.change.reverting import plan_revert
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConnectionFailed, DifferenceFound, ExitCode, NoSuchBucket, UsageError
from policies import contract
from scripts.commands.installed_command import run
from scripts.commands.output_schemas import validate
from scripts.servers.fake_gcs_iam import FakeGcsIam
from tests.rigs import gcloud_cli

MEMBER = contract("async", "gs").principal
URL = "gs://results/p/"


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGcsIam]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with FakeGcsIam() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        server.create_bucket("results")
        yield server


def codes(url: str = URL) -> set[str]:
    return {each.code for one in explain_access(url, "async").explanations for each in one.findings}


def test_from_nothing_to_go(gcs: FakeGcsIam) -> None:
    closed = run("explain", URL, "--mode", "async", "--format", "json")
    assert closed.code == 10
    validate("explain", closed.document)
    assert closed.document["explanations"][0]["fixes"] == [f"nimble-harvester policy apply {URL} --mode async"]
    applied = run("policy", "apply", URL, "--mode", "async", "--yes")
    assert applied.code == 0, applied.err
    assert run("explain", URL, "--mode", "async", "--strict").code == 0
    assert run("policy", "diff", URL, "--mode", "async").code == 0
    again = run("policy", "apply", URL, "--mode", "async")
    assert again.code == 0
    assert "nothing to do" in again.out
    policy = gcs.policy("results")
    assert policy["version"] == 3
    (binding,) = [each for each in policy["bindings"] if MEMBER in each["members"]]
    assert "objects/p/" in binding["condition"]["expression"]


def test_the_policy_is_read_with_its_conditions(gcs: FakeGcsIam) -> None:
    conditional = {
        "role": "roles/storage.objectViewer",
        "members": ["user:ada@example.com"],
        "condition": {"title": "mornings", "expression": "request.time.getHours() < 12"},
    }
    gcs.set_policy("results", {"version": 3, "bindings": [conditional]})
    apply_policy(plan_policy(URL, "async"))
    assert conditional in gcs.policy("results")["bindings"]


def test_a_concurrent_editor_loses_nothing(gcs: FakeGcsIam) -> None:
    theirs = {"role": "roles/storage.objectViewer", "members": ["user:ada@example.com"]}

    def edit(bucket: str) -> None:
        gcs.before_write = None
        policy = gcs.policy(bucket)
        gcs.set_policy(bucket, {**policy, "bindings": [*policy["bindings"], theirs]})

    plan = plan_policy(URL, "async")
    gcs.before_write = edit
    outcome = apply_policy(plan)
    assert outcome.complete
    bindings = gcs.policy("results")["bindings"]
    assert theirs in bindings
    assert any(MEMBER in each["members"] for each in bindings)


def test_an_editor_that_asks_for_other_steps_is_not_overruled(gcs: FakeGcsIam) -> None:
    def edit(bucket: str) -> None:
        gcs.before_write = None
        policy = gcs.policy(bucket)
        condition = {"title": "t", "expression": "request.time.getHours() < 12"}
        theirs = {"role": "roles/storage.objectViewer", "members": ["user:s@example.com"], "condition": condition}
        gcs.set_policy(bucket, {"version": 3, "bindings": [*policy["bindings"], theirs]})

    plan = plan_policy(URL, "async")
    gcs.before_write = edit
    with pytest.raises(DifferenceFound):
        apply_policy(plan)
    assert not any(MEMBER in each["members"] for each in gcs.policy("results")["bindings"])


def test_an_editor_that_never_stops_is_given_way_to(gcs: FakeGcsIam) -> None:
    plan = plan_policy(URL, "async")
    gcs.before_write = lambda bucket: gcs.set_policy(bucket, gcs.policy(bucket))
    with pytest.raises(ConnectionFailed):
        apply_policy(plan)


DOMAINS = (
    "One or more users named in the policy do not belong to a permitted customer, perhaps due to an organization policy"
    " (constraints/iam.allowedPolicyMemberDomains)."
)


@pytest.mark.parametrize(
    ("status", "reason"), [(412, "conditionNotMet"), (400, "invalid"), (400, "failedPrecondition")]
)
def test_an_organisation_policy_on_members_is_no_race(gcs: FakeGcsIam, status: int, reason: str) -> None:
    gcs.write_refusal = (status, reason, DOMAINS)
    ended = run("policy", "apply", URL, "--mode", "async", "--yes")
    assert ended.code == 4
    assert "an organisation policy forbids it" in ended.err
    assert "allowedPolicyMemberDomains" in ended.err
    assert "administrator of the organisation" in ended.err
    assert "try again" not in ended.err
    assert "ada@" not in ended.err
    assert gcs.writes == 1, "it is not tried again"


def test_a_precondition_that_is_no_race_is_not_called_one(gcs: FakeGcsIam) -> None:
    gcs.write_refusal = (412, "conditionNotMet", "The bucket is being restored.")
    ended = run("policy", "apply", URL, "--mode", "async", "--yes")
    assert ended.code == 7
    assert "conditionNotMet: The bucket is being restored." in ended.err
    assert "others wrote" not in ended.err
    assert gcs.writes == 1


def test_revert_takes_the_binding_back_alone(gcs: FakeGcsIam) -> None:
    before = gcs.policy("results")["bindings"]
    apply_policy(plan_policy(URL, "async"))
    apply_policy(plan_revert("gs://results"))
    assert gcs.policy("results")["bindings"] == before
    assert not plan_revert("gs://results").changed


def test_a_prefix_needs_uniform_access(gcs: FakeGcsIam) -> None:
    gcs.resources["results"]["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] = False
    with pytest.raises(DifferenceFound) as caught:
        plan_policy(URL, "async")
    assert caught.value.code is ErrorCode.UNIFORM_ACCESS_REQUIRED
    assert "objects-may-be-owned-by-writer" in codes()
    # The whole bucket needs no condition.
    assert plan_policy("gs://results", "async").changed


def test_a_conditional_grant_without_uniform_access_counts_for_nothing(gcs: FakeGcsIam) -> None:
    apply_policy(plan_policy(URL, "async"))
    gcs.resources["results"]["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] = False
    report = explain_access(URL, "async")
    assert report.exit_code() is ExitCode.DIFFERENCE
    assert "condition-needs-uniform-access" in codes()


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        ({"billing": {"requesterPays": True}}, "requester-pays"),
        ({"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}, "condition-needs-uniform-access"),
    ],
)
def test_the_printed_commands_change_the_setting(gcs: FakeGcsIam, resource: dict[str, Any], code: str) -> None:
    apply_policy(plan_policy(URL, "async"))
    gcs.resources["results"] |= resource
    broken = run("explain", URL, "--mode", "async", "--format", "json")
    assert broken.code == 10
    (explanation,) = broken.document["explanations"]
    assert code in {each["code"] for each in explanation["gaps"]}
    for command in explanation["fixes"]:
        program, *arguments = shlex.split(command)
        assert program == "gcloud"
        gcloud_cli.main(arguments)
    assert run("explain", URL, "--mode", "async").code == 0


def test_other_settings(gcs: FakeGcsIam) -> None:
    apply_policy(plan_policy(URL, "async"))
    gcs.resources["results"]["billing"] = {"requesterPays": True}
    assert codes() == {"requester-pays"}
    gcs.resources["results"]["billing"] = {}
    rule = {"action": {"type": "Delete"}, "condition": {"age": 1, "matchesPrefix": ["p/"]}}
    gcs.resources["results"]["lifecycle"] = {"rule": [rule]}
    assert codes() == {"expires-results"}
    rule["condition"] = {"age": 1, "matchesPrefix": ["q/"]}
    assert codes() == set()
    rule["condition"] = {"age": 1, "isLive": False}
    assert codes() == set()
    gcs.resources["results"]["retentionPolicy"] = {"retentionPeriod": "86400"}
    assert "retention policy" in run("explain", URL, "--mode", "async").out


@pytest.mark.parametrize(
    ("permission", "settings"),
    [("storage.buckets.getIamPolicy", {"bucket policy"}), ("storage.buckets.get", {"location", "lifecycle rules"})],
)
def test_what_may_not_be_read_is_unknown(gcs: FakeGcsIam, permission: str, settings: set[str]) -> None:
    gcs.denied = {permission}
    (explanation,) = explain_access(URL, "async").explanations
    assert settings <= {each.setting for each in explanation.unknowns}
    assert {each.permission for each in explanation.unknowns} == {permission}


def test_what_may_not_be_written_reports_it(gcs: FakeGcsIam) -> None:
    gcs.denied = {"storage.buckets.setIamPolicy"}
    with pytest.raises(AccessDenied) as caught:
        apply_policy(plan_policy(URL, "async"))
    assert "FAKE-GCS" in str(caught.value)


def test_missing_buckets_and_wrong_modes(gcs: FakeGcsIam) -> None:
    with pytest.raises(NoSuchBucket):
        explain_access("gs://nowhere-at-all", "async")
    with pytest.raises(UsageError):
        plan_policy(URL, "jobs")
    with pytest.raises(UsageError):
        plan_policy(URL, "async", without=["1"])
    with pytest.raises(UsageError):
        plan_policy(URL, "async", key_arn="arn:aws:kms:us-east-1:123456789012:key/1")
    assert gcs.policy("results")["version"] == 1


def test_saved_and_compared(gcs: FakeGcsIam, tmp_path: Path) -> None:
    apply_policy(plan_policy(URL, "async"))
    assert run("explain", URL, "--mode", "async", "--save", tmp_path).code == 0
    validate("settings", json.loads((tmp_path / "results" / "settings.json").read_text()))
    assert run("explain", URL, "--mode", "async", "--baseline", tmp_path).code == 0
    policy = gcs.policy("results")
    gcs.set_policy("results", {**policy, "bindings": policy["bindings"][:1]})
    ended = run("explain", URL, "--mode", "async", "--baseline", tmp_path, "--format", "json")
    assert ended.code == 10
    since = ended.document["explanations"][0]["since"]
    assert since["lost"] == ["storage.objects.create on prefix"]
    assert since["changes"][0]["after"] == ""
    folder = tmp_path / "results"
    offline = run(
        "explain",
        URL,
        "--mode",
        "async",
        "--policy",
        folder / "bucket-policy.json",
        "--settings",
        folder / "settings.json",
    )
    assert offline.code == 0, offline.out
