"""Drop the rows of objects that are gone at the source, evicted here and passed by every consumer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.destination.consumer_store import passed_by_all, progress_of_all
from harvester.destination.opened import open_destination, read_destination

COMPACT_REPORT_SCHEMA = "urn:nimble-harvester:compact-report:v1"


@dataclass(frozen=True, slots=True)
class CompactReport:
    """What was dropped from a manifest."""

    destination: str
    """The destination's path."""
    objects: int
    """Rows dropped; their counts are kept per day."""
    kept: int
    """Rows gone as long, and kept: not evicted, or not passed by every consumer."""
    dry_run: bool
    """Whether nothing was dropped."""

    def as_document(self) -> dict[str, Any]:
        """Return the report as the JSON document that is published."""
        return {
            "schema": COMPACT_REPORT_SCHEMA,
            "destination": self.destination,
            "objects": self.objects,
            "kept": self.kept,
            "dry_run": self.dry_run,
        }


def compact(
    destination: Path | str, *, gone_for: float, state_dir: Path | None = None, dry_run: bool = False
) -> CompactReport:
    """Drop rows whose object has been gone at the source for ``gone_for`` seconds, is evicted, and is passed.

    An object that appears at the source again is new, and fetched. Raises DestinationLocked, DestinationUnusable or
    ConfigurationError (never synced).
    """
    destination = Path(destination)
    before = time.time() - gone_for
    with read_destination(destination, state_dir) as opened:
        consumers = progress_of_all(opened.manifest, destination)
        gone = [row for row in opened.manifest.landed() if row.gone_at is not None and row.gone_at <= before]
        rows = [row for row in gone if row.evicted and passed_by_all(row, consumers)]
    if dry_run or not rows:
        return CompactReport(str(destination), len(rows), len(gone) - len(rows), dry_run)
    with open_destination(destination, state_dir) as opened:
        consumers = progress_of_all(opened.manifest, destination)
        current = (opened.manifest.landed_row(row.key) for row in rows)
        ready = [row for row in current if row is not None and row.gone and row.evicted]
        rows = [row for row in ready if passed_by_all(row, consumers)]
        passed = min((each.acknowledged_seq for each in consumers), default=0)
        dropped = opened.manifest.compact(rows, passed)
    return CompactReport(str(destination), dropped, len(gone) - dropped, dry_run=False)
