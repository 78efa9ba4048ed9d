"""Run the shards of a backfill in this process, one after the other: each uses all cores."""

from __future__ import annotations

import random
from collections import deque
from pathlib import Path
from typing import Final

from harvester.backfill.backfill_plan import BackfillPlan, Shard, read_shard
from harvester.backfill.backfill_status import missing_shards
from harvester.backfill.engines.engine_rules import DEFAULT_RETRIES, Attempts, Progress
from harvester.backfill.shards import ShardOutcome, run_shard
from harvester.errors import HarvesterError, Interrupted
from harvester.extras import PARQUET, require_extra
from harvester.retry import Backoff, interruptible_sleep
from harvester.sessions import StoreSettings
from harvester.tables import OutputStore
from harvester.transfer import Observer

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0


def run_here(
    plan: BackfillPlan,
    store: OutputStore,
    *,
    final: bool = False,
    workers: int = 0,
    retries: int = DEFAULT_RETRIES,
    scratch: Path | None = None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
    progress: Progress | None = None,
) -> Attempts:
    """Work on every shard that is not committed; return how the attempts ended.

    The order is random, so that two processes at once seldom work on one shard. A cause that every other shard has too,
    such as a denied access, ends it. Raises Interrupted, and ConfigurationError without the extra [parquet].
    """
    require_extra(PARQUET, feature="running a backfill")
    observer = observer or Observer()
    waiting = missing_shards(store, plan)
    attempts = Attempts(len(plan.spans), len(waiting), retries, progress)
    random.shuffle(waiting)
    queue, failed = deque(waiting), Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
    while queue and attempts.stopped_by is None:
        index = queue.popleft()
        outcome = attempt_shard(
            read_shard(store, plan, index),
            store.url,
            final=final,
            workers=workers,
            scratch=scratch,
            settings=settings,
            observer=observer,
        )
        if isinstance(outcome.error, Interrupted):
            raise outcome.error
        if outcome.committed:
            failed.reset()
        if attempts.takes(outcome):
            # The others first: what failed has some time.
            queue.append(index)
            interruptible_sleep(failed.delay(), observer.stop_signal)
    return attempts


def attempt_shard(
    shard: Shard,
    out: str,
    *,
    final: bool = False,
    workers: int = 0,
    scratch: Path | None = None,
    settings: StoreSettings | None = None,
    observer: Observer | None = None,
) -> ShardOutcome:
    """Make one attempt at a shard; an error is its outcome."""
    try:
        return run_shard(
            shard, out, final=final, workers=workers, scratch=scratch, settings=settings, observer=observer
        )
    except HarvesterError as error:
        return ShardOutcome(shard.index, error.exit_code, committed=False, error=error)
