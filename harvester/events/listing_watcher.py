"""Watch a location by listing it again and again."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, Interrupted, UsageError
from harvester.events.watch_report import LandingTally, MessageCounts, WatchReport
from harvester.location import Location
from harvester.retry import Backoff, interruptible_sleep, is_retryable
from harvester.sessions import StoreSettings
from harvester.transfer import Observer, SyncOptions, SyncReport, open_session

_LONGEST_DELAY = 600.0


@dataclass(frozen=True, slots=True)
class ListingWatchOptions:
    """How a location is watched by listing. Raises UsageError for less than a second."""

    every: float = 30.0
    """Seconds from the end of one look to the start of the next, 1 at least."""
    once: bool = False
    """End after one look."""
    idle_exit: float | None = None
    """End when nothing new has come for this many seconds; None for never."""

    def __post_init__(self) -> None:
        """Look at the pause between two listings."""
        if self.every < 1:
            raise UsageError(
                f"listing every {self.every:g} s",
                cause="a listing costs money and time",
                code=ErrorCode.INTERVAL_TOO_SHORT,
            )


def watch_listing(
    location: Location,
    destination: Path,
    options: SyncOptions,
    watching: ListingWatchOptions,
    *,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    looked: Callable[[SyncReport], None] = lambda _: None,
) -> WatchReport:
    """Bring ``destination`` up to date every now and then, holding it all the time, until asked to stop.

    ``looked`` is called after each look. Errors are waited out as ``is_retryable`` says; what ends it is the report's
    error. Raises a HarvesterError for what keeps the first run from starting.
    """
    observer = observer or Observer()
    tally = LandingTally()
    error: HarvesterError | None = None
    with open_session(location, destination, options, settings=settings, observer=observer) as session:
        try:
            _look_on(functools.partial(session.run_listing, keep_idle=False), tally, watching, observer, looked)
        except HarvesterError as ended:
            error = ended
    account = tally.account(location.url, str(destination), error, other_problems=False)
    return WatchReport(account, None, MessageCounts())


def _look_on(
    look: Callable[[], SyncReport],
    tally: LandingTally,
    watching: ListingWatchOptions,
    observer: Observer,
    looked: Callable[[SyncReport], None],
) -> None:
    backoff = Backoff(watching.every, max(watching.every, _LONGEST_DELAY))
    has_worked = False
    news_at = time.monotonic()
    while True:
        report = look()
        if report.error is None:
            # A whole look tells every problem there is.
            tally.keep_problems(lambda _: False)
        tally.add(report)
        looked(report)
        if report.error is None:
            has_worked = True
            backoff.reset()
            delay = watching.every
        else:
            if isinstance(report.error, Interrupted) or watching.once:
                raise report.error
            if not is_retryable(report.error, has_worked=has_worked):
                raise report.error
            delay = backoff.delay()
            told = report.error.one_line()
            observer.warning(f"{told}; looking again in {delay:.0f} s")
        if watching.once:
            return
        if report.counts.landed:
            news_at = time.monotonic()
        if watching.idle_exit is not None:
            left = watching.idle_exit - (time.monotonic() - news_at)
            if left <= 0:
                return
            delay = min(delay, left)
        interruptible_sleep(delay, observer.stop_signal)
