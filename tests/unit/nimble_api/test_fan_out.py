import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.errors import HarvesterError, Interrupted, UsageError
from harvester.nimble_api.fan_out import THREADS, collect_concurrently, map_concurrently


@given(st.lists(st.integers(0, 99).map(str), unique=True, max_size=60), st.sets(st.integers(0, 99).map(str)))
def test_every_id_is_called_once_and_has_one_result(names: list[str], refused: set[str]) -> None:
    def function(name: str) -> int:
        if name in refused:
            raise UsageError(name)
        return int(name)

    answers = list(map_concurrently(function, names))
    assert sorted(name for name, _ in answers) == sorted(names)
    for name, answer in answers:
        assert isinstance(answer, HarvesterError) == (name in refused)
    if not refused & {*names}:
        assert collect_concurrently(function, names) == {name: int(name) for name in names}


def test_concurrency_and_buffered_results_are_bounded() -> None:
    lock = threading.Lock()
    under_way, asked, most = 0, 0, 0

    def function(name: str) -> str:
        nonlocal under_way, asked, most
        with lock:
            under_way += 1
            asked += 1
            most = max(most, under_way)
        time.sleep(0.001)
        with lock:
            under_way -= 1
        return name

    answers = map_concurrently(function, map(str, range(100)))
    for taken, _ in enumerate(answers, start=1):
        time.sleep(0.001)
        assert asked <= taken + 2 * THREADS
    assert 1 < most <= THREADS


def test_a_signal_interrupts_waiting_for_a_result() -> None:
    hanging = threading.Event()
    stopped: list[int] = []

    def function(name: str) -> str:
        stopped.append(15)
        hanging.wait(60)
        return name

    with pytest.raises(Interrupted) as ended:
        list(map_concurrently(function, ["a", "b"], stop=lambda: stopped[0] if stopped else None))
    assert ended.value.exit_code == 143
    hanging.set()


def test_an_unexpected_exception_is_raised_in_the_consumer() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_concurrently(lambda name: 1 // len(name[1:]), ["a", "bb"]))
