"""Rows are written in one transaction, and files no row names are removed only afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.destination.manifest.row_types import LandedRow, ProblemRow
from harvester.destination.opened import OpenDestination, open_destination
from harvester.transfer.recording.durable_barrier import DurableBarrier
from harvester.transfer.recording.pending_rows import PendingRows


@pytest.fixture
def destination(tmp_path: Path) -> Iterator[OpenDestination]:
    with open_destination(tmp_path / "dest") as opened:
        opened.manifest.begin_run()
        yield opened


@pytest.fixture
def pending(destination: OpenDestination) -> PendingRows:
    return PendingRows(destination.manifest, destination.root)


def row(key: str, seq: int) -> LandedRow:
    return LandedRow(
        key, "etag", 1, 0.0, key, 1, 0, "d", seq, 1, 0.0, None, "identity", None, None, None, "delivered", 0, 0
    )


def problem(key: str) -> ProblemRow:
    return ProblemRow(key, "etag", 1, "failed", "server_error", "", 1, 1, None, None, "")


def test_nothing_is_due_without_rows(pending: PendingRows) -> None:
    assert not pending.is_due()
    pending.write()
    assert pending.row_counts() is None


def test_a_thousand_rows_are_due_at_once(pending: PendingRows) -> None:
    pending.solved.extend(map(str, range(999)))
    pending.gone.append("last")
    assert pending.is_due()


def test_what_is_written_is_in_the_manifest_and_no_longer_pending(
    pending: PendingRows, destination: OpenDestination
) -> None:
    pending.landed.append(row("a", destination.manifest.take_seq()))
    pending.new_rows += 1
    pending.problems.append(problem("b"))
    pending.write()

    assert [each.key for each in destination.manifest.landed()] == ["a"]
    assert [each.key for each in destination.manifest.problems()] == ["b"]
    assert (pending.landed, pending.problems, pending.new_rows) == ([], [], 0)

    pending.solved.append("b")
    pending.gone.append("a")
    pending.write()
    assert list(destination.manifest.problems()) == []
    assert next(destination.manifest.landed()).gone

    pending.returned.append("a")
    pending.write()
    assert not next(destination.manifest.landed()).gone

    pending.removed.append("a")
    pending.new_rows -= 1
    pending.write()
    assert destination.manifest.is_empty()
    counts = pending.row_counts()
    assert counts is not None
    assert counts == (0, 0)


def test_rows_that_are_missing_show_in_the_counts(pending: PendingRows, destination: OpenDestination) -> None:
    for key in ("a", "b"):
        pending.landed.append(row(key, destination.manifest.take_seq()))
        pending.new_rows += 1
    pending.write()
    destination.manifest.record([], [], removed=["a"])
    assert pending.row_counts() == (2, 1)


def test_an_obsolete_file_is_removed_after_its_row(pending: PendingRows, destination: OpenDestination) -> None:
    kept = destination.root / "kept.json"
    kept.write_text("{}")
    pending.obsolete.append("kept.json")
    assert kept.exists()
    pending.write()
    assert not kept.exists()
    assert pending.obsolete == []


def test_the_barrier_is_the_last_sequence_number(destination: OpenDestination) -> None:
    barrier = DurableBarrier(destination.manifest, destination.root)
    barrier.start_if_due(5)  # too early: the last one was at the begin
    barrier.finish(5, unsynced=False)
    assert destination.manifest.barrier() == 0
    barrier.finish(5, unsynced=True)
    assert destination.manifest.barrier() == 5
    barrier.finish(None, unsynced=True)
    assert destination.manifest.barrier() == 5


def test_a_flush_that_fails_leaves_the_barrier(destination: OpenDestination, tmp_path: Path) -> None:
    barrier = DurableBarrier(destination.manifest, tmp_path / "missing")
    with pytest.raises(OSError, match="missing"):
        barrier.finish(5, unsynced=True)
    assert destination.manifest.barrier() == 0
