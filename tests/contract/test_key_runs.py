"""Runs over a range of keys or over given keys, on a directory with real workers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from harvester import KeyList, KeyRange, ObjectRef, SyncOptions, SyncReport, sync
from harvester.destination import read_destination
from harvester.errors import ExitCode
from tests.e2e.sources import Directory, result

ENVELOPE = result()


class Scene(NamedTuple):
    """A source and a destination that is up to date with it."""

    source: Directory
    dest: Path

    def key(self, name: str) -> str:
        return str(self.source.path / name)

    def sync(self, keys: KeyRange | KeyList | None = None, **options: object) -> SyncReport:
        return sync(self.source.location, self.dest, SyncOptions(workers=1, **options), keys=keys)  # type: ignore[arg-type]

    def gone(self) -> list[str]:
        with read_destination(self.dest) as opened:
            return [row.path for row in opened.manifest.landed() if row.gone]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(Directory(tmp_path / "source"), tmp_path / "dest")
    for name in ("a.json", "b.json", "c.json"):
        scene.source.put(name, ENVELOPE)
    assert scene.sync().counts.landed == 3
    for name in ("a.json", "c.json"):
        scene.source.remove(name)
    scene.source.put("b.json", ENVELOPE + b" ")
    scene.source.put("d.json", ENVELOPE)
    return scene


def test_a_run_over_a_range_lands_the_range_and_marks_nothing_gone(scene: Scene) -> None:
    report = scene.sync(KeyRange(scene.key("b.json"), scene.key("d.json")))

    assert report.exit_code is ExitCode.OK
    assert (report.counts.landed, report.counts.listed, report.source_gone) == (1, 1, 0)
    assert sorted(path.name for path in scene.dest.glob("*.json")) == ["a.json", "b.json", "c.json", "d.json"]
    assert scene.gone() == []


def test_a_run_over_keys_lands_them_and_counts_what_is_missing_as_failed(scene: Scene) -> None:
    given = ["d.json", "c.json", "b.json", "never.json", "d.json"]

    report = scene.sync(KeyList([scene.key(name) for name in given]))

    assert report.exit_code is ExitCode.PARTIAL
    assert (report.counts.landed, report.counts.failed, report.counts.listed, report.source_gone) == (2, 2, 4, 0)
    assert [(problem.key, problem.outcome, problem.reason) for problem in report.problems] == [
        (scene.key(name), "failed", "not_found") for name in ("c.json", "never.json")
    ]
    assert scene.gone() == []


def test_a_described_object_that_no_longer_exists_is_not_found(scene: Scene) -> None:
    report = scene.sync(KeyList([ObjectRef(scene.key("new.json"), 9, "tag", 0.0)]))

    assert [(problem.outcome, problem.reason) for problem in report.problems] == [("failed", "not_found")]
    assert report.counts.failed == report.counts.listed == 1


def test_a_list_that_is_older_than_what_landed_fetches_nothing_again(scene: Scene) -> None:
    older = ObjectRef(scene.key("b.json"), 3, "older", 0.0)
    assert scene.sync(KeyList([older])).counts.landed == 1

    report = scene.sync(KeyList([older]))

    assert (report.counts.unchanged, report.counts.landed, report.exit_code) == (1, 0, ExitCode.OK)


def test_refused_keys_are_counted_and_harm_no_other(scene: Scene) -> None:
    report = scene.sync(KeyList(["/etc/passwd", scene.key("../source/d.json"), scene.key("d.json")]))

    assert (report.counts.landed, report.counts.refused, report.counts.listed) == (1, 2, 3)
    assert {problem.reason for problem in report.problems} == {"outside_prefix"}


def test_paths_that_collide_within_a_list_land_both(scene: Scene) -> None:
    for name in ("n/x.gz", "n/x"):
        scene.source.put(name, ENVELOPE)

    report = scene.sync(KeyList([scene.key("n/x.gz"), scene.key("n/x")]))

    assert (report.counts.landed, report.renamed, report.exit_code) == (2, 1, ExitCode.OK)


def test_a_run_over_keys_keeps_what_is_known_of_others_and_is_forgotten_by_a_whole_run(scene: Scene) -> None:
    scene.source.put("bad.json", b"")
    scene.sync()
    scene.sync(KeyList([scene.key("never.json")]))
    with read_destination(scene.dest) as opened:
        assert [row.key for row in opened.manifest.problems()] == [scene.key("bad.json"), scene.key("never.json")]

    scene.sync()

    with read_destination(scene.dest) as opened:
        assert [row.key for row in opened.manifest.problems()] == [scene.key("bad.json")]
