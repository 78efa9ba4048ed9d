"""Run the shards of a backfill on Dask: a scheduler that is running already, or a local cluster.

The output decides what is done. A scheduler that is lost, a worker that is killed or a result that is gone therefore
costs an attempt at most: what is not committed is submitted again.
"""

from __future__ import annotations

import contextlib
import heapq
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harvester.backfill.backfill_plan import BackfillPlan, Shard, read_keys
from harvester.backfill.backfill_status import missing_shards
from harvester.backfill.engines.engine_rules import DEFAULT_RETRIES, Attempts, Progress
from harvester.backfill.engines.local_engine import attempt_shard
from harvester.backfill.shards import ShardOutcome, output_settings
from harvester.error_codes import ErrorCode
from harvester.errors import ConnectionFailed, ExitCode, HarvesterError
from harvester.extras import DASK, require_extra
from harvester.retry import Backoff, interruptible_sleep
from harvester.sessions import StoreSettings
from harvester.tables import OutputStore, open_output
from harvester.transfer import Observer

if TYPE_CHECKING:
    from distributed import Client, Future

_SUBMITTED: Final = 1000
"""Shards submitted and not ended, at most."""
_POLL_SECONDS: Final = 0.2
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_RESULT_SECONDS: Final = 10
_CONNECT_SECONDS: Final = 5
_PATIENCE_SECONDS: Final = 600.0
"""How long a scheduler may be away."""


class DaskRun:
    """One backfill on one scheduler; for one thread."""

    def __init__(
        self,
        plan: BackfillPlan,
        store: OutputStore,
        *,
        scheduler: str | None = None,
        final: bool = False,
        workers: int = 1,
        retries: int = DEFAULT_RETRIES,
        scratch: Path | None = None,
        settings: StoreSettings | None = None,
        observer: Observer | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Take ``scheduler``, an address such as ``tcp://10.0.0.1:8786``; None for a cluster of this machine's cores.

        ``workers`` are the worker processes of each shard; ``scratch`` is a folder of the machines of the workers.
        Raises ConfigurationError without the extra.
        """
        require_extra(DASK)
        self._plan = plan
        self._store = store
        self._scheduler = scheduler
        self._arguments = (final, workers, scratch, settings)
        self._observer = observer or Observer()
        self._waiting: deque[int] = deque()
        self._repeated: list[tuple[float, int]] = []
        """Shards that are tried again, as a heap: from when on, in monotonic seconds, and which."""
        self._pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self._attempts = Attempts(len(plan.spans), len(missing_shards(store, plan)), retries, progress)
        self._given_up: set[int] = set()
        self._has_worked = False

    def run(self) -> Attempts:
        """Submit what is not committed until it is, or given up; return how the attempts ended.

        Raises Interrupted, and ConnectionFailed where the scheduler cannot be reached.
        """
        with self._address() as address:
            lost = Backoff(1.0, 15.0)
            away_since = time.monotonic()
            while True:
                self._repeated.clear()
                self._waiting = deque(
                    index for index in missing_shards(self._store, self._plan) if index not in self._given_up
                )
                if not self._waiting or self._attempts.stopped_by is not None:
                    return self._attempts
                try:
                    with _connected(address) as client:
                        away_since = time.monotonic()
                        lost.reset()
                        if self._work(client):
                            continue
                except OSError as error:
                    if time.monotonic() - away_since > _PATIENCE_SECONDS or not self._has_worked:
                        raise _unreachable(address, error) from error
                interruptible_sleep(lost.delay(), self._observer.stop_signal)
                if time.monotonic() - away_since > _PATIENCE_SECONDS:
                    raise _unreachable(address, None)

    def _work(self, client: Client) -> bool:
        """Work until nothing is left to submit; return False when the scheduler was lost."""
        running: dict[Future[Any], int] = {}
        try:
            while (self._waiting or self._repeated or running) and self._attempts.stopped_by is None:
                while self._repeated and self._repeated[0][0] <= time.monotonic():
                    self._waiting.append(heapq.heappop(self._repeated)[1])
                while self._waiting and len(running) < _SUBMITTED:
                    index = self._waiting.popleft()
                    running[self._submit(client, index)] = index
                self._has_worked = True
                interruptible_sleep(_POLL_SECONDS, self._observer.stop_signal)
                if client.status != "running":
                    return False
                for future in [each for each in running if each.status != "pending"]:
                    self._take(future, running)
            return True
        finally:
            with contextlib.suppress(Exception):
                client.cancel(list(running))

    def _submit(self, client: Client, index: int) -> Future[Any]:
        shard = self._plan.shard(index)
        return client.submit(work_on_shard, shard, self._store.url, *self._arguments, pure=False)

    def _take(self, future: Future[Any], running: dict[Future[Any], int]) -> None:
        """Take the end of an attempt, or leave it where its result is not to be had yet."""
        index = running[future]
        if future.status in ("cancelled", "lost"):
            # The scheduler has dropped it: that is no attempt.
            del running[future]
            self._waiting.append(index)
            return
        try:
            outcome = future.result(timeout=_RESULT_SECONDS)
        except TimeoutError:
            return
        except Exception as error:  # noqa: BLE001  # what a task raised on a worker, or Dask for it
            outcome = _failed(index, error)
        del running[future]
        if self._attempts.takes(outcome):
            heapq.heappush(self._repeated, (time.monotonic() + self._pauses.delay(), index))
        elif outcome.committed:
            self._pauses.reset()
        else:
            self._given_up.add(index)

    @contextlib.contextmanager
    def _address(self) -> Iterator[str]:
        if self._scheduler is not None:
            yield self._scheduler
            return
        from distributed import LocalCluster

        with LocalCluster(threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster:
            yield cluster.scheduler_address


def work_on_shard(
    shard: Shard,
    out: str,
    final: bool,  # noqa: FBT001  # submit takes keywords for itself
    workers: int,
    scratch: Path | None,
    settings: StoreSettings | None,
) -> ShardOutcome:
    """Make one attempt at a shard, on a worker of Dask; the outcome is picklable."""
    try:
        with open_output(out, output_settings(shard, out, settings)) as store:
            shard = read_keys(store, shard)
    except HarvesterError as error:
        outcome = ShardOutcome(shard.index, error.exit_code, committed=False, error=error)
    else:
        outcome = attempt_shard(shard, out, final=final, workers=workers, scratch=scratch, settings=settings)
    return outcome if outcome.error is None else outcome._replace(error=_picklable(outcome.error))


def _picklable(error: HarvesterError) -> HarvesterError:
    """Return an error with the same parts; some types cannot be made again from their message."""
    plain = HarvesterError(
        error.what,
        code=error.code,
        subject=error.subject,
        cause=error.cause,
        request_id=error.request_id,
        parameters=error.parameters,
        retryable=error.retryable,
    )
    plain.exit_code = error.exit_code
    return plain


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Client]:
    """Yield a client of a scheduler. Raises OSError where it cannot be reached."""
    from distributed import Client

    client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            client.close(timeout=_CONNECT_SECONDS)


def _failed(index: int, error: Exception) -> ShardOutcome:
    """Return the outcome of a task that returned none: its workers were killed, or it could not be run there."""
    from distributed import KilledWorker

    killed = isinstance(error, KilledWorker)
    cause = "the workers that it ran on were killed" if killed else f"it failed on a worker: {type(error).__name__}"
    failure = ConnectionFailed(
        f"shard {index} was not finished", cause=cause, code=ErrorCode.ENGINE_FAILED, subject=str(index)
    )
    failure.exit_code = ExitCode.CONNECTION_FAILED if killed else ExitCode.BUG
    return ShardOutcome(index, failure.exit_code, committed=False, error=failure)


def _unreachable(address: str, error: OSError | None) -> ConnectionFailed:
    return ConnectionFailed(
        f"no scheduler of Dask answers at {address}",
        cause="" if error is None else type(error).__name__,
        code=ErrorCode.ENGINE_UNREACHABLE,
        subject=address,
    )
