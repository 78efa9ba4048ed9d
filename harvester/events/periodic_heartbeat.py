"""The heartbeat of a verb that lands announced objects until it is stopped."""

from __future__ import annotations

import time
from pathlib import Path

from harvester.destination import destination_status, record_heartbeat
from harvester.errors import ExitCode, HarvesterError
from harvester.events.live_metrics import LiveMetrics

_SECONDS = 60.0


class PeriodicHeartbeat:
    """Records every minute that the verb works; a success where no problem of the destination is open."""

    def __init__(self, verb: str, destination: Path, state_dir: Path | None, live: LiveMetrics) -> None:
        """``live`` knows whether the work is interrupted, and is given the successes."""
        self._verb = verb
        self._destination = destination
        self._state_dir = state_dir
        self._live = live
        self._due_at = time.monotonic()

    def beat(self) -> None:
        """Record a heartbeat if it is time and the work is not interrupted; a failure to do so ends nothing."""
        if time.monotonic() < self._due_at or not self._live.health()[0]:
            return
        self._due_at = time.monotonic() + _SECONDS
        try:
            status = destination_status(self._destination, state_dir=self._state_dir, runs=0)
        except HarvesterError:
            return
        succeeded = status.open_problems == 0
        code = ExitCode.OK if succeeded else ExitCode.PARTIAL
        record_heartbeat(self._destination, self._verb, code, succeeded=succeeded, state_dir=self._state_dir)
        if succeeded:
            self._live.succeeded()
