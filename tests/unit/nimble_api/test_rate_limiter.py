import threading
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from harvester.nimble_api.rate_limiter import RateLimiter


class Time:
    """A clock that sleep() advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(st.lists(st.floats(0, 0.5), min_size=100, max_size=200))
def test_no_second_holds_more_requests_than_the_limit(work: list[float]) -> None:
    time = Time()
    limiter = RateLimiter(83, clock=time, sleep=time.sleep)
    starts = []
    for seconds in work:
        limiter.acquire()
        starts.append(time.now)
        time.now += seconds
    assert all(later - earlier >= 1 / 83 - 1e-9 for earlier, later in pairwise(starts))


def test_a_pause_delays_every_request_and_ends() -> None:
    time = Time()
    limiter = RateLimiter(83, clock=time, sleep=time.sleep)
    limiter.acquire()
    limiter.pause(30)
    limiter.pause(5)
    limiter.acquire()
    assert time.now == 1030
    limiter.acquire()
    assert 1030 < time.now < 1031


def test_a_pause_delays_a_thread_that_is_already_waiting() -> None:
    time = Time()

    def sleep(seconds: float) -> None:
        if time.now < 1010:
            limiter.pause(60)  # another thread receives a Retry-After meanwhile
        time.now += seconds

    limiter = RateLimiter(1, clock=time, sleep=sleep)
    limiter.acquire()
    limiter.acquire()
    assert time.now >= 1060


def test_threads_share_one_rate() -> None:
    limiter = RateLimiter(1000)

    def acquire_often() -> None:
        for _ in range(20):
            limiter.acquire()

    threads = [threading.Thread(target=acquire_often) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
