"""Results from the API land beside the delivered ones, validated alike, and give way to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import shown_key
from harvester.destination.opened import open_destination
from harvester.errors import DestinationUnusable
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.plan import Action, ActionKind
from harvester.transfer.range_planner import Planned
from harvester.transfer.recording.recorder import Recorder
from harvester.transfer.rescued_results import RescuedResult, land_results, rescued_path
from tests.unit.transfer.memory_workers import assignment, landed, ref


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Path, Manifest]]:
    with open_destination(tmp_path / "dest") as destination:
        yield destination.root, destination.manifest


def result(task_id: str, body: bytes | None = None) -> RescuedResult:
    envelope = {"url": "u", "task_id": task_id, "status": "success", "data": {"html": "x"}}
    return RescuedResult(task_id, json.dumps(envelope).encode() if body is None else body)


def test_a_rescued_result_lands_under_its_own_folder(opened: tuple[Path, Manifest]) -> None:
    root, manifest = opened

    report = land_results(root, manifest, [result("t1"), result("t2")], SyncOptions())

    assert report.landed == ("t1", "t2")
    rows = sorted(manifest.landed(), key=lambda row: row.seq)
    assert [(row.path, row.task_id, row.origin, row.seq) for row in rows] == [
        ("_rescued/t1.json", "t1", "rescued", 1),
        ("_rescued/t2.json", "t2", "rescued", 2),
    ]
    assert json.loads((root / "_rescued/t1.json").read_bytes())["task_id"] == "t1"
    assert manifest.barrier() == 2
    assert [(run.run, run.exit_code) for run in manifest.runs()] == [(1, 0)]


def test_an_invalid_result_is_quarantined_and_no_other_is_held_up(opened: tuple[Path, Manifest]) -> None:
    root, manifest = opened

    report = land_results(root, manifest, [result("bad", b"{"), result("good")], SyncOptions())

    assert report.landed == ("good",)
    assert [task for task, _ in report.quarantined] == ["bad"]
    problem = manifest.rescue_problems()["bad"]
    assert problem.path is not None
    assert (root / problem.path).read_bytes() == b"{"

    again = land_results(root, manifest, [result("bad")], SyncOptions())
    assert again.landed == ("bad",)
    assert manifest.rescue_problems() == {}
    assert not (root / problem.path).exists()


def test_a_rescue_that_brings_nothing_is_no_run(opened: tuple[Path, Manifest]) -> None:
    land_results(*opened, [], SyncOptions())

    assert opened[1].runs() == []


def test_what_a_killed_rescue_left_unrecorded_is_removed(opened: tuple[Path, Manifest]) -> None:
    root, manifest = opened
    land_results(root, manifest, [result("t1")], SyncOptions())
    (root / "_rescued/t9.json").write_text("{}")

    land_results(root, manifest, [], SyncOptions())

    assert [path.name for path in (root / "_rescued").iterdir()] == ["t1.json"]


def test_a_link_in_the_place_of_the_folder_is_named(opened: tuple[Path, Manifest], tmp_path: Path) -> None:
    root, manifest = opened
    (tmp_path / "elsewhere").mkdir()
    (root / "_rescued").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DestinationUnusable):
        land_results(root, manifest, [result("t1")], SyncOptions())

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_delivered_object_replaces_the_rescued_one(opened: tuple[Path, Manifest]) -> None:
    root, manifest = opened
    land_results(root, manifest, [result("t1")], SyncOptions())
    (rescued,) = manifest.landed()
    recorder = Recorder(manifest, root, manifest.begin_run(), SyncOptions(), Observer())
    planned = Planned(ref("p/t1.json"), Action(ActionKind.FETCH, "new"), "t1.json", None, None)
    recorder.settle(landed(assignment("p/t1.json"), task_id="t1"), planned)
    recorder.finish()

    (row,) = manifest.landed()
    assert (row.key, row.replaces) == ("p/t1.json", shown_key(rescued.key))
    assert not (root / "_rescued/t1.json").exists()


@pytest.mark.parametrize("task_id", ["../x", "a/b", "", ".", "a\0b", "x" * 300])
def test_no_task_id_leads_outside(task_id: str) -> None:
    path = rescued_path(task_id)

    assert path.startswith("_rescued/")
    assert path.count("/") == 1
    assert ".." not in path.split("/")
    assert ".." not in path.split("/")
    assert len(path) < 100
