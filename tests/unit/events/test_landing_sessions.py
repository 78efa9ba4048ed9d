"""A session is run again after an error that may be retried, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester.errors import ConnectionFailed, HarvesterError, Interrupted
from harvester.events.landing_sessions import LandingSessions
from harvester.events.live_metrics import LiveMetrics, MetricsOptions
from harvester.location import parse_location
from harvester.sessions import StoreSettings
from harvester.transfer import Observer, SyncOptions


class World:
    """Sessions of a directory, and what was reported."""

    def __init__(self, tmp_path: Path) -> None:
        self.warnings: list[str] = []
        self.stop: int | None = None
        self.destination = tmp_path / "dest"
        source = tmp_path / "source"
        source.mkdir()
        (source / "a.json").write_text('{"url": "u", "status": "success", "data": {}}')
        self.metrics = LiveMetrics(MetricsOptions(), self.destination, None, "watch")
        observer = Observer(warning=self.warnings.append, stop_signal=lambda: self.stop)
        self.sessions = LandingSessions(
            parse_location(f"file://{source}/"),
            self.destination,
            SyncOptions(workers=1),
            StoreSettings(),
            observer,
            self.metrics,
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_retried_session_is_counted_and_reported_until_one_works(world: World) -> None:
    outages: list[str] = []

    def run() -> None:
        outages.append(world.sessions.outage)
        if len(outages) == 1:
            raise ConnectionFailed("no network", cause="refused")
        world.sessions.works()

    world.sessions.repeat(run, lambda _: True)

    assert outages == ["", "no network; refused"]
    assert world.sessions.landing.failed_runs == 1
    assert world.sessions.outage == ""
    assert world.metrics.health()[0]
    assert [each.partition("; retrying in ")[0] for each in world.warnings] == ["no network; refused"]


def test_another_error_is_raised_at_once(world: World) -> None:
    def run() -> None:
        raise HarvesterError("denied")

    with pytest.raises(HarvesterError, match="denied"):
        world.sessions.repeat(run, lambda _: False)
    assert world.sessions.landing.failed_runs == 0


def test_a_stop_ends_the_wait(world: World) -> None:
    def run() -> None:
        world.stop = 15
        raise ConnectionFailed("no network")

    with pytest.raises(Interrupted):
        world.sessions.repeat(run, lambda _: True)


def test_what_a_session_lands_is_added_up(world: World) -> None:
    for _ in range(2):
        with world.sessions.open() as session:
            report = session.run_listing()
        world.sessions.landing.add(report)
    total = world.sessions.landing.report("l", "d", None, other_problems=False)
    assert (total.counts.landed, total.counts.unchanged) == (1, 1)
