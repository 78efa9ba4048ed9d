from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.nimble_api.decoding import (
    UnexpectedShape,
    decode_batch,
    decode_batch_summary,
    decode_moment,
    decode_progress,
    decode_run,
    decode_task,
    decode_task_answer,
    error_text,
    is_id,
)
from harvester.nimble_api.states import TaskState

FIELDS = (
    *("id", "task", "tasks", "state", "status", "completed", "completed_count", "progress", "created_at", "error"),
    *("summary", "result_count", "match_rate", "job", "output_url", "message", "detail", "finished_at"),
)
HOSTILE = (10**400, -(2**63), 2**63, "\ud800", "t1", "success", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(HOSTILE),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=8),
    max_leaves=20,
)


def test_a_task_with_every_field() -> None:
    task = decode_task_answer(
        {
            "task": {
                "id": "8e8cfde8-345b-42b8-b3e2-0c61eb11e00f",
                "state": "error",
                "output_url": "s3://bucket/8e8c.json",
                "created_at": "2026-01-24T12:36:24.685Z",
                "modified_at": "2026-01-24T12:37:30.123Z",
                "status_code": 503.0,
                "error": "Connection timeout",
                "error_type": "timeout_error",
                "batch_id": "b7e1a2f3",
                "api_type": "extract",
            }
        }
    )
    assert task.state is TaskState.FAILED
    assert task.modified_at == datetime(2026, 1, 24, 12, 37, 30, 123000, tzinfo=UTC)
    assert (task.status_code, task.error, task.error_type) == (503, "Connection timeout", "timeout_error")


@pytest.mark.parametrize("answer", [{"id": "t1", "state": "success"}, {"task": {"id": "t1", "state": "success"}}])
def test_a_task_is_found_bare_and_under_its_key(answer: dict[str, Any]) -> None:
    assert decode_task_answer(answer).id == "t1"


def test_side_facts_of_another_type_are_unknown_and_nothing_else() -> None:
    task = decode_task({"id": "t1", "state": 7, "created_at": "0000-00-00T00:00:00.000Z", "status_code": "200"})
    assert (task.state, task.created_at, task.status_code) == (TaskState.UNKNOWN, None, None)


@pytest.mark.parametrize(
    "value", [None, [], "t1", {}, {"id": None}, {"id": 7}, {"id": ""}, {"id": "../x"}, {"id": "a b"}]
)
def test_nothing_without_an_id_is_a_task(value: object) -> None:
    with pytest.raises(UnexpectedShape):
        decode_task(value)


def test_a_batch_with_nulls_and_bare_ids() -> None:
    batch = decode_batch(
        {
            "id": "b1",
            "completed": True,
            "completed_count": 3,
            "progress": 1,
            "tasks": [None, "t1", {"id": "t2", "state": "success"}, {"id": "t3", "state": "archived"}],
        }
    )
    assert [task.id for task in batch.tasks] == ["t1", "t2", "t3"]
    assert batch.null_tasks == 1
    assert batch.counts == {
        TaskState.RUNNING: 0,
        TaskState.SUCCEEDED: 1,
        TaskState.FAILED: 0,
        TaskState.PARTIAL: 0,
        TaskState.UNKNOWN: 3,
    }


@pytest.mark.parametrize(
    "broken",
    [
        {"id": "b1", "completed": "true", "tasks": []},
        {"id": "b1", "completed": True, "tasks": None},
        {"id": "b1", "tasks": []},
        {"id": "b1", "completed": True, "tasks": [7]},
    ],
)
def test_what_waiting_rests_on_must_be_there(broken: dict[str, Any]) -> None:
    with pytest.raises(UnexpectedShape):
        decode_batch(broken)


def test_progress_without_an_id_is_the_one_asked_for() -> None:
    progress = decode_progress({"completed": False, "completed_count": 47, "progress": 0.47}, batch_id="b1")
    assert (progress.id, progress.completed_count, progress.progress) == ("b1", 47, 0.47)


@pytest.mark.parametrize("tasks", [["t1", None, "t2"], [{"id": "t1"}, {"id": "t2"}]])
def test_a_listed_batch_names_its_tasks(tasks: list[Any]) -> None:
    assert decode_batch_summary({"id": "b1", "completed": False, "tasks": tasks}).task_ids == ("t1", "t2")


def test_a_run_is_read_from_its_own_page_and_from_the_list() -> None:
    own = decode_run(
        {
            "id": "run_1",
            "status": "WARNING",
            "job": {"id": "job_1", "name": "daily"},
            "summary": {"input_count": 10, "result_count": 0, "match_rate": 0.0},
            "error": {"message": "some inputs failed", "step": "extract"},
        }
    )
    assert (own.state, own.job_id, own.result_count, own.match_rate) == (TaskState.PARTIAL, "job_1", 0, 0.0)
    assert (own.error, own.error_step) == ("some inputs failed", "extract")
    listed = decode_run({"id": "run_1", "job_id": "job_1", "status": "SUCCESS", "result_count": 9})
    assert (listed.job_id, listed.result_count, listed.match_rate) == ("job_1", 9, None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"status": "failed", "msg": "trial expired"}, "trial expired"),
        ({"status": "failed", "error": "Batch not found"}, "Batch not found"),
        ({"success": "false", "task_id": "t", "message": "please try again"}, "please try again"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"loc": ["path"], "msg": "value is not valid"}]}, "value is not valid"),
        ({"error": {"message": "nested"}}, "nested"),
        ({"msg": " ", "error": "second"}, "second"),
        ({"status": "failed"}, None),
        ([], None),
        (7, None),
    ],
)
def test_the_message_of_an_error_is_found_under_every_key(body: object, message: str | None) -> None:
    assert error_text(body) == message


def test_numbers_texts_and_times_are_bounded() -> None:
    run = decode_run(
        {
            "id": "r1",
            "input_count": 10**400,
            "result_count": -(2**63),
            "error": "x" * 100_000,
            "created_at": "9999-12-31T23:59:59Z",
            "started_at": "0001-01-01T00:00:00+14:00",
            "finished_at": "1969-12-31T23:59:59Z",
            "summary": {"match_rate": 10**400},
        }
    )
    assert (run.input_count, run.result_count, run.match_rate) == (None, None, None)
    assert (run.created_at, run.started_at, run.finished_at) == (None, None, None)
    assert run.error is not None
    assert len(run.error) == 8192
    whole = decode_run({"id": "r1", "input_count": 2**63 - 1, "result_count": 5.0, "triggered_by": "\ud800"})
    assert (whole.input_count, whole.result_count, whole.triggered_by) == (2**63 - 1, 5, "?")
    assert decode_run({"id": "r1", "result_count": 1e300}).result_count is None
    assert decode_run({"id": "r1", "result_count": True}).result_count is None


@pytest.mark.parametrize("url", ["s3://b/\ud800", "s3://b/" + "x" * 9000, "http://[half/x", 7, None])
def test_an_output_url_that_is_none_is_left_out(url: object) -> None:
    assert decode_task({"id": "t1", "output_url": url}).output_url is None


def test_an_error_nested_deeply_has_no_message() -> None:
    value: object = "boom"
    for _ in range(500):
        value = {"error": value}
    assert error_text(value) is None
    assert error_text({"error": {"detail": [{"msg": "boom"}]}}) == "boom"


def test_a_time_without_a_zone_is_utc() -> None:
    assert decode_moment("2026-01-24T12:36:24") == datetime(2026, 1, 24, 12, 36, 24, tzinfo=UTC)


@given(json_values)
def test_any_json_is_read_or_refused_by_shape(value: object) -> None:
    for decode in (decode_task_answer, decode_batch, decode_batch_summary, decode_run):
        try:
            decoded = decode(value)
        except UnexpectedShape:
            continue
        assert is_id(decoded.id)
    error_text(value)
