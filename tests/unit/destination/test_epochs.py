"""Epochs are ordered in time, name what they follow, and decide which positions belong to a history."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harvester.destination.manifest.epochs import (
    check_position,
    epoch_of,
    newest_position,
    newest_shared,
    read_epochs,
    record_epoch,
)
from harvester.destination.manifest.manifest import Manifest
from harvester.destination.manifest.row_types import EpochRow
from harvester.destination.positions import BEGINNING, Position, draw_epoch, end_of, may_follow, seconds_of
from harvester.errors import ForeignPosition


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "manifest.sqlite"
    Manifest(path).close()
    with closing(sqlite3.connect(path)) as opened:
        yield opened


def history(*ends: tuple[int, int, int]) -> list[EpochRow]:
    """Return epochs of (seconds, first and last sequence number), each drawn after the one before."""
    rows: list[EpochRow] = []
    for seconds, first, last in ends:
        newest = rows[-1].epoch if rows else ""
        rows.append(EpochRow(draw_epoch(newest, newest_position(rows), seconds), first, last, float(seconds)))
    return rows


def test_the_first_epoch_is_of_now_and_follows_nothing(database: sqlite3.Connection) -> None:
    before = int(time.time())
    epoch = record_epoch(database, "", 1, 2)
    assert before <= seconds_of(epoch) <= int(time.time())
    assert may_follow(epoch, BEGINNING)
    (row,) = read_epochs(database)
    assert row[:3] == (epoch, 1, 2)
    assert before <= row.recorded_at


def test_a_further_epoch_sorts_after_the_newest_and_follows_its_end(database: sqlite3.Connection) -> None:
    first = record_epoch(database, draw_epoch(now=2**31), 1, 4)
    second = record_epoch(database, "", 5, 6)
    assert seconds_of(second) == seconds_of(first) + 1
    assert may_follow(second, end_of(first, 4))
    assert [row.epoch for row in read_epochs(database)] == [first, second]


def test_an_epoch_that_goes_on_keeps_its_first_number(database: sqlite3.Connection) -> None:
    epoch = record_epoch(database, "", 1, 2)
    assert record_epoch(database, epoch, 3, 9) == epoch
    (row,) = read_epochs(database)
    assert row[:3] == (epoch, 1, 9)


def test_a_number_belongs_to_the_epoch_that_began_last_before_it() -> None:
    first, second, third = epochs = history((10, 1, 4), (20, 5, 5), (30, 8, 9))
    found = [epoch_of(epochs, seq) for seq in (1, 4, 5, 7, 8, 9)]
    assert found == [each.epoch for each in (first, first, second, second, third, third)]


def test_the_newest_position_is_the_end_of_the_last_epoch() -> None:
    epochs = history((10, 1, 4), (20, 5, 6))
    assert newest_position([]) == BEGINNING
    assert newest_position(epochs) == end_of(epochs[1].epoch, 6)


def test_a_position_of_this_history_is_shared() -> None:
    epochs = history((10, 1, 4), (20, 5, 6))
    for position in (Position(epochs[0].epoch, 2, 1), end_of(epochs[0].epoch, 4), end_of(epochs[1].epoch, 6)):
        assert newest_shared(epochs, position) == position
        check_position(epochs, position, "dest")


def test_a_position_beyond_an_epochs_end_shares_the_end() -> None:
    epochs = history((10, 1, 4), (20, 5, 6))
    beyond = Position(epochs[0].epoch, 5, 0)
    assert newest_shared(epochs, beyond) == end_of(epochs[0].epoch, 4)
    with pytest.raises(ForeignPosition) as caught:
        check_position(epochs, beyond, "dest")
    assert str(end_of(epochs[0].epoch, 4)) in str(caught.value.parameters)


def test_a_position_before_an_epochs_begin_shares_the_end_before_it() -> None:
    epochs = history((10, 1, 4), (20, 5, 6))
    assert newest_shared(epochs, Position(epochs[1].epoch, 4, 0)) == end_of(epochs[0].epoch, 4)
    assert newest_shared(epochs, Position(epochs[0].epoch, 0, 0)) == BEGINNING


def test_an_epoch_that_is_not_recorded_shares_the_end_it_follows() -> None:
    epochs = history((10, 1, 4), (20, 5, 6))
    ends = [end_of(each.epoch, each.last_seq) for each in epochs]
    lost = draw_epoch(epochs[0].epoch, ends[0], 40)
    assert newest_shared(epochs, Position(lost, 5, 0)) == ends[0]
    # Of the same number as that end it cannot be: numbers grow.
    assert newest_shared(epochs, Position(lost, 4, 0)) == BEGINNING
    # An epoch that was drawn earlier follows none of these.
    assert newest_shared(epochs, Position(draw_epoch("", ends[0], 5), 5, 0)) == BEGINNING
    assert newest_shared([], Position(lost, 5, 0)) == BEGINNING
