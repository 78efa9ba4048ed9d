"""The worker processes of a run: started when there is work, replaced when they die, never handed too much at once."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait

from harvester.results import ResultOptions
from harvester.storage import StoreConnection
from harvester.transfer.messages import (
    INTERNAL_ERROR,
    Assignment,
    CredentialsExpired,
    Failed,
    Outcome,
    Renewed,
    Stop,
    WorkerSettings,
)
from harvester.transfer.worker_launch import Launched, WorkerProcess, launch

_CHUNK = 64
# A worker is given about this many seconds of work ahead, by its own pace: enough to hide the round trip,
# little enough that all workers end together.
_AHEAD_SECONDS = 0.25
_FEWEST_AHEAD = 32
_MOST_AHEAD = 1024
# Both directions of the socket are bounded by the kernel; staying below it, neither side can block the other for ever.
_MOST_BYTES_AHEAD = 96 * 1024
_BYTES_PER_ASSIGNMENT = 160
# An object whose worker died this often is not tried again: it is the likely cause.
_DEATHS_PER_OBJECT = 5


@dataclass(slots=True)
class _Process:
    process: WorkerProcess
    connection: Connection
    outstanding: dict[str, Assignment] = field(default_factory=dict)
    bytes_ahead: int = 0
    pace: float = 0.0
    counted: int = 0
    counted_since: float = field(default_factory=time.monotonic)


class WorkerPool:
    """Up to ``size`` workers."""

    def __init__(
        self,
        size: int,
        connection: StoreConnection,
        prefix: str,
        destination: str,
        options: ResultOptions,
        *,
        refuse_unsafe: bool,
        launched: Sequence[Launched] = (),
    ) -> None:
        """Start nothing yet; ``launched`` are taken before any further process is started."""
        self._size = size
        self._connection = connection
        self._generation = 0
        self._prefix = prefix
        self._destination = destination
        self._options = options
        self._refuse_unsafe = refuse_unsafe
        self._launched = list(launched)
        self._workers: dict[int, _Process] = {}
        self._started = 0
        self._deaths: dict[str, int] = {}
        self._requeued: list[Assignment] = []

    @property
    def outstanding(self) -> int:
        """Objects handed out, or to be handed out again, and not settled."""
        return sum(len(worker.outstanding) for worker in self._workers.values()) + len(self._requeued)

    def assign(self, assignments: deque[Assignment]) -> None:
        """Assign from the left as many of ``assignments`` as the workers have capacity for."""
        if self._requeued:
            assignments.extendleft(self._requeued)
            self._requeued.clear()
        while assignments:
            worker = self._least_loaded()
            if worker is None:
                return
            count = min(self._capacity(worker), _CHUNK, len(assignments))
            self._send(worker, [assignments.popleft() for _ in range(count)])

    def _capacity(self, worker: _Process) -> int:
        wanted = min(_MOST_AHEAD, max(_FEWEST_AHEAD, int(worker.pace * _AHEAD_SECONDS)))
        if worker.bytes_ahead >= _MOST_BYTES_AHEAD:
            return 0
        return min(
            wanted - len(worker.outstanding), (_MOST_BYTES_AHEAD - worker.bytes_ahead) // _BYTES_PER_ASSIGNMENT + 1
        )

    def _least_loaded(self) -> _Process | None:
        best: _Process | None = None
        most = 0
        for worker in self._workers.values():
            capacity = self._capacity(worker)
            if capacity > most:
                best, most = worker, capacity
        # Another process pays only when those there are have all they can hold.
        if best is None and len(self._workers) < self._size:
            return self._start()
        return best

    def _start(self) -> _Process:
        process, connection = self._launched.pop() if self._launched else launch(self._connection.scheme)
        self._started += 1
        worker = _Process(process, connection)
        self._workers[connection.fileno()] = worker
        settings = WorkerSettings(
            self._connection,
            self._prefix,
            self._destination,
            self._options,
            self._refuse_unsafe,
            f"{os.getpid()}-{self._started}",
            self._generation,
        )
        # One that dies at once, or has died meanwhile, is noticed by ``collect``, which starts another.
        with contextlib.suppress(OSError):
            connection.send(settings)
        return worker

    def _send(self, worker: _Process, chunk: list[Assignment]) -> None:
        for assignment in chunk:
            worker.outstanding[assignment.request.key] = assignment
            worker.bytes_ahead += _weight(assignment)
        try:
            worker.connection.send([tuple(assignment) for assignment in chunk])
        except OSError:
            # It died; ``collect`` sees the EOF and requeues its work.
            return

    def collect(self, timeout: float, *others: int) -> tuple[list[Outcome], bool]:
        """Wait for outcomes at most ``timeout`` seconds, or until a file descriptor of ``others`` is readable.

        Return the outcomes, and whether a worker asks for new credentials.
        """
        outcomes: list[Outcome] = []
        expired = False
        connections = [worker.connection for worker in self._workers.values()]
        for ready in wait([*connections, *others], timeout):
            if not isinstance(ready, Connection):
                continue
            worker = self._workers[ready.fileno()]
            try:
                message = ready.recv()
            except (EOFError, OSError):
                outcomes.extend(self._reap(worker))
                continue
            if isinstance(message, CredentialsExpired):
                # An older generation's successor is on its way to the worker.
                expired = expired or message.generation == self._generation
                continue
            for outcome in message:
                assignment = worker.outstanding.pop(outcome.key, None)
                if assignment is not None:
                    worker.bytes_ahead -= _weight(assignment)
                    outcomes.append(outcome)
            self._measure(worker, len(message))
        return outcomes, expired

    def _measure(self, worker: _Process, settled: int) -> None:
        worker.counted += settled
        elapsed = time.monotonic() - worker.counted_since
        if elapsed > _AHEAD_SECONDS:
            worker.pace = worker.counted / elapsed
            worker.counted = 0
            worker.counted_since = time.monotonic()
        elif worker.pace * _AHEAD_SECONDS < worker.counted * 2:
            # Pace is not known yet, or has grown: look ahead as far again as was settled so far.
            worker.pace = worker.counted * 2 / _AHEAD_SECONDS

    def renew(self, connection: StoreConnection) -> None:
        """Give every worker, and those to come, new credentials."""
        self._connection = connection
        self._generation += 1
        for worker in self._workers.values():
            # A dead one is noticed by ``collect``.
            with contextlib.suppress(OSError):
                worker.connection.send(Renewed(connection, self._generation))

    def _reap(self, worker: _Process) -> list[Outcome]:
        """Requeue the work of a dead worker; return failures for objects that killed several."""
        del self._workers[worker.connection.fileno()]
        worker.connection.close()
        code = worker.process.wait()
        failures: list[Outcome] = []
        for key, assignment in worker.outstanding.items():
            self._deaths[key] = self._deaths.get(key, 0) + 1
            if self._deaths[key] > _DEATHS_PER_OBJECT:
                request = assignment.request
                failures.append(Failed(key, request.etag, request.size, INTERNAL_ERROR, f"its worker died ({code})"))
            else:
                self._requeued.append(assignment)
        return failures

    def stop(self, timeout: float) -> list[Outcome]:
        """Stop the workers, killing them after ``timeout`` seconds; return their last outcomes."""
        outcomes: list[Outcome] = []
        for worker in self._workers.values():
            try:
                worker.connection.send(Stop())
            except OSError:
                continue
        deadline = time.monotonic() + timeout
        while self._workers and time.monotonic() < deadline:
            settled, _ = self.collect(max(0.0, deadline - time.monotonic()))
            outcomes.extend(settled)
        self.kill()
        return outcomes

    def kill(self) -> None:
        """End every worker at once."""
        for worker in self._workers.values():
            worker.process.kill()
            worker.process.wait()
            worker.connection.close()
        self._workers.clear()
        for launched in self._launched:
            launched.end()
        self._launched.clear()


def _weight(assignment: Assignment) -> int:
    return _BYTES_PER_ASSIGNMENT + len(assignment.request.key) + len(assignment.path)
