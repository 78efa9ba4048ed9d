"""Work on one shard: sync it into a scratch destination, store its rows and files, commit it."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Final, NamedTuple

from harvester.backfill.backfill_plan import Shard
from harvester.backfill.shards.machine_settings import location_settings, output_settings
from harvester.backfill.shards.scratch import scratch_folder
from harvester.backfill.shards.shard_commit import ShardCommits, shard_series
from harvester.backfill.shards.shard_files import store_files
from harvester.backfill.shards.shard_report import ShardReport, report_shard
from harvester.backfill.shards.shard_selection import until_cutoff
from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import ExitCode, HarvesterError, IntegrityError
from harvester.extras import PARQUET, require_extra
from harvester.retry import Backoff, interruptible_sleep
from harvester.sessions import StoreSettings
from harvester.storage import KeyList, KeyRange
from harvester.tables import OutputStore, StagedRows, open_output, remove_staged, stage_rows
from harvester.transfer import Observer, SyncReport, open_session

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_FRUITLESS_PASSES: Final = 8
"""So many passes in a row without an object that landed end an attempt that is throttled."""


class ShardOutcome(NamedTuple):
    """How an attempt at a shard ended. Picklable."""

    shard: int
    """Number of the shard."""
    exit_code: ExitCode
    """0 where the shard is committed, by this attempt or another; else that of the sync."""
    committed: bool
    """Whether the shard is committed."""
    report: dict[str, object] | None = None
    """The committed report, as published."""
    counts: dict[str, int] | None = None
    """The counts of a sync that could not be committed."""
    error: HarvesterError | None = None
    """What ended the attempt early."""
    retryable: bool = True
    """Of an attempt that failed without an error, whether another one may succeed with nothing changed by a person."""

    @property
    def may_succeed_later(self) -> bool:
        """Whether another attempt may succeed with nothing changed by a person."""
        return self.retryable if self.error is None else self.error.retryable


def run_shard(
    shard: Shard,
    out: str,
    *,
    final: bool = False,
    workers: int = 0,
    scratch: Path | None = None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> ShardOutcome:
    """Work on a shard until it is committed in ``out``, or its attempt has failed; a committed one is left as it is.

    The shard is committed when no object failed or was not attempted; with ``final`` also with objects that failed,
    which its report names. Refused and quarantined objects are final. ``settings`` are those of this machine, beside
    what the plan holds. Raises a HarvesterError for what keeps an attempt from
    starting, and for an output that cannot be written.
    """
    require_extra(PARQUET, feature="running a backfill")
    observer = observer or Observer()
    with open_output(out, output_settings(shard, out, settings)) as store:
        reports: list[SyncReport] = []

        def attempt() -> tuple[ShardReport, StagedRows] | None:
            with scratch_folder(shard, scratch) as folder:
                destination = folder / "results"
                reports.extend(_sync(shard, destination, location_settings(shard, settings), observer, workers))
                if _failure(reports[-1], final=final) is not None:
                    return None
                return _store_attempt(shard, store, destination, reports)

        commit = ShardCommits(store, shard).settle(attempt)
    if commit is not None:
        return ShardOutcome(shard.index, ExitCode.OK, committed=True, report=commit.document)
    last = reports[-1]
    failure = _failure(last, final=final) or ExitCode.PARTIAL
    counts = last.as_document()["counts"]
    return ShardOutcome(
        shard.index, failure, committed=False, counts=counts, error=last.error, retryable=last.retryable
    )


def _failure(report: SyncReport, *, final: bool) -> ExitCode | None:
    """Return the exit code of a sync that cannot be committed; None where it can."""
    if report.error is not None:
        return ExitCode(report.error.exit_code)
    if report.counts.not_attempted or (report.counts.failed and not final):
        return ExitCode.PARTIAL
    return None


def _store_attempt(
    shard: Shard, store: OutputStore, destination: Path, reports: list[SyncReport]
) -> tuple[ShardReport, StagedRows]:
    """Store the rows and files of an attempt, and return its report. Raises IntegrityError for an altered file."""
    options = dataclasses.replace(shard.backfill.export, series=shard_series(shard.index))
    staged, exported = stage_rows(destination, store, options)
    if exported.unreadable:
        remove_staged(store, staged)
        raise IntegrityError(
            f"shard {shard.index} cannot be exported",
            cause=f"{len(exported.unreadable):,} landed files are missing or altered in the scratch folder",
            subject=exported.unreadable[0],
        )
    files = store_files(destination, store, shard, staged.attempt)
    return report_shard(shard, reports, exported, files, time.time()), staged


# -- syncing ----------------------------------------------------------------------------------------------------------


def _sync(
    shard: Shard, destination: Path, settings: StoreSettings, observer: Observer, workers: int
) -> list[SyncReport]:
    """Sync the shard, again while the store throttles, and return the report of each pass.

    Requests in flight have been reduced and retried before an object fails as throttled; a further pass fetches only
    what failed.
    """
    backfill = shard.backfill
    options = dataclasses.replace(
        backfill.sync, selection=until_cutoff(backfill.sync.selection, backfill.cutoff), workers=workers, fail_on="any"
    )
    reports: list[SyncReport] = []
    pauses, fruitless = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE), 0
    with open_session(backfill.location, destination, options, settings=settings, observer=observer) as session:
        while True:
            report = session.run_listing(_keys(shard))
            reports.append(report)
            fruitless = 0 if report.counts.landed else fruitless + 1
            if not _is_throttled(report) or fruitless >= _FRUITLESS_PASSES:
                return reports
            if report.counts.landed:
                pauses.reset()
            interruptible_sleep(pauses.delay(), observer.stop_signal)


def _keys(shard: Shard) -> KeyRange | KeyList:
    return KeyList(shard.keys) if shard.keys is not None else KeyRange(shard.span.after, shard.span.through)


def _is_throttled(report: SyncReport) -> bool:
    """Return whether throttling, or a store that is unavailable, kept objects from landing or ended the run."""
    error = report.error
    if error is not None:
        fetching = error.code is ErrorCode.EVERY_FETCH_FAILS and error.parameters.get("reason") == Cause.THROTTLED.value
        return fetching or error.code is ErrorCode.STORE_UNAVAILABLE
    causes = {problem.reason for problem in report.problems if problem.outcome == "failed"}
    return Cause.THROTTLED.value in causes
