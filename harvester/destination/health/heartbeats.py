"""The record of the last end and the last success of the verbs that work on a destination."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from harvester.destination.manifest import Heartbeat
from harvester.destination.opened import share_destination
from harvester.errors import HarvesterError


def record_heartbeat(
    destination: Path | str, verb: str, exit_code: int, *, succeeded: bool, state_dir: Path | None = None
) -> None:
    """Record that a verb ended now; a destination that cannot be written or has no state keeps no record."""
    now = time.time()
    with contextlib.suppress(HarvesterError), share_destination(Path(destination), state_dir) as opened:
        opened.manifest.record_heartbeat(Heartbeat(verb, now if succeeded else None, now, int(exit_code)))
