"""Messages that are held until their rows are committed."""

from __future__ import annotations

from collections import Counter

import pytest

from harvester.errors import DestinationUnusable
from harvester.events.queue.row_commits import HeldBatches, RowCommits, SettledBatch


def batch(size: int) -> SettledBatch:
    return SettledBatch([], [], [], Counter(), set(), size)


def test_without_commits_nothing_is_held() -> None:
    held = HeldBatches(None, 120.0)
    assert not held.is_due()
    held.add(batch(1))
    assert held.is_due()
    assert list(held.commit()) == [batch(1)]
    assert not held.is_due()


def test_rows_are_committed_by_size() -> None:
    committed: list[int] = []
    held = HeldBatches(RowCommits(lambda: committed.append(1), 10), 120.0)
    held.add(batch(4))
    held.add(batch(5))
    assert not held.is_due()
    held.add(batch(1))
    assert held.is_due()
    assert len(held.commit()) == 3
    assert committed == [1]
    assert not held.commit()
    assert committed == [1]


def test_rows_are_committed_by_time() -> None:
    held = HeldBatches(RowCommits(lambda: None, 10), 0.0)
    assert not held.is_due()
    held.add(batch(0))
    assert held.is_due()


def test_what_could_not_be_committed_is_held_until_it_is_dropped() -> None:
    def fail() -> None:
        raise DestinationUnusable("full")

    held = HeldBatches(RowCommits(fail, 1), 120.0)
    held.add(batch(1))
    with pytest.raises(DestinationUnusable):
        held.commit()
    assert list(held.drop()) == [batch(1)]
    assert list(held.drop()) == []
