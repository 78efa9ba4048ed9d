import threading
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harvester.nimble_api.rate_limit import Pacer


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(st.lists(st.floats(0, 0.5), min_size=100, max_size=200))
def test_no_second_holds_more_requests_than_the_limit(work: list[float]) -> None:
    time = Time()
    pacer = Pacer(83, clock=time, sleep=time.sleep)
    starts = []
    for seconds in work:
        pacer.wait()
        starts.append(time.now)
        time.now += seconds
    assert all(later - earlier >= 1 / 83 - 1e-9 for earlier, later in pairwise(starts))


def test_a_pause_holds_for_every_request_and_ends() -> None:
    time = Time()
    pacer = Pacer(83, clock=time, sleep=time.sleep)
    pacer.wait()
    pacer.pause(30)
    pacer.pause(5)
    pacer.wait()
    assert time.now == 1030
    pacer.wait()
    assert 1030 < time.now < 1031


def test_a_pause_reaches_who_is_already_waiting() -> None:
    time = Time()

    def sleep(seconds: float) -> None:
        if time.now < 1010:
            pacer.pause(60)  # told to another thread meanwhile
        time.now += seconds

    pacer = Pacer(1, clock=time, sleep=sleep)
    pacer.wait()
    pacer.wait()
    assert time.now >= 1060


def test_threads_share_one_pace() -> None:
    pacer = Pacer(1000)

    def ask_often() -> None:
        for _ in range(20):
            pacer.wait()

    threads = [threading.Thread(target=ask_often) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
