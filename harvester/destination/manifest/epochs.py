"""The epochs of a manifest: which positions are positions of this history."""

from __future__ import annotations

import sqlite3
import time
from bisect import bisect_right
from collections.abc import Iterable

from harvester.destination.manifest.database import UnreadableRow
from harvester.destination.manifest.row_checks import checked_rows
from harvester.destination.manifest.row_types import EpochRow
from harvester.destination.positions import BEGINNING, Position, draw_epoch, end_of, is_epoch, may_follow
from harvester.errors import ForeignPosition


def read_epochs(database: sqlite3.Connection) -> list[EpochRow]:
    """Return all epochs, oldest first. Raises UnreadableRow where they are not one history."""
    found = database.execute("SELECT epoch, first_seq, last_seq, recorded_at FROM epochs ORDER BY epoch")
    epochs = list(checked_rows(EpochRow, found.fetchall()))
    last_seq = 0
    for each in epochs:
        if not is_epoch(each.epoch) or not last_seq < each.first_seq <= each.last_seq:
            raise UnreadableRow(f"the epoch {each.epoch!r:.20} does not follow the one before it")
        last_seq = each.last_seq
    return epochs


def record_epoch(database: sqlite3.Connection, epoch: str, first_seq: int, last_seq: int) -> str:
    """Record, in the transaction of its rows, how far an epoch goes; an empty one is drawn. Return the epoch."""
    if not epoch:
        known = read_epochs(database)
        epoch = draw_epoch(known[-1].epoch if known else "", newest_position(known))
    database.execute(
        "INSERT INTO epochs(epoch, first_seq, last_seq, recorded_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT(epoch) DO UPDATE SET last_seq = excluded.last_seq, recorded_at = excluded.recorded_at",
        (epoch, first_seq, last_seq, time.time()),
    )
    return epoch


def epoch_of(epochs: list[EpochRow], seq: int) -> str:
    """Return the epoch that a sequence number belongs to; ``epochs`` are sorted. Raises UnreadableRow for none."""
    number = bisect_right(epochs, seq, key=lambda each: each.first_seq) - 1
    if number < 0:
        raise UnreadableRow(f"the sequence number {seq} is of no epoch")
    return epochs[number].epoch


def newest_position(epochs: list[EpochRow]) -> Position:
    """Return the end of everything that has landed."""
    return end_of(epochs[-1].epoch, epochs[-1].last_seq) if epochs else BEGINNING


def check_position(
    epochs: list[EpochRow], position: Position, destination: str, passed: Iterable[Position] = ()
) -> None:
    """Raise ForeignPosition unless ``position`` is one of this history.

    ``passed`` are positions that the same consumer passed on its way to it, e.g. the last one of each epoch: with them
    the newest position that both histories share is known however many sessions this history lacks.
    """
    shared = newest_shared(epochs, position)
    if shared == position:
        return
    for each in sorted(passed, reverse=True):
        # None shares more than itself.
        if each <= shared:
            break
        shared = max(shared, newest_shared(epochs, each))
    restored = _newest_before(epochs, position)
    raise ForeignPosition(str(position), str(shared), destination, if_restored=str(max(shared, restored)))


def newest_shared(epochs: list[EpochRow], position: Position) -> Position:
    """Return ``position`` if it is valid, else the newest position known to be one of its history and of this.

    Histories are copies of one another up to a point, so an epoch they share begins with the same past. An epoch that
    is not recorded here names the end that it followed; where that is the end of no epoch of this history, nothing is
    known to be shared. The oldest end with that name is taken: an older one skips no row.
    """
    ends = [end_of(each.epoch, each.last_seq) for each in epochs]
    for number, each in enumerate(epochs):
        if each.epoch == position.epoch:
            if position.seq >= each.first_seq:
                return min(position, ends[number])
            return ends[number - 1] if number else BEGINNING
    could_precede = (end for end in ends if end.epoch < position.epoch and end.seq < position.seq)
    return next((end for end in could_precede if may_follow(position.epoch, end)), BEGINNING)


def _newest_before(epochs: list[EpochRow], position: Position) -> Position:
    """Return the newest end that is older than ``position``: shared if no two copies were written to at one time."""
    if any(each.epoch == position.epoch for each in epochs):
        return newest_shared(epochs, position)
    ends = (end_of(each.epoch, each.last_seq) for each in reversed(epochs))
    return next((end for end in ends if end.epoch < position.epoch and end.seq < position.seq), BEGINNING)
