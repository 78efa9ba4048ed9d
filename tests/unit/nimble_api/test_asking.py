import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import HarvesterError, Interrupted, UsageError
from harvester.nimble_api.fan_out import THREADS, ask_all, ask_each


@given(st.lists(st.integers(0, 99).map(str), unique=True, max_size=60), st.sets(st.integers(0, 99).map(str)))
def test_every_name_is_asked_once_and_answered(names: list[str], refused: set[str]) -> None:
    def ask(name: str) -> int:
        if name in refused:
            raise UsageError(name)
        return int(name)

    answers = list(ask_each(ask, names))
    assert sorted(name for name, _ in answers) == sorted(names)
    for name, answer in answers:
        assert isinstance(answer, HarvesterError) == (name in refused)
    if not refused & {*names}:
        assert ask_all(ask, names) == {name: int(name) for name in names}


def test_few_requests_are_under_way_and_few_answers_wait() -> None:
    lock = threading.Lock()
    under_way, asked, most = 0, 0, 0

    def ask(name: str) -> str:
        nonlocal under_way, asked, most
        with lock:
            under_way += 1
            asked += 1
            most = max(most, under_way)
        time.sleep(0.001)
        with lock:
            under_way -= 1
        return name

    answers = ask_each(ask, map(str, range(100)))
    for taken, _ in enumerate(answers, start=1):
        time.sleep(0.001)
        assert asked <= taken + 2 * THREADS
    assert 1 < most <= THREADS


def test_a_signal_is_heard_while_an_answer_is_waited_for() -> None:
    hanging = threading.Event()
    stopped: list[int] = []

    def ask(name: str) -> str:
        stopped.append(15)
        hanging.wait(60)
        return name

    with pytest.raises(Interrupted) as ended:
        list(ask_each(ask, ["a", "b"], stop=lambda: stopped[0] if stopped else None))
    assert ended.value.exit_code == 143
    hanging.set()


def test_a_bug_in_asking_is_raised_where_the_answers_are_taken() -> None:
    with pytest.raises(ZeroDivisionError):
        list(ask_each(lambda name: 1 // len(name[1:]), ["a", "bb"]))
