"""How many requests are in flight, in a simulated store."""

from __future__ import annotations

from harvester.storage.http.concurrency_limiter import Window


def simulate(window: Window, seconds: float, *, latency: float, capacity: float) -> None:
    """Run a store that answers after ``latency``, at most ``capacity`` objects a second."""
    now = 0.0
    window.review(now)
    while now < seconds:
        served = window.limit
        took = max(latency, served / capacity)
        for _ in range(served):
            window.completed(8192)
        now += took
        window.waited(took * 0.9)
        window.review(now)


def test_it_grows_while_latency_is_what_takes_the_time() -> None:
    window = Window()
    simulate(window, 10, latency=0.03, capacity=1e9)
    assert window.limit == 256


def test_it_stays_small_where_more_gains_nothing() -> None:
    window = Window()
    simulate(window, 3, latency=0.001, capacity=500)
    assert window.limit <= 32


def test_it_stays_small_while_there_is_no_waiting() -> None:
    window = Window()
    window.review(0.0)
    for step in range(1, 100):
        for _ in range(64):
            window.completed(8192)
        window.review(step * 0.2)
    assert window.limit == Window().limit


def test_throttling_halves_it_once_for_all_that_was_in_flight() -> None:
    window = Window()
    for _ in range(10):
        window.throttled(100.0)
    assert window.limit == Window().limit // 2
    window.throttled(101.0)
    assert window.limit == Window().limit // 4
    for second in range(102, 120):
        window.throttled(float(second))
    assert window.limit == 1
