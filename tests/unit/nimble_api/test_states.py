import pytest

from harvester.nimble_api.states import STATES_BY_NAME, TaskState, task_state

DOCUMENTED = {
    TaskState.SUCCEEDED: "success completed succeeded SUCCESS",
    TaskState.FAILED: "error failed fatal blocked rejected canceled cancelled timeout FAILED CANCELLED TIMEOUT",
    TaskState.RUNNING: "pending queued in_progress running processing uploading postponed PENDING RUNNING",
    TaskState.PARTIAL: "warning WARNING",
}


@pytest.mark.parametrize(
    ("state", "name"), [(state, name) for state, names in DOCUMENTED.items() for name in names.split()]
)
def test_every_documented_state_name_has_its_meaning(state: TaskState, name: str) -> None:
    assert task_state(name) is state


def test_the_table_holds_the_documented_words_and_no_other() -> None:
    assert set(STATES_BY_NAME) == {name.lower() for names in DOCUMENTED.values() for name in names.split()}


@pytest.mark.parametrize("name", [None, "", "archived", "success!", "skipped", "ignored"])
def test_any_other_name_is_unknown_and_not_final(name: str | None) -> None:
    assert task_state(name) is TaskState.UNKNOWN
    assert not task_state(name).finished


def test_white_space_and_case_do_not_matter() -> None:
    assert task_state(" In_Progress\n") is TaskState.RUNNING
