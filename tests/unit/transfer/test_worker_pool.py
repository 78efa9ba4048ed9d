"""The pool hands each object to one worker until it is settled, whatever becomes of the workers."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Iterator

import pytest

from harvester.results.result_options import ResultOptions
from harvester.transfer.workers.messages import (
    INTERNAL_ERROR,
    Alive,
    Assignment,
    CredentialsExpired,
    Failed,
    Landed,
    Outcome,
    Quarantined,
)
from harvester.transfer.workers.worker_limits import (
    MEMORY_EXCEEDED,
    NO_MEMORY_CODE,
    TIME_EXCEEDED,
    WORKER_CRASHED,
    WorkerLimits,
)
from harvester.transfer.workers.worker_pool import WorkerPool
from tests.unit.transfer.memory_workers import MemoryConnection, MemoryWorkers, Message, Script, assignment, landed

KEYS = [f"p/{number:03d}" for number in range(300)]


class Pools:
    """Makes pools and ends them."""

    def __init__(self) -> None:
        self.made: list[WorkerPool] = []

    def __call__(self, workers: MemoryWorkers, size: int = 2, limits: WorkerLimits | None = None) -> WorkerPool:
        pool = WorkerPool(
            size,
            MemoryConnection(),
            "p/",
            "/dest",
            ResultOptions(),
            writers="/dest/writers",
            refuse_unsafe=False,
            limits=limits or WorkerLimits(),
            launch=workers,
        )
        self.made.append(pool)
        return pool


@pytest.fixture
def pools() -> Iterator[Pools]:
    pools = Pools()
    yield pools
    for pool in pools.made:
        pool.kill()


def work(pool: WorkerPool, keys: list[str]) -> dict[str, Outcome]:
    """Assign every key and collect until all are settled; each is settled once."""
    waiting = deque(map(assignment, keys))
    settled: dict[str, Outcome] = {}
    while waiting or pool.outstanding:
        pool.assign(waiting)
        outcomes, expired = pool.collect(0.05)
        assert not expired
        for outcome in outcomes:
            assert outcome.key not in settled
            settled[outcome.key] = outcome
    return settled


def dying_on(*keys: str) -> Script:
    return lambda given: None if given.request.key in keys else landed(given)


def test_every_object_is_settled_once_by_the_allowed_number_of_workers(pools: Pools) -> None:
    workers = MemoryWorkers(landed)

    settled = work(pools(workers, size=3), KEYS)

    assert sorted(settled) == KEYS
    assert {type(outcome) for outcome in settled.values()} == {Landed}
    assert 1 <= workers.launched <= 3


def test_no_worker_is_started_without_work(pools: Pools) -> None:
    workers = MemoryWorkers(landed)
    pool = pools(workers)

    pool.assign(deque())

    assert (workers.launched, pool.outstanding) == (0, 0)


def test_workers_started_ahead_are_used_first(pools: Pools) -> None:
    workers = MemoryWorkers(landed)
    ahead = workers("memory")
    pool = WorkerPool(
        1, MemoryConnection(), "p/", "/d", ResultOptions(), writers="/d/writers", refuse_unsafe=False,
        limits=WorkerLimits(), launched=[ahead], launch=workers,
    )  # fmt: skip
    pools.made.append(pool)

    assert len(work(pool, KEYS[:5])) == 5
    assert workers.launched == 1


def test_what_a_worker_held_when_it_died_is_done_by_others(pools: Pools) -> None:
    died = threading.Event()

    def once(given: Assignment) -> Outcome | None:
        if given.request.key == "p/020" and not died.is_set():
            died.set()
            return None
        return landed(given)

    settled = work(pools(MemoryWorkers(once)), KEYS)

    assert {type(outcome) for outcome in settled.values()} == {Landed}
    assert len(settled) == len(KEYS)


def test_an_object_that_kills_every_worker_fails_and_no_other_does(pools: Pools) -> None:
    settled = work(pools(MemoryWorkers(dying_on("p/007", "p/150"))), KEYS)

    killers = {key: outcome for key, outcome in settled.items() if isinstance(outcome, Failed)}
    assert {(key, outcome.cause) for key, outcome in killers.items()} == {
        ("p/007", INTERNAL_ERROR),
        ("p/150", INTERNAL_ERROR),
    }
    assert len(settled) == len(KEYS)


def test_an_object_is_tried_alone_in_three_workers_that_are_killed(pools: Pools) -> None:
    tries: list[str] = []

    def dying(given: Assignment) -> Outcome | None:
        tries.append(given.request.key)
        return None if given.request.key == "p/003" else landed(given)

    settled = work(pools(MemoryWorkers(dying), size=1), KEYS[:20])

    outcome = settled["p/003"]
    assert isinstance(outcome, Failed)
    assert (outcome.cause, outcome.detail) == (INTERNAL_ERROR, "its worker died (-9)")
    assert tries.count("p/003") == 1 + 3


@pytest.mark.parametrize("dies_undecoded", [False, True])
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        *(
            (-fault, (WORKER_CRASHED, f"its worker ended by {fault.name}"))
            for fault in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)
        ),
        (NO_MEMORY_CODE, (MEMORY_EXCEEDED, "decoding it takes more memory than the system gives to a process")),
    ],
)
def test_an_object_that_ends_its_worker_by_a_fault_also_alone_is_quarantined_undecoded(
    pools: Pools, code: int, reason: tuple[str, str], dies_undecoded: bool
) -> None:
    given_as: list[tuple[str, str] | None] = []

    def crashing(given: Assignment) -> Outcome | None:
        if given.request.key != "p/003":
            return landed(given)
        given_as.append(given.undecodable)
        if given.undecodable is None or dies_undecoded:
            return None
        return Quarantined(given.request.key, "one", 4, *given.undecodable, "quarantine/p/003", "digest", 4)

    settled = work(pools(MemoryWorkers(crashing, code=code)), KEYS[:20])

    assert given_as == [None, None, reason]
    outcome = settled.pop("p/003")
    if dies_undecoded:
        assert isinstance(outcome, Failed)
        assert (outcome.cause, outcome.detail) == reason
    else:
        assert isinstance(outcome, Quarantined)
        assert (outcome.reason, outcome.detail) == reason
    assert {type(outcome) for outcome in settled.values()} == {Landed}


@pytest.mark.parametrize("stalls_undecoded", [False, True])
def test_an_object_that_stalls_its_worker_also_alone_is_quarantined_undecoded(
    pools: Pools, stalls_undecoded: bool
) -> None:
    given_as: list[tuple[str, str] | None] = []
    held = threading.Event()

    def stalling(given: Assignment) -> Outcome | None:
        if given.request.key != "p/003":
            return landed(given)
        given_as.append(given.undecodable)
        if given.undecodable is None or stalls_undecoded:
            held.wait(60)
            return None
        return Quarantined(given.request.key, "one", 4, *given.undecodable, "quarantine/p/003", "digest", 4)

    settled = work(pools(MemoryWorkers(stalling), limits=WorkerLimits(silent_seconds=0.3)), KEYS[:20])
    held.set()

    assert given_as == [None, None, (TIME_EXCEEDED, WorkerLimits(silent_seconds=0.3).describe(TIME_EXCEEDED))]
    outcome = settled.pop("p/003")
    if stalls_undecoded:
        assert isinstance(outcome, Failed)
        assert outcome.cause == TIME_EXCEEDED
    else:
        assert isinstance(outcome, Quarantined)
        assert outcome.reason == TIME_EXCEEDED
    assert {type(outcome) for outcome in settled.values()} == {Landed}


def test_a_worker_that_reports_progress_is_left_alone(pools: Pools) -> None:
    def slow(given: Assignment) -> Iterator[Message]:
        for _ in range(40):
            threading.Event().wait(0.1)
            yield Alive()
        yield landed(given)

    workers = MemoryWorkers(slow)

    settled = work(pools(workers, limits=WorkerLimits(silent_seconds=2)), ["p/000"])

    assert isinstance(settled["p/000"], Landed)
    assert workers.launched == 1


def test_credentials_are_asked_for_once_and_only_for_those_in_use(pools: Pools) -> None:
    generations = iter([0, 0, 1])
    pool = pools(MemoryWorkers(lambda _: CredentialsExpired(next(generations))))
    waiting = deque(map(assignment, KEYS[:3]))
    pool.assign(waiting)
    asked = [False]
    while not asked[-1]:
        _, expired = pool.collect(1.0)
        asked.append(expired)
    pool.renew(MemoryConnection(1))

    late = [pool.collect(1.0)[1] for _ in range(2)]

    assert late.count(True) <= 1


def test_the_last_outcomes_are_returned_when_the_pool_stops(pools: Pools) -> None:
    workers = MemoryWorkers(landed)
    pool = pools(workers)
    pool.assign(deque(map(assignment, KEYS[:10])))

    outcomes = pool.stop(30)

    assert sorted(outcome.key for outcome in outcomes) == KEYS[:10]
    assert pool.outstanding == 0
