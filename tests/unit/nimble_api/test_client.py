"""The real SDK against a real server."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed, HarvesterError, TimedOut, UsageError
from harvester.nimble_api.client import NimbleClient
from harvester.nimble_api.polling import wait_for_batches
from harvester.nimble_api.responses import BudgetExhausted, UnknownId
from harvester.nimble_api.states import TaskState
from scripts.servers.nimble_server import NimbleApi, Scenario

KEY = "nk-secret-0123456789"
TASKS = [
    {"id": f"t{number:03}", "state": word, "batch_id": "b1", "created_at": "2026-01-24T12:36:24.685Z", "input": None}
    for number, word in enumerate(["success", "error", "completed", "archived", "Queued"] * 50)
]


def scenario(**changed: Any) -> Scenario:
    return Scenario(
        **{
            "api_key": KEY,
            "tasks": TASKS,
            "batches": [{"id": "b1", "tasks": [None, *(task["id"] for task in TASKS)]}, {"id": "b2", "tasks": []}],
            "jobs": [{"id": f"job_{number}"} for number in range(5)],
            "runs": [
                {"id": f"run_{number}", "job_id": "job_1", "status": "SUCCESS", "summary": {"result_count": number}}
                for number in range(7)
            ],
            "forbidden": ["b-other"],
            **changed,
        }
    )


@pytest.fixture
def api(nimble_api: NimbleApi) -> NimbleApi:
    nimble_api.load(scenario())
    return nimble_api


@pytest.fixture
def client(api: NimbleApi) -> Iterator[NimbleClient]:
    with NimbleClient(KEY, base_url=api.url, attempts=2) as client:
        yield client


# ---- both path versions


@pytest.mark.parametrize("versions", [["v1"], ["v2"], ["v1", "v2"]])
def test_every_question_is_answered_under_either_path_version(
    api: NimbleApi, client: NimbleClient, versions: list[str]
) -> None:
    api.load(scenario(versions=versions, page_size=3))
    assert client.task("t000").state is TaskState.SUCCEEDED
    assert [task.id for task in client.tasks()] == [task["id"] for task in TASKS]
    batch = client.batch("b1")
    assert (len(batch.tasks), batch.null_tasks, batch.completed) == (250, 1, True)
    assert [batch.id for batch in client.batches()] == ["b1", "b2"]
    assert client.progress("b1").completed
    assert b'"task_id": "t000"' in client.results("t000").content
    assert client.run("run_3").result_count == 3
    assert [run.id for run in client.runs("job_1")] == [f"run_{number}" for number in range(7)]
    assert list(client.job_ids()) == [f"job_{number}" for number in range(5)]


def test_the_older_paths_are_found_once_and_kept(api: NimbleApi, client: NimbleClient) -> None:
    api.load(scenario(versions=["v1"]))
    client.task("t000")
    client.task("t001")
    assert api.requests == ["GET /v2/tasks/t000", "GET /v1/tasks/t000", "GET /v1/tasks/t001"]


def test_an_unknown_id_does_not_lead_to_the_older_paths(api: NimbleApi, client: NimbleClient) -> None:
    with pytest.raises(UnknownId):
        client.task("t999")
    assert api.requests == ["GET /v2/tasks/t999"]


def test_an_address_below_a_path_keeps_its_path(api: NimbleApi) -> None:
    api.load(scenario(faults=[{"path": "/v2/tasks/t1", "status": 404, "text": "no"}], versions=["gateway"]))
    with NimbleClient(KEY, base_url=f"{api.url}/gateway/") as client, pytest.raises(UnknownId):
        client.task("t1")
    assert api.requests == ["GET /gateway/v2/tasks/t1", "GET /gateway/v1/tasks/t1"]


# ---- pages


@pytest.mark.parametrize(
    "page",
    [
        {"data": [{"id": "t1"}], "pagination": {"has_next": True, "next_cursor": None}},
        {"data": [{"id": "t1"}], "pagination": {"has_next": True, "next_cursor": "same"}},
    ],
)
def test_pages_that_never_end_are_refused(api: NimbleApi, client: NimbleClient, page: dict[str, Any]) -> None:
    api.load(scenario(faults=[{"path": "/tasks", "times": 99, "status": 200, "body": page}]))
    with pytest.raises(ConnectionFailed, match="unexpected document"):
        list(client.tasks())


def test_fewer_runs_than_counted_are_refused(api: NimbleApi, client: NimbleClient) -> None:
    empty = {"items": [], "limit": 100, "offset": 0, "total": 3}
    api.load(scenario(faults=[{"path": "/jobs/job_1/runs", "status": 200, "body": empty}]))
    with pytest.raises(ConnectionFailed, match="unexpected document"):
        list(client.runs("job_1"))


def test_nulls_and_pages_without_pagination_are_tolerated(api: NimbleApi, client: NimbleClient) -> None:
    page = {"data": [None, {"id": "t1", "state": None}]}
    api.load(scenario(faults=[{"path": "/tasks", "status": 200, "body": page}]))
    assert [task.state for task in client.tasks()] == [TaskState.UNKNOWN]


# ---- patience


def test_the_servers_delay_is_kept_to_and_throttling_is_no_failure(api: NimbleApi, client: NimbleClient) -> None:
    throttle = {
        "path": "/tasks/t000",
        "times": 3,
        "status": 429,
        "headers": {"Retry-After": "0.3"},
        "body": {"msg": "x"},
    }
    api.load(scenario(faults=[throttle]))
    assert client.task("t000").id == "t000"
    assert len(api.requests) == 4
    assert api.impatient == 0


def test_a_failure_of_the_server_passes(api: NimbleApi, client: NimbleClient) -> None:
    api.load(
        scenario(faults=[{"path": "/batches/b1", "status": 500, "body": {"success": "false", "message": "again"}}])
    )
    assert client.batch("b1").completed


def test_a_permanent_server_error_has_the_message_of_the_server(api: NimbleApi, client: NimbleClient) -> None:
    body = {"success": "false", "task_id": "t000", "message": "can't download the query response - please try again"}
    api.load(scenario(faults=[{"path": "/tasks/t000/results", "times": 9, "status": 500, "body": body}]))
    with pytest.raises(ConnectionFailed, match="can't download the query response"):
        client.results("t000")
    assert len(api.requests) == 2


def test_a_dropped_connection_is_tried_again(api: NimbleApi, client: NimbleClient) -> None:
    api.load(scenario(faults=[{"path": "/tasks/t000", "drop": True}]))
    assert client.task("t000").id == "t000"


def test_no_server_at_all_is_a_failed_connection() -> None:
    with NimbleApi() as gone:
        url = gone.url
    with NimbleClient(KEY, base_url=url, attempts=2) as client, pytest.raises(ConnectionFailed, match="no answer from"):
        client.task("t000")


def test_a_longer_delay_than_ones_patience_is_not_waited_for(api: NimbleApi) -> None:
    throttle = {"path": "/tasks/t000", "status": 429, "headers": {"Retry-After": "3600"}, "body": {"msg": "slow down"}}
    api.load(scenario(faults=[throttle]))
    with NimbleClient(KEY, base_url=api.url) as client, pytest.raises(ConnectionFailed) as caught:
        client.task("t000")
    assert caught.value.cause == "HTTP 429: slow down, and asks to wait 3,600 s"


def test_no_pause_passes_the_deadline(api: NimbleApi) -> None:
    throttle = {"path": "/tasks/t000", "status": 429, "headers": {"Retry-After": "200"}, "body": {"msg": "slow down"}}
    api.load(scenario(faults=[throttle]))
    with NimbleClient(KEY, base_url=api.url, deadline=time.monotonic() + 20) as client, pytest.raises(TimedOut):
        client.task("t000")


def test_many_threads_share_a_client_within_the_limit(api: NimbleApi) -> None:
    api.load(scenario(rate_limit=83))
    with NimbleClient(KEY, base_url=api.url) as client, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(client.task, [task["id"] for task in TASKS[:100]]))
    assert [task.id for task in found] == [task["id"] for task in TASKS[:100]]


# ---- refusals


@pytest.mark.parametrize("key", ["msg", "error", "message", "detail"])
def test_an_exhausted_budget_is_not_retried(api: NimbleApi, client: NimbleClient, key: str) -> None:
    api.load(scenario(faults=[{"path": "/tasks", "times": 9, "status": 402, "body": {key: "trial expired"}}]))
    with pytest.raises(BudgetExhausted, match="trial expired"):
        list(client.tasks())
    assert len(api.requests) == 1


def test_a_rejected_key_is_reported_and_never_printed(api: NimbleApi) -> None:
    with NimbleClient("nk-wrong-key", base_url=api.url) as client, pytest.raises(AccessDenied) as refusal:
        client.task("t000")
    assert refusal.value.code is ErrorCode.API_KEY_REJECTED
    assert "nk-wrong-key" not in str(refusal.value)


def test_a_batch_of_another_account(client: NimbleClient) -> None:
    with pytest.raises(AccessDenied, match="may not read batch b-other"):
        client.batch("b-other")


def test_an_expired_result_differs_from_an_unknown_one(api: NimbleApi, client: NimbleClient) -> None:
    api.load(scenario(results={"t000": {"status": 410, "body": {"status": "failed", "error": "Results expired"}}}))
    with pytest.raises(UnknownId) as expired:
        client.results("t000")
    with pytest.raises(UnknownId) as failed:
        client.results("t001")
    assert expired.value.expired
    assert not failed.value.expired


@pytest.mark.parametrize("content", ["<html>sign in</html>", '{"status": "success"}', "[]", "", '{"task": {"id": 7}}'])
def test_an_answer_that_is_not_the_apis_is_no_task(api: NimbleApi, client: NimbleClient, content: str) -> None:
    api.load(scenario(faults=[{"path": "/tasks/t000", "times": 9, "status": 200, "text": content}]))
    with pytest.raises(ConnectionFailed, match="unexpected document"):
        client.task("t000")


@pytest.mark.parametrize("wrong", ["", "a b", "../tasks", "a/b", "--all", "x" * 201, "é"])
def test_what_cannot_be_an_id_is_never_sent(api: NimbleApi, client: NimbleClient, wrong: str) -> None:
    for ask in (client.task, client.results, client.batch, client.progress, client.run):
        with pytest.raises(UsageError, match="not an id"):
            ask(wrong)
    assert api.requests == []


# ---- configuration


@pytest.mark.parametrize(
    "environment", [{}, {"NIMBLE_API_KEY": ""}, {"NIMBLE_API_KEY": "nk-1\nX: y"}, {"NIMBLE_API_KEY": "“nk”"}]
)
def test_no_usable_key_is_a_configuration_error(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        NimbleClient.from_environment(environment)
    assert refusal.value.exit_code == 8
    assert "nk" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "sdk.nimbleway.com",
        "ftp://host",
        "https://",
        "https://host:port",
        "https://host/v2",
        "https://host/v1/",
        "https://h/?a=b",
        "https://host\r",
        "https://host/a b",
    ],
)
def test_no_usable_address_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError):
        NimbleClient.from_environment({"NIMBLE_API_KEY": KEY, "NIMBLE_BASE_URL": url})


def test_the_documented_address_is_the_default_and_secrets_in_one_are_not_printed() -> None:
    assert NimbleClient.from_environment({"NIMBLE_API_KEY": KEY}).origin == "https://sdk.nimbleway.com"
    assert NimbleClient(KEY, base_url="http://user:pass@[::1]:8080/x").origin == "http://[::1]:8080"


def test_an_unusable_proxy_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://proxy:1")
    with NimbleClient(KEY, base_url="http://api.test") as client, pytest.raises(ConfigurationError):
        client.task("t1")


# ---- waiting


def test_waiting_ends_when_all_batches_are_completed(api: NimbleApi, client: NimbleClient) -> None:
    api.load(
        scenario(batches=[{"id": "b1", "tasks": [task["id"] for task in TASKS], "looks": 2}, {"id": "b2", "tasks": []}])
    )
    shares: list[dict[str, float]] = []
    ended = wait_for_batches(
        client, ["b1", "b2"], report=lambda known: shares.append({name: each.progress for name, each in known.items()})
    )
    assert shares == [{"b1": 0.5, "b2": 1.0}, {"b1": 1.0, "b2": 1.0}]
    assert [batch.id for batch in ended] == ["b1", "b2"]
    assert ended[0].counts[TaskState.SUCCEEDED] == 100
    assert [request for request in api.requests if "b2" in request] == [
        "GET /v2/batches/b2/progress",
        "GET /v2/batches/b2",
    ]


def test_polling_tolerates_an_outage(api: NimbleApi, client: NimbleClient) -> None:
    outage = {"path": "/batches/b1/progress", "times": 2, "status": 503, "body": {}}
    api.load(scenario(batches=[{"id": "b1", "tasks": ["t000"], "looks": 2}]))

    def fail_after_the_first_look(known: object) -> None:
        if not api.scenario.faults:
            api.scenario.faults = [outage]

    ended = wait_for_batches(client, ["b1"], report=fail_after_the_first_look)
    assert ended[0].completed
    assert api.spent[0] == 2


def test_an_outage_before_the_first_look_is_an_error(api: NimbleApi, client: NimbleClient) -> None:
    api.load(scenario(faults=[{"path": ".*", "times": 9, "status": 503, "body": {}}]))
    with pytest.raises(ConnectionFailed):
        wait_for_batches(client, ["b1"])


def test_waiting_ends_at_the_deadline(api: NimbleApi, client: NimbleClient) -> None:
    api.load(scenario(batches=[{"id": "b1", "tasks": [task["id"] for task in TASKS], "looks": 99}]))
    with pytest.raises(TimedOut) as late:
        wait_for_batches(client, ["b1"], deadline=time.monotonic() + 0.2)
    assert late.value.exit_code == 14
    assert "batch b1 is not completed" in str(late.value)


def test_waiting_for_an_unknown_batch_is_an_error_at_once(client: NimbleClient) -> None:
    with pytest.raises(HarvesterError, match="knows no batch b9"):
        wait_for_batches(client, ["b1", "b9"])
