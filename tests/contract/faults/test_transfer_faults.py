"""The fetcher under faults of the transfer: a real S3 server behind a proxy, one fault to a test."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harvester.causes import Cause
from harvester.location import parse_location
from harvester.sessions.connections import StoreSettings
from harvester.storage.opening import open_fetcher, open_store
from scripts.servers.fault_proxy import (
    Call,
    Drip,
    Fault,
    FaultProxy,
    FlippedByte,
    HalfBody,
    Reset,
    Rule,
    ShortBody,
    Stall,
    Status,
    Upstream,
)
from scripts.servers.loopback_server import Answer, Request
from tests.contract.faults.scene import BIG, BODY, QUICK, Scene, failure_of
from tests.contract.fetching import drive, fetch_all

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PASSING = [
    pytest.param(Status(503, "SlowDown"), id="slow down"),
    pytest.param(Status(503), id="503 without a document"),
    pytest.param(Status(429), id="429"),
    pytest.param(Status(500, "InternalError"), id="500"),
    pytest.param(Status(502, body=b"<html>bad gateway</html>"), id="502 in HTML"),
    pytest.param(Status(400, "RequestTimeout"), id="400 RequestTimeout"),
    pytest.param(Reset(), id="reset before the answer"),
    pytest.param(Reset(after_bytes=10), id="reset in the body"),
    pytest.param(HalfBody(), id="half a body"),
    pytest.param(ShortBody(), id="short body, consistent length"),
    pytest.param(FlippedByte(7), id="flipped byte"),
    pytest.param(Stall(), id="stall before the answer"),
    pytest.param(Stall(after_bytes=10), id="stall in the body"),
]
LASTING = {
    "slow down": Cause.THROTTLED,
    "503 without a document": Cause.THROTTLED,
    "429": Cause.THROTTLED,
    "500": Cause.SERVER_ERROR,
    "502 in HTML": Cause.SERVER_ERROR,
    "400 RequestTimeout": Cause.TIMEOUT,
    "reset before the answer": Cause.NETWORK,
    "reset in the body": Cause.NETWORK,
    "half a body": Cause.NETWORK,
    "short body, consistent length": Cause.INTEGRITY,
    "flipped byte": Cause.INTEGRITY,
    "stall before the answer": Cause.TIMEOUT,
    "stall in the body": Cause.TIMEOUT,
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_an_attempt(scene: Scene, fault: Fault) -> None:
    fetched = scene.fetch(fault, times=1)

    assert fetched.failure is None
    assert fetched.body == BODY
    assert fetched.attempts == 2


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_costs_a_spooled_body_nothing(scene: Scene, fault: Fault) -> None:
    body = os.urandom(BIG)
    scene.put("target", body)

    fetched = scene.fetch(fault, times=1, spool_from=1000)

    assert fetched.failure is None
    assert fetched.spool is not None
    assert Path(fetched.spool).read_bytes() == body
    assert fetched.attempts == 2
    assert scene.leftovers() == [Path(fetched.spool)]


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_lasts_costs_its_own_object(scene: Scene, fault: Fault, request: pytest.FixtureRequest) -> None:
    fetched = scene.fetch(fault)

    failure = failure_of(fetched)
    name = request.node.callspec.id
    assert failure.cause is LASTING[name]
    assert failure.cause.retryable
    assert not failure.cause.fatal
    assert fetched.attempts == QUICK.attempts
    assert scene.leftovers() == []


@pytest.mark.parametrize("spool_from", [1 << 22, 10], ids=["in memory", "spooled"])
def test_a_body_that_drips_for_ever_costs_a_bounded_time(
    fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str, spool_directory: Path, spool_from: int
) -> None:
    # 50 bytes a second: curl never sees it stand still, and it is far from its end when the time is up.
    retry = QUICK._replace(total_seconds=0.2, min_bytes_per_second=10_000, stall_seconds=10)
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=retry))
    scene = Scene(store, fault_proxy, s3, s3_bucket, spool_directory)
    scene.put("target")

    fetched = scene.fetch(Drip(0.02), spool_from=spool_from)

    assert failure_of(fetched).cause is Cause.TIMEOUT
    assert scene.leftovers() == []


def test_a_slow_body_that_is_fast_enough_for_its_size_arrives(
    fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str, spool_directory: Path
) -> None:
    retry = QUICK._replace(total_seconds=2, min_bytes_per_second=5, stall_seconds=10)
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=retry))
    scene = Scene(store, fault_proxy, s3, s3_bucket, spool_directory)
    scene.put("target")

    fetched = scene.fetch(Drip(0.05))

    assert (fetched.body, fetched.attempts) == (BODY, 1)


@pytest.mark.parametrize("broken", [Drip(0.002), FlippedByte(7)], ids=["cut off in the middle", "a byte wrong"])
def test_a_big_body_is_tried_again_however_long_it_was_on_its_way(
    fault_proxy: FaultProxy, s3: S3Client, s3_bucket: str, spool_directory: Path, broken: Fault
) -> None:
    retry = QUICK._replace(seconds=0.3, stall_seconds=10)
    store = open_store(parse_location(f"s3://{s3_bucket}/"), StoreSettings(retry=retry))
    scene = Scene(store, fault_proxy, s3, s3_bucket, spool_directory)
    body = os.urandom(400)
    scene.put("target", body)

    def slowly(request: Request, upstream: Upstream) -> Answer:
        answer = broken.apply(request, upstream)
        if isinstance(broken, Drip):
            answer = replace(answer, send_bytes=300, ending="reset")
        return replace(answer, drip=0.002)

    fetched = scene.fetch(Call(slowly), times=1, spool_from=100)

    assert fetched.failure is None
    assert fetched.attempts == 2
    assert fetched.spool is not None
    assert Path(fetched.spool).read_bytes() == body


def test_nothing_half_done_is_left_when_a_spooled_body_fails(scene: Scene) -> None:
    scene.put("target", os.urandom(BIG))

    fetched = scene.fetch(HalfBody(0.1), spool_from=1000)

    # Each attempt goes on where the last one broke off, so halving the rest never ends.
    assert failure_of(fetched).cause is Cause.NETWORK
    assert scene.leftovers() == []


def test_an_endpoint_that_dies_and_comes_back(scene: Scene) -> None:
    for number in range(40):
        scene.put(f"more-{number}")
    refs = scene.refs()
    settings = StoreSettings(retry=QUICK._replace(attempts=12, max_delay=0.5))
    store = open_store(scene.store.location, settings)
    connection = store.connection()
    seen, dead = threading.Event(), threading.Event()

    def pass_on(request: Request, upstream: Upstream) -> Answer:
        if seen.is_set() and not dead.is_set():
            dead.wait(1)  # so that transfers are under way when it dies
        answer = upstream(request)
        seen.set()
        return answer

    scene.proxy.add(Rule(Call(pass_on)))

    def die() -> None:
        seen.wait()
        scene.proxy.kill()
        dead.set()
        time.sleep(0.5)
        scene.proxy.revive()

    thread = threading.Thread(target=die)
    thread.start()
    done = fetch_all(store, refs, scene.spool, connection=connection)
    thread.join()

    assert all(fetched.body == BODY for fetched in done.values())
    assert max(fetched.attempts for fetched in done.values()) > 1


def test_a_dead_endpoint_fails_everything_in_time(scene: Scene) -> None:
    refs = scene.refs()
    connection = scene.store.connection()
    scene.proxy.kill()

    done = fetch_all(scene.store, refs, scene.spool, connection=connection)

    assert {failure_of(fetched).cause for fetched in done.values()} == {Cause.NETWORK}


def test_throttling_makes_the_window_smaller_and_loses_nothing(scene: Scene) -> None:
    for number in range(60):
        scene.put(f"more-{number}")
    refs = scene.refs()
    scene.proxy.add(Rule(Status(503, "SlowDown"), path="/more", method="GET", times=30))
    fetcher = open_fetcher(scene.store.connection(), str(scene.spool))
    before = fetcher.capacity()

    drive(fetcher, refs)

    assert fetcher.capacity() < before
    fetcher.close()
