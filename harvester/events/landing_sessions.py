"""Sessions of one destination, opened again after a retryable error."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from harvester.errors import HarvesterError
from harvester.events.live_metrics import LiveMetrics
from harvester.events.watch_report import LandingCounters
from harvester.location import Location
from harvester.retry import Backoff, interruptible_sleep
from harvester.sessions import StoreSettings
from harvester.transfer import Observer, SyncOptions, SyncSession, open_session

_FIRST_DELAY = 1.0
_LONGEST_DELAY = 300.0


class LandingSessions:
    """Opens sessions one after the other, adds up what they landed, and publishes outages."""

    def __init__(
        self,
        location: Location,
        destination: Path,
        options: SyncOptions,
        settings: StoreSettings,
        observer: Observer,
        metrics: LiveMetrics,
    ) -> None:
        """Open nothing yet."""
        self._location = location
        self._destination = destination
        self._options = options
        self._settings = settings
        self._observer = observer
        self._metrics = metrics
        self._backoff = Backoff(_FIRST_DELAY, _LONGEST_DELAY)
        self.landing = LandingCounters()
        """The sessions so far, added up."""
        self.outage = ""
        """The error that ended the last session, until the next one succeeds; empty without one."""

    @contextlib.contextmanager
    def open(self) -> Iterator[SyncSession]:
        """Open a session, and stop and count it at the end of the context."""
        with open_session(
            self._location,
            self._destination,
            self._options,
            settings=self._settings,
            observer=self._observer,
            check_bucket=True,
        ) as session:
            self._metrics.moved = lambda: Counter(self.landing.moved()) + Counter(session.moved())
            try:
                yield session
            finally:
                with contextlib.suppress(HarvesterError):
                    session.stop()
                self.landing.keep_problems(session.has_problem)
                self.landing.add(session.report())
                self._metrics.moved = self.landing.moved

    def repeat(self, run: Callable[[], None], may_retry: Callable[[HarvesterError], bool]) -> None:
        """Call ``run`` until it returns, again after each error that ``may_retry`` accepts.

        Raises the first error that it does not accept, and Interrupted when stopped between two calls.
        """
        while True:
            try:
                run()
            except HarvesterError as error:
                if not may_retry(error):
                    raise
                delay = self._backoff.delay()
                self.outage = error.one_line()
                self._metrics.failed(self.outage)
                self._metrics.write(at_once=True)
                self._observer.warning(f"{self.outage}; retrying in {delay:.0f} s")
                self.landing.failed_runs += 1
                interruptible_sleep(delay, self._observer.stop_signal)
            else:
                return

    def works(self) -> None:
        """Record that queue, API and store have answered: the next error is retried after the first delay."""
        self.outage = ""
        self._backoff.reset()
        self._metrics.works()
