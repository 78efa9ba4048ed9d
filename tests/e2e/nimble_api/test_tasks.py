"""The verbs that ask Nimble's API, as installed, against a real server."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from scripts.commands.installed_command import Ended, run
from scripts.servers import nimble_server
from scripts.servers.nimble_server import NimbleApi, Scenario

KEY = "nk-secret-0123456789"
FAILED_ID = "ec89b1f7-1cf2-40eb-91b4-78716093f9ed"
TASKS: list[dict[str, Any]] = [
    {
        "id": "t1",
        "state": "success",
        "batch_id": "b1",
        "created_at": "2026-01-24T12:36:24.685Z",
        "modified_at": "2026-01-24T12:37:30.123Z",
        "status_code": 200,
        "output_url": "s3://bucket/out/t1.json",
        "input": {"url": "https://example.com/\ud83d"},
    },
    {"id": FAILED_ID, "state": "error", "batch_id": "b1", "error": "boom\x1b[2J", "error_type": "timeout_error"},
    {"id": "t3", "state": "archived", "batch_id": "b1"},
]
BATCHES: list[dict[str, Any]] = [
    {"id": "b1", "tasks": ["t1", FAILED_ID, None, "t3"], "completed_at": "2026-01-24T12:38:00.000Z"},
    {"id": "b2", "tasks": [None] * 4, "looks": 10_000},
]
RUN = {
    "id": "run_1",
    "job_id": "job_1",
    "status": "WARNING",
    "created_at": "2026-06-17T09:00:00Z",
    "job": {"id": "job_1", "name": "daily"},
    "summary": {"input_count": 10, "result_count": 9, "match_rate": 0.9},
}


SCHEMAS = [
    *("task", "tasks", "task-result", "task-results"),
    *("batch", "batches", "batch-summary", "batch-progress", "batch-outcome", "batch-outcomes"),
    *("job-run", "job-runs"),
]


def run_nimble(*arguments: str | Path, api: NimbleApi | None = None, **variables: str) -> Ended:
    """Run the command with the API's address and key in the environment."""
    named = {"NIMBLE_API_KEY": api.scenario.api_key, "NIMBLE_BASE_URL": api.url} if api else {}
    return run(*arguments, **(named | variables))


def scenario(**changed: Any) -> Scenario:
    given = {
        "api_key": KEY,
        "page_size": 2,
        "tasks": TASKS,
        "batches": BATCHES,
        "jobs": [{"id": "job_1"}, {"id": "job_2"}],
        "runs": [RUN, {**RUN, "id": "run_2", "status": "FAILED", "error": {"message": "no input", "step": "read"}}],
    }
    return Scenario(**{**given, **changed})


@pytest.fixture
def api(nimble_api: NimbleApi) -> NimbleApi:
    nimble_api.load(scenario())
    return nimble_api


def schema(name: str) -> Any:
    return json.loads(files("harvester.cli").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8"))


def checked(name: str, text: str) -> Any:
    document = json.loads(text)
    jsonschema.Draft202012Validator(
        schema(name), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    ).validate(document)
    assert document["schema"] == f"urn:nimble-harvester:{name}:v1"
    return document


# ---- documents of every verb, described by their schemas


@pytest.mark.parametrize(
    ("arguments", "one", "many", "records"),
    [
        (["tasks", "get", "t1", FAILED_ID], "task", "tasks", 2),
        (["tasks", "list"], "task", "tasks", 3),
        (["tasks", "results", "t1"], "task-result", "task-results", 1),
        (["batches", "list"], "batch-summary", "batches", 2),
        (["batches", "wait", "b1"], "batch-outcome", "batch-outcomes", 1),
        (["runs", "list", "job_1"], "job-run", "job-runs", 2),
    ],
)
def test_lists_are_one_document_or_one_a_line(
    api: NimbleApi, arguments: list[str], one: str, many: str, records: int
) -> None:
    whole, lines = (
        run_nimble(*arguments, "--format", "json", api=api),
        run_nimble(*arguments, "--format", "jsonl", api=api),
    )
    assert whole.code == lines.code == 0
    document = checked(many, whole.out)
    printed = [checked(one, line) for line in lines.out.splitlines()]
    assert len(printed) == records
    assert document[many.replace("-", "_")] == [
        {name: value for name, value in line.items() if name != "schema"} for line in printed
    ]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["batches", "get", "b1"], "batch"),
        (["batches", "progress", "b1"], "batch-progress"),
        (["runs", "get", "run_1"], "job-run"),
    ],
)
def test_single_things_are_one_document(api: NimbleApi, arguments: list[str], name: str) -> None:
    result = run_nimble(*arguments, "--format", "json", api=api)
    assert result.code == 0
    checked(name, result.out)


def test_the_record_of_a_line_and_of_a_list_are_described_alike() -> None:
    pairs = {
        "tasks": "task",
        "batch": "task",
        "task-results": "task-result",
        "batches": "batch-summary",
        "batch-outcomes": "batch-outcome",
        "job-runs": "job-run",
    }
    for many, one in pairs.items():
        line = schema(one)
        properties = {name: value for name, value in line["properties"].items() if name != "schema"}
        assert schema(many)["$defs"][one]["properties"] == properties


def test_every_schema_is_one_and_has_its_id() -> None:
    for name in SCHEMAS:
        document = schema(name)
        jsonschema.Draft202012Validator.check_schema(document)
        assert document["$id"] == document["properties"]["schema"]["const"] == f"urn:nimble-harvester:{name}:v1"


# ---- what people see


def test_a_batch_as_a_table_shows_counts_nulls_and_unknown_states(api: NimbleApi) -> None:
    result = run_nimble("batches", "get", "b1", api=api)
    assert result.code == 0
    head, *rows = result.out.splitlines()
    assert head.split()[:2] == ["ID", "STATE"]
    assert [row.split()[:3] for row in rows] == [
        ["t1", "succeeded", "success"],
        [FAILED_ID, "failed", "error"],
        ["t3", "unknown", "archived"],
    ]
    assert "\x1b" not in result.out
    assert "4 tasks: 1 succeeded, 1 failed, 2 unknown" in result.err
    assert "1 task of batch b1 given as null" in result.err
    assert "unknown state archived" in result.err


def test_a_limit_stops_the_pages(api: NimbleApi) -> None:
    api.requests.clear()
    result = run_nimble("tasks", "list", "--limit", "2", api=api)
    assert [line.split()[0] for line in result.out.splitlines()] == ["ID", "t1", FAILED_ID]
    assert api.requests == ["GET /v2/tasks?limit=100"]


def test_runs_of_all_jobs_are_listed_without_a_job(api: NimbleApi) -> None:
    result = run_nimble("runs", "list", api=api)
    assert [line.split()[:3] for line in result.out.splitlines()[1:]] == [
        ["run_1", "partial", "WARNING"],
        ["run_2", "failed", "FAILED"],
    ]


def test_a_raw_result_is_the_apis_body_to_the_byte(api: NimbleApi) -> None:
    body = '{"task_id":  "t1", "data": {"html": "ü\\ud83d"}}\n'
    api.load(scenario(results={"t1": {"text": body}}))
    raw = run_nimble("tasks", "results", "t1", "--raw", api=api)
    assert raw.out == body
    assert checked("task-results", run_nimble("tasks", "results", "t1", "--format", "json", api=api).out)


def test_waiting_shows_progress_and_ends_with_the_counts(api: NimbleApi) -> None:
    api.load(scenario(batches=[{**BATCHES[0], "looks": 2}]))
    result = run_nimble("batches", "wait", "b1", "--timeout", "5m", api=api)
    assert result.code == 0
    assert result.out.splitlines()[1].split() == ["b1", "4", "1", "1", "2"]
    assert "2 tasks ended, 50%, 0 of 1 batches completed" in result.err
    assert "4 tasks ended, 100%, 1 of 1 batches completed" in result.err


def test_waiting_as_long_as_asked_is_exit_14(api: NimbleApi) -> None:
    result = run_nimble("batches", "wait", "b1", "b2", "--timeout", "0.1s", api=api)
    assert result.code == 14
    assert result.out == ""
    assert "batch b2 is not completed" in result.err
    assert "nimble-harvester batches wait b2" in result.err


# ---- refusals


def test_without_a_key_nothing_is_asked(api: NimbleApi) -> None:
    result = run_nimble("tasks", "list", NIMBLE_BASE_URL=api.url)
    assert result.code == 8
    assert "NIMBLE_API_KEY" in result.err


def test_a_wrong_key_is_exit_4_and_never_shown(api: NimbleApi) -> None:
    result = run_nimble("batches", "get", "b1", api=api, NIMBLE_API_KEY="nk-wrong", NIMBLE_LOG="")
    assert result.code == 4
    assert "nk-wrong" not in result.out + result.err


@pytest.mark.parametrize(
    ("fault", "arguments", "exit_code", "printed"),
    [
        ({}, ["tasks", "get", "t9"], 2, "Nimble knows no task t9"),
        ({"status": 402, "body": {"detail": "trial quota finished"}}, ["tasks", "list"], 4, "trial quota finished"),
        (
            {"status": 429, "headers": {"Retry-After": "900"}, "body": {"msg": "slow"}},
            ["tasks", "list"],
            6,
            "throttling",
        ),
    ],
)
def test_a_refusal_is_three_lines_with_its_exit_code(
    api: NimbleApi, fault: dict[str, Any], arguments: list[str], exit_code: int, printed: str
) -> None:
    api.load(scenario(forbidden=["b-other"], faults=[{"path": ".*", "times": 99, **fault}] if fault else []))
    result = run_nimble(*arguments, api=api)
    assert result.code == exit_code
    assert result.out == ""
    assert printed in result.err
    assert len(result.err.splitlines()) == 3
    assert KEY not in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["tasks", "get", "../x"],
        ["tasks", "results", "t1", "t3", "--raw"],
        ["delivery-params", "s3://bucket/", "--callback", "http://example.org"],
    ],
)
def test_what_cannot_be_is_a_usage_error(api: NimbleApi, arguments: list[str]) -> None:
    result = run_nimble(*arguments, api=api)
    assert result.code == 2
    assert "Traceback" not in result.err


# ---- delivery parameters


def test_delivery_parameters_need_no_key_and_warn_on_standard_error() -> None:
    result = run_nimble("delivery-params", "gs://my-bucket/results", "--compress", "--name", "n", "--batch")
    assert result.code == 0
    assert json.loads(result.out) == {
        "storage_type": "gs",
        "storage_url": "gs://my-bucket/results/",
        "storage_compress": True,
        "storage_object_name": "n",
    }
    warned = [line.rpartition("[")[2].rstrip("]") for line in result.err.splitlines()]
    assert warned == ["no-trailing-slash", "name-on-batch", "name-on-gcs"]


def test_the_buckets_policy_is_read_from_a_file(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": []}))
    refused = run_nimble("delivery-params", "s3://my-bucket/results/", "--policy", str(policy))
    policy.write_text('{"Version": "2012-10-17", "Statement": [],}')
    broken = run_nimble("delivery-params", "s3://my-bucket/results/", "--policy", str(policy))
    assert (refused.code, broken.code) == (0, 7)
    assert "s3:PutObject on arn:aws:s3:::my-bucket/results/" in refused.err
    assert "[not-granted]" in refused.err
    assert str(policy) in broken.err
    assert len(broken.err.splitlines()) <= 3


# ---- the server as a process


def test_the_server_runs_as_a_program_and_reads_its_scenario_again(tmp_path: Path) -> None:
    control = tmp_path / "scenario.json"
    control.write_text(json.dumps({"api_key": KEY, "tasks": [{"id": "t1", "state": "pending"}]}))
    command = [sys.executable, nimble_server.__file__, "--scenario", str(control)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            env = {"NIMBLE_API_KEY": KEY, "NIMBLE_BASE_URL": process.stdout.readline().strip()}
            before = run("tasks", "get", "t1", "--format", "jsonl", **env)
            control.write_text(json.dumps({"api_key": KEY, "tasks": [{"id": "t1", "state": "success"}]}))
            states = {json.loads(before.out)["state"]}
            for _ in range(20):
                states.add(json.loads(run("tasks", "get", "t1", "--format", "jsonl", **env).out)["state"])
                if "succeeded" in states:
                    break
            assert states == {"running", "succeeded"}
        finally:
            process.terminate()
