"""Check landed files against a JSON Schema that they did not land under."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tempfile import TemporaryFile

from harvester.destination.manifest import LandedRow
from harvester.destination.tree import NoFollowTree
from harvester.results import DEFAULT_MAX_SCHEMA_STEPS, ContentReason, ResultOptions, ResultReader


class ConformanceCheck:
    """Reads landed files as landing does, with the user's schema."""

    def __init__(self, root: Path, schema: str, max_steps: int = DEFAULT_MAX_SCHEMA_STEPS) -> None:
        """Compile the schema; a value may take ``max_steps``. Raises UserSchemaError for a schema that is invalid."""
        self._tree = NoFollowTree(root)
        self._reader = ResultReader(ResultOptions(user_schema=schema, keep_compressed=True, max_schema_steps=max_steps))

    def fault(self, row: LandedRow) -> str:
        """Return why an object does not conform; empty when it does, is evicted, or cannot be read here."""
        if row.evicted:
            return ""
        with contextlib.suppress(OSError):
            with open(self._tree.whole_path(row.path), "rb") as source, TemporaryFile() as scratch:  # noqa: PTH123  # a string
                record = self._reader.read_file(source, scratch, row.key)
            problem = record.problem
            if problem is not None and problem.reason is ContentReason.USER_SCHEMA:
                return problem.detail or "it does not conform to the schema"
        return ""
