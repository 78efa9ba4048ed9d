"""What is known of a destination: its source, its runs, its problems, its lock holder."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.destination.health.problem_list import open_problem_count
from harvester.destination.manifest import (
    Heartbeat,
    LandedRow,
    LockHolder,
    RunRow,
    newest_position,
    read_lock_holder,
    shown_key,
)
from harvester.destination.opened import LOCK_NAME, read_destination, state_folder
from harvester.text import rfc3339

STATUS_SCHEMA = "urn:nimble-harvester:status:v2"


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """What is known of one destination."""

    destination: str
    """Its path."""
    source: str
    """URL of its source."""
    totals: dict[str, int]
    """Objects landed, evicted and gone at the source, the bytes that lie here, and non-finite values landed."""
    problems: dict[str, int]
    """Known problems by reason."""
    last_seq: int
    """Highest sequence number in use."""
    position: str
    """Position after everything that has landed; ``0`` when nothing has."""
    newest: LandedRow | None
    """What landed last."""
    runs: tuple[RunRow, ...]
    """The last runs, newest first."""
    holder: LockHolder | None
    """The live run that holds it."""
    open_problems: int = 0
    """Known problems that are not accepted."""
    heartbeats: tuple[Heartbeat, ...] = ()
    """The last end and success of every verb."""

    def as_document(self) -> dict[str, Any]:
        """Return the status as the JSON document that is published."""
        newest = self.newest
        return {
            "schema": STATUS_SCHEMA,
            "destination": self.destination,
            "source": self.source,
            **self.totals,
            "problems": self.problems,
            "open_problems": self.open_problems,
            "heartbeats": [
                {
                    "verb": beat.verb,
                    "succeeded_at": None if beat.succeeded_at is None else rfc3339(beat.succeeded_at),
                    "ended_at": rfc3339(beat.ended_at),
                    "exit_code": beat.exit_code,
                }
                for beat in self.heartbeats
            ],
            "last_seq": self.last_seq,
            "position": self.position,
            "newest": None
            if newest is None
            else {
                "key": shown_key(newest.key),
                "path": newest.path,
                "seq": newest.seq,
                "landed_at": rfc3339(newest.landed_at),
            },
            "lock": None
            if self.holder is None
            else {"process": self.holder.process, "host": self.holder.host, "since": rfc3339(self.holder.since)},
            "runs": [
                {
                    "run": run.run,
                    "started_at": rfc3339(run.started_at),
                    "ended_at": None if run.ended_at is None else rfc3339(run.ended_at),
                    "exit_code": run.exit_code,
                    "counts": None if run.report is None else json.loads(run.report).get("counts"),
                }
                for run in self.runs
            ],
        }


def destination_status(destination: Path, *, state_dir: Path | None = None, runs: int = 5) -> DestinationStatus:
    """Return what is known of a destination. Raises ConfigurationError when it was never synced."""
    with read_destination(destination, state_dir) as opened:
        manifest = opened.manifest
        bound = manifest.binding()
        last_seq = manifest.last_seq()
        newest = next(manifest.landed_by_seq(last_seq - 1), None) if last_seq else None
        return DestinationStatus(
            destination=str(destination),
            source="" if bound is None else bound.url,
            totals=manifest.totals(),
            problems=dict(sorted(Counter(problem.reason for problem in manifest.problems()).items())),
            last_seq=last_seq,
            position=str(newest_position(manifest.epochs())),
            newest=newest,
            runs=tuple(manifest.runs(runs)),
            holder=read_lock_holder(state_folder(opened.root) / LOCK_NAME),
            open_problems=open_problem_count(manifest),
            heartbeats=manifest.heartbeats(),
        )
