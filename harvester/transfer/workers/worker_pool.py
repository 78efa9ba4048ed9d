"""The worker processes of a run: started when there is work, replaced when they die, never handed too much at once."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from harvester.results import ResultOptions
from harvester.storage import StoreConnection
from harvester.transfer.workers.message_batches import pack_assignments, unpack_outcomes
from harvester.transfer.workers.message_socket import MessageSocket, readable
from harvester.transfer.workers.messages import (
    INTERNAL_ERROR,
    Alive,
    Assignment,
    CredentialsExpired,
    Failed,
    Outcome,
    Renewed,
    Stop,
    WorkerSettings,
)
from harvester.transfer.workers.worker_launch import Launched, WorkerProcess, launch
from harvester.transfer.workers.worker_limits import WorkerLimits, WorkerWatch, cause_of_end

_CHUNK = 64
# A worker is given about this many seconds of work ahead, by its own pace: enough to hide the round trip,
# little enough that all workers end together.
_AHEAD_SECONDS = 0.25
_FEWEST_AHEAD = 32
_MOST_AHEAD = 1024
# Both directions of the socket are bounded by the kernel; staying below it, neither side can block the other for ever.
_MOST_BYTES_AHEAD = 96 * 1024
_BYTES_PER_ASSIGNMENT = 160
# An object that was alone in a worker that died this often is not tried again: it is the cause. A worker may be killed
# from outside; one that exceeded its limits, or ended as `cause_of_end` knows, was not.
_DEATHS_ALONE = 3
_WATCH_SECONDS = 0.25


@dataclass(slots=True)
class _Process:
    process: WorkerProcess
    connection: MessageSocket
    watch: WorkerWatch
    alone: bool = False
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
        writers: str,
        refuse_unsafe: bool,
        limits: WorkerLimits,
        launched: Sequence[Launched] = (),
        launch: Callable[[str], Launched] = launch,
    ) -> None:
        """Start nothing yet; ``launched`` are taken before any further process is started by ``launch``."""
        self._size = size
        self._connection = connection
        self._generation = 0
        self._prefix = prefix
        self._destination = destination
        self._writers = writers
        self._options = options
        self._refuse_unsafe = refuse_unsafe
        self._limits = limits
        self._launched = list(launched)
        self._launch = launch
        self._workers: dict[int, _Process] = {}
        self._started = 0
        self._deaths: dict[str, int] = {}
        self._suspects: deque[Assignment] = deque()
        self._watched_at = time.monotonic()

    @property
    def outstanding(self) -> int:
        """Objects handed out, or to be handed out again, and not settled."""
        return sum(len(worker.outstanding) for worker in self._workers.values()) + len(self._suspects)

    def assign(self, assignments: deque[Assignment]) -> None:
        """Assign from the left as many of ``assignments`` as the workers have capacity for."""
        while self._suspects:
            worker = self._idle()
            if worker is None:
                return
            worker.alone = True
            self._send(worker, [self._suspects.popleft()])
        while assignments:
            worker = self._least_loaded()
            if worker is None:
                return
            count = min(self._capacity(worker), _CHUNK, len(assignments))
            self._send(worker, [assignments.popleft() for _ in range(count)])

    def _idle(self) -> _Process | None:
        """Return a worker without any work; start one while there are fewer than allowed."""
        for worker in self._workers.values():
            if not worker.outstanding:
                return worker
        return self._start() if len(self._workers) < self._size else None

    def _capacity(self, worker: _Process) -> int:
        if worker.alone:
            return 0
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
        process, connection = self._launched.pop() if self._launched else self._launch(self._connection.scheme)
        self._started += 1
        worker = _Process(process, connection, WorkerWatch(process.pid, self._limits))
        self._workers[connection.fileno()] = worker
        settings = WorkerSettings(
            self._connection,
            self._prefix,
            self._destination,
            self._writers,
            self._options,
            self._refuse_unsafe,
            f"{os.getpid()}-{self._started}",
            self._generation,
            self._limits.memory_bytes,
        )
        # One that dies at once, or has died meanwhile, is noticed by ``collect``, which starts another.
        with contextlib.suppress(OSError):
            connection.send(settings)
        return worker

    def _send(self, worker: _Process, chunk: list[Assignment]) -> None:
        if not worker.outstanding:
            worker.watch.progressed()
        for assignment in chunk:
            worker.outstanding[assignment.request.key] = assignment
            worker.bytes_ahead += _weight(assignment)
        try:
            worker.connection.send(pack_assignments(chunk))
        except OSError:
            # It died; ``collect`` sees the EOF and requeues its work.
            return

    def collect(self, timeout: float, *others: int) -> tuple[list[Outcome], bool]:
        """Wait for outcomes at most ``timeout`` seconds, or until a file descriptor of ``others`` is readable.

        Return the outcomes, and whether a worker asks for new credentials.
        """
        outcomes: list[Outcome] = []
        expired = False
        for descriptor in readable((*self._workers, *others), timeout):
            worker = self._workers.get(descriptor)
            if worker is None:
                continue
            try:
                message = worker.connection.recv()
            except (EOFError, OSError):
                outcomes.extend(self._reap(worker))
                continue
            worker.watch.progressed()
            if isinstance(message, Alive):
                continue
            if isinstance(message, CredentialsExpired):
                # The successor of an older generation has been sent to the worker.
                expired = expired or message.generation == self._generation
                continue
            for outcome in unpack_outcomes(message):
                assignment = worker.outstanding.pop(outcome.key, None)
                if assignment is not None:
                    worker.bytes_ahead -= _weight(assignment)
                    outcomes.append(outcome)
            worker.alone = worker.alone and bool(worker.outstanding)
            self._measure(worker, len(message))
        outcomes.extend(self._end_exceeding())
        return outcomes, expired

    def _end_exceeding(self) -> list[Outcome]:
        """Kill the workers that exceed their limits; return failures for objects that made them."""
        if time.monotonic() - self._watched_at < _WATCH_SECONDS:
            return []
        self._watched_at = time.monotonic()
        failures: list[Outcome] = []
        for worker in list(self._workers.values()):
            if worker.outstanding and (cause := worker.watch.exceeded()):
                worker.process.kill()
                failures.extend(self._reap(worker, cause))
        return failures

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

    def _reap(self, worker: _Process, exceeded: str = "") -> list[Outcome]:
        """Take back the work of a dead worker, to be tried object by object; return the failure of one that killed it.

        ``exceeded`` is the cause for which the parent has ended it: the object that did that alone, or that ended it
        as `cause_of_end` knows, is quarantined without being decoded, and fails if that cannot be done either.
        """
        del self._workers[worker.connection.fileno()]
        worker.connection.close()
        code = worker.process.wait()
        if worker.alone:
            [(key, assignment)] = worker.outstanding.items()
            self._deaths[key] = self._deaths.get(key, 0) + 1
            reason, detail = (exceeded, self._limits.describe(exceeded)) if exceeded else cause_of_end(code)
            if reason and assignment.undecodable is None:
                self._suspects.append(assignment._replace(undecodable=(reason, detail)))
                return []
            if reason or self._deaths[key] >= _DEATHS_ALONE:
                request = assignment.request
                detail = detail if reason else f"its worker died ({code})"
                return [Failed(key, request.etag, request.size, reason or INTERNAL_ERROR, detail)]
        self._suspects.extend(worker.outstanding.values())
        return []

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
