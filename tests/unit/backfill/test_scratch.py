"""Scratch folders: one for each attempt, empty at its start, gone at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from harvester.backfill.shards.scratch import scratch_folder
from harvester.errors import DestinationUnusable
from tests.unit.backfill.plans import small_plan

SHARD, OTHER = small_plan().shards[:2]


def test_attempts_at_once_have_folders_of_their_own(tmp_path: Path) -> None:
    parent = tmp_path / "scratch"
    with scratch_folder(SHARD, parent) as first, scratch_folder(SHARD, parent) as second:
        with scratch_folder(OTHER, parent) as other:
            assert len({first, second, other}) == 3
            assert not any(any(folder.iterdir()) for folder in (first, second, other))
        (first / "file").write_text("x")
        assert not list(second.iterdir())
    assert not list(parent.iterdir())


def test_what_a_killed_attempt_left_is_removed(tmp_path: Path) -> None:
    with scratch_folder(SHARD, tmp_path) as folder:
        name = folder.name
    left = tmp_path / name
    left.mkdir()
    (left / "results").mkdir()
    (left / "results" / "half").write_text("x")
    (tmp_path / f"{name}.lock").touch()
    with scratch_folder(SHARD, tmp_path) as folder:
        assert folder == left
        assert not list(folder.iterdir())
    assert not list(tmp_path.iterdir())


def test_an_attempt_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder(SHARD, tmp_path) as folder:
            (folder / "file").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_parent_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DestinationUnusable), scratch_folder(SHARD, tmp_path / "file"):
        pass
