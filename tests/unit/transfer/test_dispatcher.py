"""Planned objects reach a worker, and what came of each is recorded once."""

from __future__ import annotations

import errno
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.causes import Cause
from harvester.destination.manifest.manifest import Manifest
from harvester.destination.opened import open_destination
from harvester.errors import DestinationUnusable, HarvesterError, Interrupted
from harvester.transfer.dispatcher import Dispatcher
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.plan import Action, ActionKind
from harvester.transfer.range_planner import Planned
from harvester.transfer.recording.recorder import Recorder
from harvester.transfer.sync_report import ObjectEvent, SyncProgress
from harvester.transfer.workers.messages import Assignment, CredentialsExpired, DestinationFault, Quarantined
from tests.unit.transfer.memory_workers import MemoryStore, MemoryWorkers, Message, Script, failed, landed, ref


class Run:
    """A dispatcher over a store and a destination, and what it reported."""

    def __init__(self, root: Path, manifest: Manifest, script: Script, options: SyncOptions | None = None) -> None:
        self.root = root
        self.manifest = manifest
        self.events: list[ObjectEvent] = []
        self.progress: list[SyncProgress] = []
        self.signal: int | None = None
        options = options or SyncOptions(workers=2)
        observer = Observer(progress=self.progress.append, event=self.events.append, stop_signal=lambda: self.signal)
        self.store = MemoryStore({})
        self.workers = MemoryWorkers(script)
        self.recorder = Recorder(manifest, root, manifest.begin_run(), options, observer)
        self.dispatcher = Dispatcher(self.store, root, self.recorder, options, observer, self.workers)

    def queue(self, *names: str) -> None:
        for name in names:
            found = ref(f"p/{name}")
            self.dispatcher.queue(Planned(found, Action(ActionKind.FETCH, "new"), name, None, None))
            self.recorder.counters.listed += 1

    @property
    def outcomes(self) -> dict[str, str]:
        return {event.key: event.outcome for event in self.events}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Path, Manifest]]:
    with open_destination(tmp_path / "dest") as destination:
        yield destination.root, destination.manifest


def quarantined(given: Assignment) -> Quarantined:
    request = given.request
    return Quarantined(request.key, request.etag, request.size, "empty", "detail", "quarantine/x", "digest", 4)


def test_each_queued_object_is_recorded_with_its_outcome(opened: tuple[Path, Manifest]) -> None:
    def script(given: Assignment) -> Message:
        match given.request.key[-1]:
            case "q":
                return quarantined(given)
            case "f":
                return failed(given, Cause.GONE.value)
            case _:
                return landed(given)

    run = Run(*opened, script)
    run.queue("a", "b", "c.q", "d.f", "e")
    run.dispatcher.drain()
    run.dispatcher.end()
    run.recorder.finish()

    assert run.outcomes == {
        "p/a": "landed", "p/b": "landed", "p/c.q": "quarantined", "p/d.f": "failed", "p/e": "landed",
    }  # fmt: skip
    assert [row.key for row in run.manifest.landed()] == ["p/a", "p/b", "p/e"]
    assert sorted(row.seq for row in run.manifest.landed()) == [1, 2, 3]
    assert {row.key: row.outcome for row in run.manifest.problems()} == {"p/c.q": "quarantined", "p/d.f": "failed"}
    counters = run.recorder.counters
    assert (counters.landed, counters.quarantined, counters.failed) == (3, 1, 1)


def test_nothing_is_started_before_something_is_queued(opened: tuple[Path, Manifest]) -> None:
    run = Run(*opened, landed)
    run.dispatcher.step(0)
    run.dispatcher.drain()

    assert run.workers.launched == 0


def test_a_signal_ends_the_work_before_more_is_assigned(opened: tuple[Path, Manifest]) -> None:
    run = Run(*opened, landed)
    run.queue("a")
    run.signal = signal.SIGTERM

    with pytest.raises(Interrupted) as raised:
        run.dispatcher.step()

    assert raised.value.exit_code == 128 + signal.SIGTERM
    assert run.workers.launched == 0


def test_a_destination_that_takes_no_more_ends_the_run(opened: tuple[Path, Manifest]) -> None:
    run = Run(*opened, lambda given: DestinationFault(given.request.key, errno.ENOSPC))
    run.queue("a")

    with pytest.raises(DestinationUnusable):
        run.dispatcher.drain()
    run.dispatcher.end()

    assert run.events == []


def test_a_cause_that_every_object_shares_ends_the_run(opened: tuple[Path, Manifest]) -> None:
    run = Run(*opened, lambda given: failed(given, Cause.CREDENTIALS.value))
    run.queue("a", "b")

    with pytest.raises(HarvesterError) as raised:
        run.dispatcher.drain()
    run.dispatcher.end()

    assert raised.value.exit_code is Cause.CREDENTIALS.exit_code
    assert set(run.outcomes.values()) == {"failed"}


def test_expired_credentials_are_renewed_and_the_object_lands(opened: tuple[Path, Manifest]) -> None:
    def script(given: Assignment) -> Iterator[Message]:
        yield CredentialsExpired(0)
        yield landed(given)

    run = Run(*opened, script, SyncOptions(workers=1))
    run.queue("a")
    run.dispatcher.drain()
    run.dispatcher.end()

    assert run.store.renewals == 1
    assert run.outcomes == {"p/a": "landed"}


def test_what_was_settled_while_the_run_ended_is_recorded_too(opened: tuple[Path, Manifest]) -> None:
    run = Run(*opened, landed)
    run.queue(*[f"{number:03d}" for number in range(50)])
    run.dispatcher.step(0)
    run.dispatcher.end()
    run.recorder.finish()

    assert len(list(run.manifest.landed())) == len(run.outcomes)
    assert run.workers.ended == run.workers.launched


def test_more_is_taken_only_while_little_waits(opened: tuple[Path, Manifest]) -> None:
    run = Run(*opened, landed)
    accepting = [run.dispatcher.accepts_more]
    run.queue(*[f"{number:04d}" for number in range(2000)])
    accepting.append(run.dispatcher.accepts_more)
    run.dispatcher.drain()
    run.dispatcher.end()
    accepting.append(run.dispatcher.accepts_more)

    assert accepting == [True, False, True]
    assert len(run.events) == 2000
