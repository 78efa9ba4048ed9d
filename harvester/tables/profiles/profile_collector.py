"""Profiles: statistics of the rows of each agent, to be compared with earlier ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from harvester.tables.profiles.field_statistics import FieldCollector, Spread
from harvester.tables.table_columns import ObjectFacts, TableName, split_row

PROFILE_SCHEMA: Final = "urn:nimble-harvester:profile:v1"
MAX_GROUPS: Final = 500
"""Groups of one profile; the rows of further ones are counted in `_other`."""
OTHER: Final = "_other"
_NO_STATUS: Final = "(none)"


@dataclass(slots=True)
class GroupProfile:
    """The rows of one agent, or of one shape where rows name no agent."""

    objects: int = 0
    """Objects with such rows."""
    rows: int = 0
    """Rows."""
    statuses: dict[str, int] = field(default_factory=dict)
    """Envelopes by status."""
    sizes: Spread = field(default_factory=Spread)
    """Bytes of the rows."""
    rows_per_object: Spread = field(default_factory=Spread)
    """Rows of each object."""
    fields: FieldCollector = field(default_factory=FieldCollector)
    """The fields of ``data.parsing``, of rows of jobs files, of outputs of research runs."""

    def as_document(self) -> dict[str, Any]:
        """Return the group as published JSON has it."""
        return {
            "objects": self.objects,
            "rows": self.rows,
            "statuses": dict(sorted(self.statuses.items())),
            "bytes": self.sizes.as_document(),
            "rows_per_object": self.rows_per_object.as_document(),
            "parsed_rows": self.fields.rows,
            "fields": {path: found.as_document(self.fields.rows) for path, found in sorted(self.fields.fields.items())},
            "fields_left_out": self.fields.left_out,
        }


class ProfileCollector:
    """Collects the profile of rows, object by object."""

    def __init__(self) -> None:
        """Start empty."""
        self.groups: dict[str, GroupProfile] = {}
        """By agent or shape."""
        self.first: str = ""
        """Position of the first row."""
        self.last: str = ""
        """Position of the last row."""

    def add_object(self, facts: ObjectFacts, table: TableName, rows: list[bytes] | Any) -> None:
        """Add the rows of an object; ``rows`` is iterated once."""
        counts: dict[str, int] = {}
        for text in rows:
            name = self._add_row(facts, table, text)
            counts[name] = counts.get(name, 0) + 1
        for name, count in counts.items():
            group = self.groups[name]
            group.objects += 1
            group.rows_per_object.add(count)

    def _add_row(self, facts: ObjectFacts, table: TableName, text: bytes) -> str:
        fields = split_row(text, table)
        name = fields.agent or str(facts.shape)
        if name not in self.groups:
            if len(self.groups) >= MAX_GROUPS:
                name = OTHER
            self.groups.setdefault(name, GroupProfile())
        group = self.groups[name]
        group.rows += 1
        group.sizes.add(len(text))
        if table is not TableName.JOB_ROWS:
            status = (fields.status or _NO_STATUS).lower()[:60]
            group.statuses[status] = group.statuses.get(status, 0) + 1
        if fields.parsing is not None:
            group.fields.add(_decoded(fields.parsing))
        return name

    def as_document(self) -> dict[str, Any]:
        """Return the groups as published JSON has them."""
        return {name: group.as_document() for name, group in sorted(self.groups.items())}


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        import json

        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None
