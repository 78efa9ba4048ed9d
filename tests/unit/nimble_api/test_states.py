import pytest

from harvester.nimble_api.states import STATE_WORDS, TaskState, task_state

DOCUMENTED = {
    TaskState.SUCCEEDED: "success completed succeeded SUCCESS",
    TaskState.FAILED: "error failed fatal blocked rejected canceled cancelled timeout FAILED CANCELLED TIMEOUT",
    TaskState.RUNNING: "pending queued in_progress running processing uploading postponed PENDING RUNNING",
    TaskState.PARTIAL: "warning WARNING",
}


@pytest.mark.parametrize(
    ("state", "word"), [(state, word) for state, words in DOCUMENTED.items() for word in words.split()]
)
def test_every_documented_word_has_its_meaning(state: TaskState, word: str) -> None:
    assert task_state(word) is state


def test_the_table_holds_the_documented_words_and_no_other() -> None:
    assert set(STATE_WORDS) == {word.lower() for words in DOCUMENTED.values() for word in words.split()}


@pytest.mark.parametrize("word", [None, "", "archived", "success!", "skipped", "ignored"])
def test_any_other_word_is_unknown_and_no_end(word: str | None) -> None:
    assert task_state(word) is TaskState.UNKNOWN
    assert not task_state(word).finished


def test_white_space_and_case_do_not_matter() -> None:
    assert task_state(" In_Progress\n") is TaskState.RUNNING
