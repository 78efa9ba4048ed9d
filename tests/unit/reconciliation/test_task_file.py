import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.nimble_api.states import TaskState
from harvester.reconciliation.task_file import TasksInFile, read_tasks_file

BATCH_SUBMIT = {
    "batch_id": "b1",
    "batch_size": 3,
    "tasks": [{"id": "t1", "state": "pending", "batch_id": "b1"}, {"id": "t2", "state": "pending", "batch_id": "b1"}],
}
SUBMIT = {"status": "success", "task": {"id": "t1", "state": "pending", "input": {}}}


def reading(tmp_path: Path, content: str | bytes) -> TasksInFile:
    path = tmp_path / "tasks"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_tasks_file(path)


@pytest.mark.parametrize(
    "content",
    [
        "t1\nt2\n",
        "\n# two tasks\n  t1\r\n\r\nt2",
        "\ufefft1\nt2\n",
        '["t1", "t2"]',
        '"t1"\n"t2"\n',
        '[{"id": "t1"}, {"id": "t2", "state": "success"}]',
        '{"id": "t1"}\n\n{"id": "t2"}\n',
        '{"task_id": "t1"}\n{"task": {"id": "t2", "state": "success"}}\n',
        '\n\n[\n  {"task": {"id": "t1"}},\n  "t2"\n]\n',
        '{"data": [{"id": "t1"}, {"id": "t2"}], "pagination": {"has_next": false}}',
        '{"schema": "urn:nimble-harvester:tasks:v1", "tasks": [{"id": "t1", "state": "running"}, {"id": "t2"}]}',
        json.dumps(BATCH_SUBMIT),
        json.dumps(BATCH_SUBMIT, indent=2),
    ],
)
def test_every_form_names_the_same_two_tasks(tmp_path: Path, content: str) -> None:
    assert [task.id for task in reading(tmp_path, content).tasks] == ["t1", "t2"]


def test_a_batch_is_named_and_its_unlisted_tasks_are_counted(tmp_path: Path) -> None:
    expected = reading(tmp_path, json.dumps(BATCH_SUBMIT))
    assert (expected.batch_ids, expected.unlisted) == (("b1",), 1)


def test_a_batch_as_the_api_shows_it_with_nulls(tmp_path: Path) -> None:
    expected = reading(tmp_path, '{"id": "b7", "completed": true, "tasks": [null, {"id": "t1", "state": "error"}]}')
    assert (expected.batch_ids, expected.unlisted) == (("b7",), 1)
    assert expected.tasks[0].state is TaskState.FAILED


def test_a_batch_id_alone_names_a_batch(tmp_path: Path) -> None:
    assert reading(tmp_path, '{"batch_id": "b1"}').batch_ids == ("b1",)


def test_a_task_listed_twice_is_one_task_and_the_last_entry_wins(tmp_path: Path) -> None:
    expected = reading(
        tmp_path, f'{json.dumps(SUBMIT)}\n{{"id": "t2"}}\n{{"task": {{"id": "t1", "state": "success"}}}}\n'
    )
    assert [(task.id, task.state) for task in expected.tasks] == [
        ("t1", TaskState.SUCCEEDED),
        ("t2", TaskState.UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b" \n\n", 1),
        (b"# nothing\n", 1),
        (b"t1\nt2\n\nid,state\n", 4),
        (b"t1\n../../etc/passwd\n", 2),
        (b"t1\n--all\n", 2),
        (b"t1\n\xff\xfe\n", 2),
        (b"PK\x03\x04\x00\x00", 1),
        (b'[\n "t1",\n "t2"\n', 4),
        (b'{"id": "t1"}\n{"id": \n', 2),
        (b'{"id": "t1"}\n{"url": "https://x"}\n', 2),
        (b'{"id": "t1"}\n17\n', 2),
        (b'["t1", {"state": "success"}]', 1),
        (b'["t1", 7]', 1),
        (b"[]", 1),
        (b"[null]", 1),
        (b'{"tasks": []}', 1),
        (b'{"task": null}', 1),
        (b"[" * 100_000, 1),
        (b'{"id": "a b"}', 1),
    ],
)
def test_an_invalid_file_is_refused_with_the_line(tmp_path: Path, content: bytes, line: int) -> None:
    with pytest.raises(IntegrityError, match=rf"line {line}: "):
        reading(tmp_path, content)


def test_a_refusal_names_no_value_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError) as refusal:
        reading(tmp_path, '{"id": "t1"}\n{"password": "hunter2"}\n')
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize("name", ["missing", "."])
def test_no_file_is_a_usage_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_tasks_file(tmp_path / name)
    assert refusal.value.code is ErrorCode.FILE_UNREADABLE


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content)
    try:
        expected = read_tasks_file(path)
    except IntegrityError:
        return
    assert expected.tasks or expected.batch_ids


ids = st.from_regex(r"[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,4}){0,2}", fullmatch=True)


@given(st.lists(ids, min_size=1, max_size=20, unique=True), st.sampled_from(["plain", "lines", "array", "batch"]))
def test_whatever_form_ids_are_written_in_they_come_back(
    tmp_path_factory: pytest.TempPathFactory, written: list[str], form: str
) -> None:
    forms: dict[str, Any] = {
        "plain": "\n".join(written),
        "lines": "\n".join(json.dumps({"task": {"id": task_id}}) for task_id in written),
        "array": json.dumps(written, indent=1),
        "batch": json.dumps({"batch_id": "b", "tasks": [{"id": task_id} for task_id in written]}),
    }
    path = tmp_path_factory.getbasetemp() / "forms"
    path.write_text(forms[form])
    assert [task.id for task in read_tasks_file(path).tasks] == written
