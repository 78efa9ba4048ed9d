"""Watch a location by listing it periodically."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, Interrupted, UsageError
from harvester.events.live_metrics import LiveMetrics, MetricsOptions
from harvester.events.watch_report import LandingCounters, MessageCounts, WatchReport
from harvester.location import Location
from harvester.retry import Backoff, interruptible_sleep, is_retryable
from harvester.sessions import StoreSettings
from harvester.storage import KeySelection
from harvester.transfer import Observer, SyncOptions, SyncReport, open_session

_LONGEST_DELAY = 600.0


@dataclass(frozen=True, slots=True)
class ListingWatchOptions:
    """How a location is watched by listing. Raises UsageError for an interval below one second."""

    every: float = 30.0
    """Seconds from the end of one listing to the start of the next, at least 1."""
    once: bool = False
    """End after one listing."""
    idle_exit: float | None = None
    """End after this many seconds without a new object; None for never."""

    def __post_init__(self) -> None:
        """Validate the interval."""
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
    keys: Callable[[float | None], KeySelection | None] = lambda _: None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    on_listing: Callable[[SyncReport], None] = lambda _: None,
    metrics: MetricsOptions | None = None,
) -> WatchReport:
    """Sync ``destination`` periodically, keeping it locked, until stopped.

    ``keys`` returns what is listed now, None for everything; ``on_listing`` is called after each sync. Errors are
    retried as ``is_retryable`` decides; the final one is the report's error. Raises a HarvesterError if the first run
    cannot start.
    """
    observer = observer or Observer()
    counters = LandingCounters()
    error: HarvesterError | None = None
    live = LiveMetrics(metrics or MetricsOptions(), destination, options.state_dir, "watch", warn=observer.warning)

    live.moved = counters.moved

    def count(report: SyncReport) -> None:
        if report.error is not None:
            live.failed(report.error.one_line())
        elif report.is_success:
            live.succeeded()
        else:
            live.works()
        live.objects.update({each.name: getattr(report.counts, each.name) for each in fields(report.counts)})
        live.write(at_once=True)
        on_listing(report)

    with (
        live.published(),
        open_session(location, destination, options, settings=settings, observer=observer) as session,
    ):
        try:
            _sync_repeatedly(
                lambda: session.run_listing(keys(None), keep_idle=False), counters, watching, observer, count
            )
        except HarvesterError as ended:
            error = ended
    totals = counters.report(location.url, str(destination), error, other_problems=False)
    return WatchReport(totals, None, MessageCounts())


def _sync_repeatedly(
    sync_once: Callable[[], SyncReport],
    counters: LandingCounters,
    watching: ListingWatchOptions,
    observer: Observer,
    on_listing: Callable[[SyncReport], None],
) -> None:
    backoff = Backoff(watching.every, max(watching.every, _LONGEST_DELAY))
    has_worked = False
    last_landed_at = time.monotonic()
    while True:
        report = sync_once()
        if report.error is None:
            # A complete listing reports every existing problem.
            counters.keep_problems(lambda _: False)
        counters.add(report)
        on_listing(report)
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
            message = report.error.one_line()
            observer.warning(f"{message}; retrying in {delay:.0f} s")
        if watching.once:
            return
        if report.counts.landed:
            last_landed_at = time.monotonic()
        if watching.idle_exit is not None:
            left = watching.idle_exit - (time.monotonic() - last_landed_at)
            if left <= 0:
                return
            delay = min(delay, left)
        interruptible_sleep(delay, observer.stop_signal)
