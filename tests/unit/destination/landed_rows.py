"""Rows of the manifest for landed objects."""

from __future__ import annotations

from typing import Any

from harvester.destination.manifest.row_types import LandedRow


def row(key: str, seq: int = 1, **changes: Any) -> LandedRow:
    """Return the row of a key, with what ``changes`` names changed."""
    landed = LandedRow(
        key, "etag", 10, 1.5, f"path-of-{key}", 30, 7, "digest", seq, 1, 2.5, None, "gzip", None, None, None,
        "delivered", 0, 0,
    )  # fmt: skip
    return landed._replace(**changes)
