"""Commits: of any attempts at a shard, killed and at once, the rows of exactly one are visible, whole at the end."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from harvester.backfill.backfill_plan import Shard
from harvester.backfill.backfill_status import clean
from harvester.backfill.shards.shard_commit import Commit, ShardCommits, shard_series
from harvester.backfill.shards.shard_report import ShardReport
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, IntegrityError, UsageError
from harvester.results import Shape
from harvester.tables import ExportOptions, StagedRows
from harvester.tables.exports.staging import stage_source
from tests.unit.backfill.memory_output import MemoryOutput
from tests.unit.backfill.plans import report_of, small_plan
from tests.unit.tables.exported_parts import ENVELOPE, Killed, expected
from tests.unit.tables.memory_rows import MemorySource

SHARD = small_plan().shard(1)


def source_of(attempt: int) -> MemorySource:
    """Return what an attempt lands: an object that every other attempt finds in another version and table."""
    source = MemorySource()
    source.add({"n": attempt}, {"n": attempt}, key="replaced")
    if attempt % 2:
        source.add(ENVELOPE, key="replaced as well", shape=Shape.AGENT)
    else:
        source.add({"n": attempt}, {"n": attempt}, {"n": attempt}, key="replaced as well")
    for number in range(attempt % 3):
        source.add({"n": number}, key=f"of {attempt} alone {number}")
    return source


def settle(store: MemoryOutput, attempt: int, shard: Shard = SHARD) -> Commit | None:
    """Make an attempt at a shard as a run does, with rows from memory."""

    def store_attempt() -> tuple[ShardReport, StagedRows]:
        options = ExportOptions(part_bytes=[1, 10**9][attempt // 2 % 2], series=shard_series(shard.index))
        staged, _ = stage_source(source_of(attempt), store, options)
        store.create(f"files/{shard.name}/{staged.attempt}/media.png", b"%d" % attempt)
        store.create(f"quarantine/{shard.name}/{staged.attempt}/bad.json", b"%d" % attempt)
        return report_of(shard), staged

    return ShardCommits(store, shard).settle(store_attempt)


SETS = {frozenset(expected(source_of(attempt)).items()): attempt for attempt in range(6)}


def check_visible(out: MemoryOutput) -> None:
    """Check that what is visible is part of one attempt, without a repetition."""
    found = out.visible()
    assert max(found.values(), default=1) == 1
    assert not found or any(set(found.items()) <= rows for rows in SETS)


def check_complete(out: MemoryOutput) -> int:
    """Check that all of one attempt is visible, and that `clean` leaves nothing of others; return which one it is."""
    attempt = SETS[frozenset(out.visible().items())]
    clean(out)
    assert not list(out.names("staging/"))
    for folder in ("files/", "quarantine/"):
        (kept,) = out.names(folder)
        assert out.read(kept) == b"%d" % attempt
    return attempt


@pytest.fixture
def out(tmp_path: Path) -> MemoryOutput:
    return MemoryOutput(tmp_path)


def test_the_rows_of_an_attempt_are_committed_once(out: MemoryOutput) -> None:
    first, second = settle(out, 0), settle(out, 1)
    assert first == second
    assert check_complete(out) == 0


def test_an_attempt_that_cannot_be_committed_leaves_the_shard_open(out: MemoryOutput) -> None:
    assert ShardCommits(out, SHARD).settle(lambda: None) is None
    assert ShardCommits(out, SHARD).committed() is None
    assert settle(out, 2) is not None


def test_a_kill_at_any_point_is_completed_by_the_next_attempt(tmp_path: Path) -> None:
    kills = 0
    for kill_at in range(1, 200):
        out, left = MemoryOutput(tmp_path), kill_at

        def kill(out: MemoryOutput = out) -> None:
            nonlocal left
            left -= 1
            check_visible(out)
            if left == 0:
                raise Killed

        try:
            settle(out.hooked(kill), 0)
        except Killed:
            kills += 1
        else:
            break
        settle(out.hooked(lambda out=out: check_visible(out)), 1)  # type: ignore[misc]
        check_complete(out)
    assert kills > 20


def test_another_attempt_between_any_two_steps_wins_or_loses_as_a_whole(tmp_path: Path) -> None:
    winners: Counter[int] = Counter()
    for begin_at in range(1, 200):
        out, left = MemoryOutput(tmp_path), begin_at

        def run_another(out: MemoryOutput = out) -> None:
            nonlocal left
            left -= 1
            check_visible(out)
            if left == 0:
                settle(out.hooked(lambda: check_visible(out)), 1)

        settle(out.hooked(run_another), 0)
        winners[check_complete(out)] += 1
        if left > 0:
            break
    assert winners[0] > 5
    assert winners[1] > 5


@pytest.mark.parametrize("seed", range(5))
def test_kills_among_many_attempts_leave_one(out: MemoryOutput, seed: int) -> None:
    draw = random.Random(seed)

    def hook() -> None:
        check_visible(out)
        if draw.random() < 0.05:
            raise Killed
        if draw.random() < 0.1:
            settle(out.hooked(hook), draw.randrange(6))

    for _ in range(20):
        try:
            settle(out.hooked(hook), draw.randrange(6))
        except Killed:
            continue
    settle(out, draw.randrange(6))
    check_complete(out)


def test_parts_that_a_reader_took_away_are_not_published_again(out: MemoryOutput) -> None:
    def finish_as_another_process() -> None:
        # The staged copies are removed when the other has committed.
        if out.exists(f"claims/shards/{SHARD.name}.json") and not out.exists(f"shards/{SHARD.name}.json"):
            settle(out, 1)
            for name in list(out.names("data/")):
                out.remove(name)

    settle(out.hooked(finish_as_another_process), 0)
    assert out.visible() == {}


def test_staged_parts_that_are_gone_before_the_commit_are_an_error(out: MemoryOutput) -> None:
    def remove() -> None:
        if out.exists(f"claims/shards/{SHARD.name}.json"):
            for name in list(out.names("staging/")):
                out.remove(name)

    for attempt in (0, 1):
        with pytest.raises(IntegrityError, match="is gone") as caught:
            settle(out.hooked(remove), attempt)
        assert caught.value.code is ErrorCode.BACKFILL_DAMAGED
    assert ShardCommits(out, SHARD).committed() is None


def test_an_output_that_cannot_be_written_is_tried_again(out: MemoryOutput) -> None:
    def refuse() -> None:
        if out.exists(f"claims/shards/{SHARD.name}.json"):
            raise DestinationUnusable("read-only")

    with pytest.raises(DestinationUnusable, match="read-only"):
        settle(out.hooked(refuse), 0)
    settle(out, 1)
    assert check_complete(out) == 0


def test_staged_rows_that_cannot_be_removed_are_left_to_clean(out: MemoryOutput) -> None:
    class Undeletable(MemoryOutput):
        def remove(self, name: str) -> None:
            raise DestinationUnusable(f"no right to delete {name}")

    assert settle(Undeletable(out.scratch().parent, out.files), 0) is not None
    assert list(out.names("staging/"))
    assert check_complete(out) == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"staged": {}}', b"\xff"])
def test_a_damaged_commit_is_named(out: MemoryOutput, content: bytes) -> None:
    out.create(f"shards/{SHARD.name}.json", content)
    with pytest.raises(IntegrityError) as caught:
        settle(out, 0)
    assert caught.value.subject == f"memory/shards/{SHARD.name}.json"


def test_the_commit_of_another_backfill_is_refused(out: MemoryOutput) -> None:
    other = replace(SHARD, backfill=replace(SHARD.backfill, id="f" * 32))
    settle(out, 0, other)
    with pytest.raises(UsageError) as caught:
        settle(out, 0)
    assert caught.value.code is ErrorCode.BACKFILL_PLANNED
