"""The epochs of a manifest: which positions are positions of this history."""

from __future__ import annotations

import sqlite3
import time
from bisect import bisect_right

from harvester.destination.manifest.row_types import EpochRow
from harvester.destination.positions import BEGINNING, Position, draw_epoch, end_of, milliseconds_of
from harvester.errors import ForeignPosition


def read_epochs(database: sqlite3.Connection) -> list[EpochRow]:
    """Return all epochs, oldest first."""
    found = database.execute("SELECT epoch, first_seq, last_seq, recorded_at FROM epochs ORDER BY epoch")
    return [EpochRow(*row) for row in found]


def record_epoch(database: sqlite3.Connection, epoch: str, first_seq: int, last_seq: int) -> str:
    """Record, in the transaction of its rows, how far an epoch goes; an empty one is drawn. Return the epoch."""
    if not epoch:
        newest, recorded_at = database.execute(
            "SELECT coalesce(max(epoch), ''), coalesce(max(recorded_at), 0) FROM epochs"
        ).fetchone()
        epoch = draw_epoch(newest, max(time.time(), recorded_at))
    database.execute(
        "INSERT INTO epochs(epoch, first_seq, last_seq, recorded_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT(epoch) DO UPDATE SET last_seq = excluded.last_seq, recorded_at = excluded.recorded_at",
        (epoch, first_seq, last_seq, time.time()),
    )
    return epoch


def epoch_of(epochs: list[EpochRow], seq: int) -> str:
    """Return the epoch that a sequence number belongs to. ``epochs`` are sorted."""
    return epochs[bisect_right(epochs, seq, key=lambda each: each.first_seq) - 1].epoch


def newest_position(epochs: list[EpochRow]) -> Position:
    """Return the end of everything that has landed."""
    return end_of(epochs[-1].epoch, epochs[-1].last_seq) if epochs else BEGINNING


def check_position(epochs: list[EpochRow], position: Position, destination: str) -> None:
    """Raise ForeignPosition unless ``position`` is one of this history."""
    shared = newest_shared(epochs, position)
    if shared == position:
        return
    raise ForeignPosition(str(position), str(shared), destination)


def newest_shared(epochs: list[EpochRow], position: Position) -> Position:
    """Return ``position`` if it is valid, else the newest position that its history provably has in common with this.

    A session begins with all that was recorded before, under the lock of the destination. So of an unknown epoch it
    is known: the history it belongs to has no epoch that was still written to when the unknown one began, and holds
    less of each older epoch than the position's own sequence number.
    """
    if not position.epoch:
        return BEGINNING
    known = next((each for each in epochs if each.epoch == position.epoch), None)
    if known is not None:
        return position if known.first_seq <= position.seq <= known.last_seq else end_of(known.epoch, known.last_seq)
    began = milliseconds_of(position.epoch)
    common = BEGINNING
    for each in epochs:
        if each.epoch > position.epoch or each.last_seq >= position.seq or each.recorded_at * 1000 >= began + 1:
            break
        common = end_of(each.epoch, each.last_seq)
    return common
