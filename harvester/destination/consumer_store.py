"""Consumers: named readers, each with an acknowledged position and a fixed filter."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.destination.manifest import ConsumerRow, LandedRow, Manifest
from harvester.destination.opened import OpenDestination, read_destination, share_destination
from harvester.destination.positions import parse_position
from harvester.destination.row_filter import CompiledFilter, RowFilter
from harvester.destination.tree import NoFollowTree
from harvester.errors import HarvesterError, UsageError
from harvester.location import parse_location
from harvester.results import BrokenRows, ContentReason, Shape, numbered_rows
from harvester.text import rfc3339

CONSUMERS_SCHEMA = "urn:nimble-harvester:consumers:v1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
_ENVELOPES = frozenset({Shape.EXTRACT, Shape.AGENT, Shape.CRAWL_PAGE})


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """A consumer, and what it has not acknowledged yet."""

    name: str
    """Its name."""
    position: str
    """The acknowledged position; ``0`` at the beginning."""
    wanted: RowFilter
    """Its filter."""
    objects_behind: int
    """Objects with rows inside its filter after the position; evicted ones are not counted."""
    rows_behind: int
    """Rows of these objects inside its filter after the position; of an object that cannot be read, as it landed."""
    superseded: int
    """Versions after the position that were replaced before they were acknowledged."""
    evicted: int
    """Objects inside its filter after the position that were evicted before they were acknowledged."""
    acknowledged_at: float | None
    """When it last acknowledged, seconds since the epoch."""

    def as_document(self) -> dict[str, Any]:
        """Return the consumer as published JSON has it."""
        wanted = self.wanted
        return {
            "name": self.name,
            "position": self.position,
            "filter": {
                "include": list(wanted.include),
                "shape": list(wanted.shapes),
                "agent": list(wanted.agents),
                "status": list(wanted.statuses),
            },
            "objects_behind": self.objects_behind,
            "rows_behind": self.rows_behind,
            "superseded": self.superseded,
            "evicted": self.evicted,
            "acknowledged_at": None if self.acknowledged_at is None else rfc3339(self.acknowledged_at),
        }


def create_consumer(
    destination: Path | str,
    name: str,
    wanted: RowFilter | None = None,
    *,
    after: str = "0",
    state_dir: Path | None = None,
) -> ConsumerStatus:
    """Create a consumer at a position, with a filter that stays as it is.

    A filter of a consumer has globs to include, shapes, agents and states only. Raises UsageError for an invalid name
    or one that exists, ForeignPosition, ConfigurationError (never synced), DestinationUnusable (read-only).
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"not a name for a consumer: {name[:100]!r}", cause="letters, digits, dot, dash and underscore; 100 at most"
        )
    wanted = wanted or RowFilter()
    if wanted.exclude or wanted.since is not None or wanted.until is not None or wanted.tasks:
        raise UsageError(
            "a consumer's filter has include, shapes, agents and statuses only",
            cause="rows outside it count as passed for good",
        )
    position = parse_position(after)
    with share_destination(Path(destination), state_dir) as opened:
        known = opened.manifest.consumers(Path(destination)).create(name, wanted.to_json(), position)
        return _status(opened, known)


def list_consumers(destination: Path | str, *, state_dir: Path | None = None) -> tuple[ConsumerStatus, ...]:
    """Return the consumers of a destination by name. Raises ConfigurationError when it was never synced."""
    with read_destination(Path(destination), state_dir) as opened:
        known = opened.manifest.consumers(Path(destination)).all()
        return tuple(_status(opened, each) for each in known)


def acknowledge(destination: Path | str, name: str, position: str, *, state_dir: Path | None = None) -> ConsumerStatus:
    """Record durably that a consumer has everything up to ``position``; never moves it backwards.

    Takes no lock: it works while a session holds the destination. Raises UsageError (no such consumer, not a
    position), ForeignPosition, DestinationUnusable (read-only).
    """
    return _move(destination, name, position, state_dir, forward_only=True)


def rewind_consumer(
    destination: Path | str, name: str, position: str = "0", *, state_dir: Path | None = None
) -> ConsumerStatus:
    """Set a consumer to ``position``, also to an older one. Raises like ``acknowledge``."""
    return _move(destination, name, position, state_dir, forward_only=False)


def forget_consumer(destination: Path | str, name: str, *, state_dir: Path | None = None) -> None:
    """Remove a consumer: nothing is kept for it any more. Raises like ``acknowledge``."""
    with share_destination(Path(destination), state_dir) as opened:
        opened.manifest.consumers(Path(destination)).forget(name)


def _move(
    destination: Path | str, name: str, position: str, state_dir: Path | None, *, forward_only: bool
) -> ConsumerStatus:
    wanted = parse_position(position)
    with share_destination(Path(destination), state_dir) as opened:
        table = opened.manifest.consumers(Path(destination))
        moved = table.acknowledge(name, wanted) if forward_only else table.rewind(name, wanted)
        return _status(opened, moved)


def _status(opened: OpenDestination, known: ConsumerRow) -> ConsumerStatus:
    manifest, reader = opened.manifest, ConsumerProgress(opened.manifest, known)
    tree = NoFollowTree(opened.root)
    # Landed with a count that includes them.
    broken = {each.key for each in manifest.problems() if each.reason == ContentReason.BROKEN_ROWS}
    objects = rows = evicted = 0
    for row in manifest.landed_by_seq(reader.acknowledged_seq):
        if not reader.wants(row):
            continue
        if row.evicted:
            evicted += 1
            continue
        count = reader.rows_left(row, tree, has_broken_rows=row.key in broken)
        objects += count > 0
        rows += count
    epochs = manifest.epochs()
    last = epochs[-1].last_seq if epochs else 0
    return ConsumerStatus(
        known.name,
        str(known.position),
        reader.filter,
        objects,
        rows,
        manifest.superseded_between(reader.acknowledged_seq, last),
        evicted,
        known.acknowledged_at,
    )


class ConsumerProgress:
    """Which objects a consumer has acknowledged."""

    def __init__(self, manifest: Manifest, known: ConsumerRow) -> None:
        """Read its filter. Raises IntegrityError for one that cannot be read."""
        bound = manifest.binding()
        self.name = known.name
        self.filter = RowFilter.from_json(known.filter)
        self._compiled = CompiledFilter(self.filter, "" if bound is None else parse_location(bound.url).prefix)
        self._position = known.position
        position = known.position
        self.acknowledged_seq = position.seq if position.ends_object else position.seq - 1
        """Objects up to this sequence number are acknowledged to their end."""

    def wants(self, row: LandedRow) -> bool:
        """Return whether an object has rows that this consumer may read."""
        return row.shape is not None and row.shape != Shape.MEDIA and self._compiled.selects(row)

    def rows_left(self, row: LandedRow, tree: NoFollowTree, *, has_broken_rows: bool) -> int:
        """Return how many rows of an object that it wants it has not acknowledged, reading the file if need be."""
        after = self._position.row if row.seq == self._position.seq else -1
        landed = 1 if row.rows is None else row.rows
        if after < 0 and not has_broken_rows and not self._compiled.looks_at_rows(row):
            return landed
        with contextlib.suppress(OSError, HarvesterError):
            found = numbered_rows(Path(tree.whole_path(row.path)), Shape(str(row.shape)))
            return sum(
                number > after and not isinstance(text, BrokenRows) and self._compiled.selects_row(text)
                for number, text in found
            )
        return landed

    def has_passed(self, row: LandedRow) -> bool:
        """Return whether the consumer needs no row of an object any more."""
        if row.seq <= self.acknowledged_seq or not self._compiled.selects(row):
            return True
        # An envelope is its only row; of a jobs file only its end proves that every row was taken.
        return row.seq == self._position.seq and row.shape in _ENVELOPES


def progress_of_all(manifest: Manifest, destination: Path) -> list[ConsumerProgress]:
    """Return the progress of every consumer."""
    return [ConsumerProgress(manifest, known) for known in manifest.consumers(destination).all()]


def passed_by_all(row: LandedRow, consumers: list[ConsumerProgress]) -> bool:
    """Return whether no consumer needs a row of an object any more."""
    return all(each.has_passed(row) for each in consumers)
