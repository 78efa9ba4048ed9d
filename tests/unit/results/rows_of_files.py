"""The rows of a file without its broken ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harvester.results.record import Shape
from harvester.results.row_batches import BrokenRows
from harvester.results.row_files.row_reader import numbered_rows


def rows(path: Path, shape: Shape | None) -> Iterator[bytes]:
    """Yield each row of a landed file as one line of JSON, broken ones left out."""
    return (row for _, row in numbered_rows(path, shape) if not isinstance(row, BrokenRows))
