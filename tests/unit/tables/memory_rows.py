"""A source of rows in memory, with the interface of a destination's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harvester.errors import DestinationUnusable, IntegrityError
from harvester.results.record import Shape
from harvester.tables.row_source import SourceObject
from harvester.tables.table_columns import DELIVERED, PURGED, SHAPES, ObjectFacts, TableName

EPOCH = "0000000000001"
DAY = 86_400.0
START = 1_700_000_000.0


@dataclass(frozen=True)
class MemoryObject:
    """One object: its rows, None for a broken one."""

    seq: int
    rows: tuple[bytes | None, ...]
    shape: Shape = Shape.JSONL
    key: str = ""
    landed_at: float = START
    evicted: bool = False
    source: str = DELIVERED
    task_id: str | None = None
    unreadable: bool = False
    refused: bool = False
    size: int = 0


@dataclass
class MemorySource:
    """The objects of a destination, by sequence number."""

    kept: dict[int, MemoryObject] = field(default_factory=dict)
    dest_id: str = "d" * 32
    consumers: dict[str, str] = field(default_factory=dict)
    opened: int = 0

    def add(self, *rows: Mapping[str, Any] | None, **facts: Any) -> MemoryObject:
        seq = max(self.kept, default=0) + 1
        texts = tuple(None if row is None else json.dumps(row).encode() for row in rows)
        found = MemoryObject(seq, texts, **{"key": f"res/{seq}.jsonl", **facts})
        self.kept[seq] = found
        return found

    def change(self, seq: int, **facts: Any) -> None:
        self.kept[seq] = replace(self.kept[seq], **facts)

    def check(self, position: str, passed: Iterable[str] = ()) -> None:
        """All positions belong to this history."""

    def newest(self) -> str:
        return f"{EPOCH}-{max(self.kept):012d}-end" if self.kept else "0"

    def acknowledge(self, consumer: str, position: str) -> None:
        self.consumers[consumer] = position

    def objects(self, after: str, table: TableName) -> Iterator[SourceObject]:
        _, _, rest = after.partition("-")
        seq, _, row = rest.partition("-")
        for found in sorted(self.kept.values(), key=lambda each: each.seq):
            if found.source != PURGED and found.shape not in SHAPES[table]:
                continue
            if after == "0" or found.seq > int(seq) or (found.seq == int(seq) and row != "end"):
                yield self._object(found)

    def _object(self, found: MemoryObject) -> SourceObject:
        facts = ObjectFacts(
            found.seq, found.key, f"v{found.seq}", found.task_id, found.source, self.dest_id, 1, found.landed_at,
            found.landed_at - 5, found.shape,
        )  # fmt: skip

        def rows() -> Iterator[tuple[int, bytes]]:
            self.opened += 1
            if found.unreadable:
                raise IntegrityError(found.key)
            if found.refused:
                raise DestinationUnusable(found.key)
            for number, text in enumerate(found.rows):
                if text is not None:
                    yield number, text

        return SourceObject(
            facts, f"{EPOCH}-{found.seq:012d}-end", found.key, found.size or sum(map(len, filter(None, found.rows))),
            found.evicted, rows,
        )  # fmt: skip
