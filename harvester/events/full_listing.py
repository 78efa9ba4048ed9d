"""Full listings between events, in the session that lands them."""

from __future__ import annotations

import time
from collections.abc import Callable

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.events.watch_report import LandingCounters
from harvester.transfer import SyncReport, SyncSession

_SHORTEST = 60.0


def check_interval(every: float | None) -> None:
    """Raise UsageError for an interval below a minute."""
    if every is not None and every < _SHORTEST:
        raise UsageError(
            f"a full listing every {every:g} s",
            cause="a listing costs money and time; between two, events land the objects",
            code=ErrorCode.FULL_LISTING_TOO_OFTEN,
        )


class FullListing:
    """Runs a full listing at the start and then at an interval. Not thread-safe."""

    def __init__(self, every: float | None, on_listing: Callable[[SyncReport], None] = lambda _: None) -> None:
        """``every``: seconds between the starts of two listings, None for none; ``on_listing`` gets each report."""
        self._every = every
        self._on_listing = on_listing
        self._started_at: float | None = None

    def run_if_due(self, session: SyncSession, counters: LandingCounters) -> None:
        """List now if it is time, and add the run to ``counters``. Raises what ended the listing early."""
        now = time.monotonic()
        if self._every is None or (self._started_at is not None and now - self._started_at < self._every):
            return
        # The run of given objects ends first: two runs at once would compete for workers and the manifest.
        if session.is_landing:
            counters.add(session.report())
            session.close()
        report = session.run_listing(keep_idle=False)
        if report.error is None:
            self._started_at = now
            # A complete listing reports every existing problem.
            counters.keep_problems(lambda _: False)
        counters.add(report)
        self._on_listing(report)
        if report.error is not None:
            raise report.error
