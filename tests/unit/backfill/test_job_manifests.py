"""Definitions of jobs, held against the published schemas of Kubernetes and AWS Batch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore.session
import kubernetes_validate
import pytest
from botocore.validate import ParamValidator

from harvester.backfill.backfill_plan import BackfillPlan, KeySpan
from harvester.backfill.engines.engine_rules import FINAL_CODES, RETRIED_CODES
from harvester.backfill.engines.job_manifests import batch_array_size, batch_job_definition, kubernetes_job
from harvester.error_codes import ErrorCode
from harvester.errors import EXIT_MEANINGS, UsageError
from tests.unit.backfill.plans import small_plan

OUT = "s3://warehouse/nimble"
ARGUMENTS = ["backfill", "run", OUT]
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "backfill.md"


def test_exit_codes_are_retried_as_published() -> None:
    assert sorted(map(int, RETRIED_CODES)) == [6, 11, 14]
    assert sorted(map(int, FINAL_CODES)) == [2, 4, 5, 7, 8, 12, 13, 17, 18]
    assert all(EXIT_MEANINGS[code].retryable for code in RETRIED_CODES)
    assert all(EXIT_MEANINGS[code].retryable is False for code in FINAL_CODES)


def test_the_guide_lists_the_same_exit_codes() -> None:
    text = " ".join(GUIDE.read_text(encoding="utf-8").split())
    for codes, meaning in ((RETRIED_CODES, "are worth another attempt"), (FINAL_CODES, "need a person first")):
        *others, last = map(str, sorted(map(int, codes)))
        assert f"{', '.join(others)} and {last} {meaning}" in text


@pytest.mark.parametrize("service_account", [None, "harvester"])
def test_kubernetes_takes_the_job(service_account: str | None) -> None:
    job = kubernetes_job(small_plan(), OUT, "registry/harvester:1", ARGUMENTS, service_account=service_account)
    kubernetes_validate.validate(job, "1.31", strict=True)
    spec = job["spec"]
    assert (spec["completions"], spec["parallelism"], spec["completionMode"]) == (3, 3, "Indexed")
    assert spec["backoffLimitPerIndex"] == 5
    assert spec["template"]["spec"].get("serviceAccountName") == service_account
    # A pod failure policy needs it, as does a limit for each index.
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    actions = {
        code: rule["action"]
        for rule in spec["podFailurePolicy"]["rules"]
        for code in rule.get("onExitCodes", {}).get("values", ())
    }
    assert actions == dict.fromkeys((6, 11, 14), "Count") | dict.fromkeys((2, 4, 5, 7, 8, 12, 13, 17, 18), "FailIndex")


def test_kubernetes_runs_as_many_at_once_as_the_plan_allows() -> None:
    job = kubernetes_job(replace(small_plan(), parallelism=2), OUT, "i", ARGUMENTS)
    assert job["spec"]["parallelism"] == 2


def validate_batch(operation: str, parameters: dict[str, Any]) -> str:
    model = botocore.session.get_session().get_service_model("batch").operation_model(operation)
    assert model.input_shape is not None
    report: str = ParamValidator().validate(parameters, model.input_shape).generate_report()
    return report


@pytest.mark.parametrize("role", [None, "arn:aws:iam::123456789012:role/harvester"])
def test_aws_batch_takes_the_job_definition(role: str | None) -> None:
    definition = batch_job_definition(small_plan(), OUT, "registry/harvester:1", ARGUMENTS, job_role=role)
    assert validate_batch("RegisterJobDefinition", definition) == ""
    assert definition["containerProperties"].get("jobRoleArn") == role
    conditions = definition["retryStrategy"]["evaluateOnExit"]
    # AWS Batch takes five, and retries what none of them matches.
    assert len(conditions) == 5
    assert {each["onExitCode"]: each["action"] for each in conditions} == {
        **dict.fromkeys(("6", "11", "14", "3"), "RETRY"),
        "*": "EXIT",
    }
    assert conditions[-1]["onExitCode"] == "*"
    submitted = {"jobName": "j", "jobQueue": "q", "jobDefinition": definition["jobDefinitionName"]}
    assert validate_batch("SubmitJob", {**submitted, "arrayProperties": {"size": batch_array_size(small_plan())}}) == ""


def of_shards(count: int) -> BackfillPlan:
    return replace(small_plan(), spans=(KeySpan(objects=1, bytes=1),) * count)


def test_an_array_has_2_to_10000_children() -> None:
    assert batch_array_size(of_shards(1)) is None
    assert batch_array_size(of_shards(10_000)) == 10_000
    batch_job_definition(of_shards(10_000), OUT, "i", ARGUMENTS)
    with pytest.raises(UsageError) as caught:
        batch_job_definition(of_shards(10_001), OUT, "i", ARGUMENTS)
    assert caught.value.code is ErrorCode.ENGINE_UNSUITABLE


@pytest.mark.parametrize("build", [kubernetes_job, batch_job_definition])
def test_an_output_of_this_machine_is_refused(build: Any) -> None:
    with pytest.raises(UsageError) as caught:
        build(small_plan(), "/tables", "i", ARGUMENTS)
    assert caught.value.code is ErrorCode.ENGINE_UNSUITABLE


@pytest.mark.parametrize("build", [kubernetes_job, batch_job_definition])
def test_a_definition_holds_nothing_of_the_environment(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "this is secret")
    monkeypatch.setenv("AWS_PROFILE", "this is local")
    text = json.dumps(build(small_plan(), OUT, "i", ARGUMENTS))
    assert "this is" not in text
    assert "env" not in text
