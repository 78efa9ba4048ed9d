"""The work of a worker process: fetch, decode, validate, land.

It knows nothing of listings, plans or the manifest, so it may be killed at any instant: the parent hands its
assignments to another.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections import deque

import xxhash

from harvester.causes import Cause
from harvester.destination import DestinationWriter, PathObstructedError, register_writer, safe_path
from harvester.results import ContentReason, ContentTooLargeForMemory, ResultReader, ResultRecord
from harvester.storage import SPOOL_FROM_BYTES, FetchRequest, FetchResult, open_fetcher
from harvester.transfer.workers.arriving_result import ArrivingResult
from harvester.transfer.workers.message_batches import PackedOutcomes, pack_outcomes, unpack_assignments
from harvester.transfer.workers.message_socket import MessageSocket
from harvester.transfer.workers.messages import (
    INTERNAL_ERROR,
    Alive,
    Assignment,
    CredentialsExpired,
    DestinationFault,
    Failed,
    Landed,
    Outcome,
    Quarantined,
    Refused,
    Renewed,
    Stop,
    WorkerSettings,
)
from harvester.transfer.workers.spooled_result import DecodedFile, ReportingFile, decode_file, digest_of

# Results go to the parent this often, or when this many have gathered.
_REPORT_SECONDS = 0.05
_REPORT_COUNT = 64
_ALIVE_SECONDS = 0.25
# A bigger file takes so long to decode that other transfers would time out meanwhile: they are waited for first.
_DECODE_ALONE_BYTES = 64 * 1024 * 1024


class Worker:
    """The state of one worker process."""

    def __init__(self, settings: WorkerSettings, parent: MessageSocket) -> None:
        """Open the destination and the fetcher. Raises OSError when the destination cannot be opened."""
        self._settings = settings
        self._parent = parent
        register_writer(settings.writers)
        self._destination = DestinationWriter(settings.destination, settings.name)
        self._fetcher = open_fetcher(settings.connection, self._destination.temporary_path("")[:-1])
        self._reader = ResultReader(settings.options)
        self._waiting: deque[Assignment] = deque()
        self._assigned: dict[str, Assignment] = {}
        self._postponed: deque[FetchResult] = deque()
        self._arriving: ArrivingResult | None = None
        self._arrived: FetchResult | None = None
        """What the object that is decoded while it arrives has ended with."""
        self._decoded, self._wake = os.pipe()
        """Holds a byte from when a thread has decoded until that is seen."""
        self._saw_decoded = False
        self._outcomes: list[Outcome] = []
        self._reported_at = 0.0
        self._sending = threading.Lock()
        self._sent_at = time.monotonic()
        self._asked_for_credentials = False
        self._generation = settings.generation

    def run(self) -> None:
        """Work until a Stop arrives."""
        while self._take_commands():
            self._submit()
            for fetched in self._fetcher.poll(0.5, (self._parent.fileno(), self._decoded)):
                self._settle_or_postpone(fetched)
            self._settle_arrived()
            if self._postponed and not self._fetcher.in_flight:
                self._settle(self._postponed.popleft())
            if self._fetcher.needs_credentials and not self._asked_for_credentials:
                self._asked_for_credentials = True
                self._send(CredentialsExpired(self._generation))
            self._report()
            # What decodes in a thread shows its own: a decoder that is stuck is not to be covered up. What waits for
            # bytes shows none, as this thread may be stuck in decoding another object.
            if self._arriving is None or not self._arriving.is_decoding:
                self._show_progress()
        self._report(everything=True)
        self._fetcher.close()
        if self._arriving is not None:
            self._arriving.close()

    def _take_commands(self) -> bool:
        while self._parent.poll(0 if self._busy else None):
            command = self._parent.recv()
            if isinstance(command, Stop):
                return False
            if isinstance(command, Renewed):
                self._fetcher.renew(command.connection)
                self._generation = command.generation
                self._asked_for_credentials = False
            else:
                self._waiting.extend(unpack_assignments(command))
        return True

    @property
    def _busy(self) -> bool:
        return bool(self._waiting or self._assigned or self._outcomes)

    def _submit(self) -> None:
        # Nothing new while a big file waits to be decoded alone.
        capacity = 0 if self._postponed else self._fetcher.capacity()
        while self._waiting and capacity > 0:
            assignment = self._waiting.popleft()
            self._assigned[assignment.request.key] = assignment
            if assignment.quarantined and self._recheck(assignment):
                continue
            self._fetcher.submit(assignment.request, self._arrival(assignment))
            capacity -= 1

    def _arrival(self, assignment: Assignment) -> ArrivingResult | None:
        """Return what decodes a large object as it arrives; one at a time, so that memory stays bounded."""
        request = assignment.request
        if self._arriving is not None or request.size < SPOOL_FROM_BYTES or assignment.undecodable is not None:
            return None
        self._saw_decoded = False
        self._arriving = ArrivingResult(
            request.key, self._reader, self._destination, self._show_progress, self._note_decoded
        )
        return self._arriving

    def _note_decoded(self) -> None:
        os.write(self._wake, b"-")

    def _settle_or_postpone(self, fetched: FetchResult) -> None:
        arriving = self._arriving
        if arriving is not None and arriving.key == fetched.request.key and arriving.has_begun:
            if fetched.spool is not None and arriving.arrived():
                self._arrived = fetched
                return
        elif arriving is not None and arriving.key == fetched.request.key:
            self._arriving = None
        if fetched.spool is not None and fetched.request.size >= _DECODE_ALONE_BYTES:
            self._postponed.append(fetched)
        else:
            self._settle(fetched)

    def _settle_arrived(self) -> None:
        """Settle the object that was decoded while it arrived, once both are done."""
        arriving, fetched = self._arriving, self._arrived
        if arriving is None or not arriving.has_ended:
            return
        if not self._saw_decoded:
            self._saw_decoded = bool(os.read(self._decoded, 1))
        if fetched is not None:
            self._settle(fetched, arriving)
        elif arriving.is_abandoned:
            arriving.close()
        else:
            return
        self._arriving = self._arrived = None

    def _settle(self, fetched: FetchResult, arrived: ArrivingResult | None = None) -> None:
        # Held until it has ended: while it is decoded this worker is busy, and shows progress.
        assignment = self._assigned[fetched.request.key]
        try:
            outcome = self._outcome(assignment, fetched, arrived)
        except OSError as error:
            outcome = DestinationFault(fetched.request.key, error.errno or 0)
            self._clean_up(fetched)
        except MemoryError:
            # This process ends; the parent has the object tried alone.
            raise
        except Exception as error:  # noqa: BLE001  # an object that meets a bug of ours must not take the others with it
            outcome = _internal_error(fetched.request, error)
            self._clean_up(fetched)
        del self._assigned[fetched.request.key]
        self._outcomes.append(outcome)
        if len(self._outcomes) >= _REPORT_COUNT:
            self._report(everything=True)

    def _clean_up(self, fetched: FetchResult) -> None:
        """Remove the temporary files of an object that could not be landed."""
        in_use = self._arriving is not None and self._arrived is not fetched
        self._destination.discard_unlanded(self._arriving.name if in_use and self._arriving else "")
        if fetched.spool is not None:
            with contextlib.suppress(OSError):
                os.unlink(fetched.spool)  # noqa: PTH108  # a plain string is at hand

    def _report(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        idle = not self._fetcher.in_flight
        if self._outcomes and (everything or idle or now - self._reported_at >= _REPORT_SECONDS):
            self._send(pack_outcomes(self._outcomes))
            self._outcomes = []
            self._reported_at = now

    def _show_progress(self) -> None:
        """Report that this worker goes on, where nothing else has for a while; from any thread."""
        if time.monotonic() - self._sent_at >= _ALIVE_SECONDS and self._busy:
            self._send(Alive())

    def _send(self, message: PackedOutcomes | Alive | CredentialsExpired) -> None:
        with self._sending:
            self._sent_at = time.monotonic()
            self._parent.send(message)

    def _outcome(self, assignment: Assignment, fetched: FetchResult, arrived: ArrivingResult | None) -> Outcome:
        request = fetched.request
        failure = fetched.failure
        if failure is not None:
            if failure.cause is Cause.SPOOL:
                return DestinationFault(request.key, getattr(errno, failure.code, errno.EIO))
            detail = (
                f"{failure.code}: {failure.detail}"
                if failure.code and failure.detail
                else failure.code or failure.detail
            )
            if failure.request_id:
                detail += f" (request id {failure.request_id})"
            return Failed(request.key, request.etag, request.size, failure.cause.value, detail)
        if assignment.undecodable is not None:
            return self._quarantine_unread(fetched, *assignment.undecodable)
        if fetched.spool is not None:
            spool = self._destination.temporary_name(fetched.spool)
            found = self._decode_spool(spool, request.key) if arrived is None else arrived.decoded()
            return self._land_spool(assignment, fetched, spool, found)
        body = fetched.body or b""
        try:
            decoded = self._reader.read(body, request.key)
        except ContentTooLargeForMemory:
            name, _ = self._destination.write(body)
            return self._land_spool(assignment, fetched, name, self._decode_spool(name, request.key))
        if _needs_parquet(decoded.record):
            return _refused_parquet(fetched, len(body))
        if decoded.record.problem is not None and decoded.record.problem.quarantine:
            name, _ = self._destination.write(body)
            problem = decoded.record.problem
            digest = xxhash.xxh3_128_hexdigest(body)
            return self._quarantine(fetched, name, problem.reason, problem.detail, len(body), digest)
        name, mtime_ns = self._destination.write(decoded.content)
        return self._land(assignment, fetched, name, mtime_ns, decoded.record, len(body))

    def _decode_spool(self, spool: str, key: str) -> DecodedFile:
        source = ReportingFile(self._destination.temporary_path(spool), self._show_progress)
        name, sink = self._destination.create()
        return decode_file(self._reader, source, name, sink, key, self._show_progress)

    def _land_spool(self, assignment: Assignment, fetched: FetchResult, spool: str, decoded: DecodedFile) -> Outcome:
        """Land an object whose delivered bytes lie in the temporary file ``spool``."""
        name, mtime_ns, record = decoded
        path = self._destination.temporary_path(spool)
        delivered = os.stat(path)  # noqa: PTH116  # a plain string is at hand
        if _needs_parquet(record):
            self._destination.discard(name)
            self._destination.discard(spool)
            return _refused_parquet(fetched, delivered.st_size)
        if record.problem is not None and record.problem.quarantine:
            self._destination.discard(name)
            with ReportingFile(path, self._show_progress) as source:
                digest = digest_of(source)
            reason, detail = record.problem.reason, record.problem.detail
            return self._quarantine(fetched, spool, reason, detail, delivered.st_size, digest)
        if record.inflated:
            self._destination.discard(spool)
        else:
            self._destination.discard(name)
            name, mtime_ns = spool, delivered.st_mtime_ns
        return self._land(assignment, fetched, name, mtime_ns, record, delivered.st_size)

    def _land(
        self, assignment: Assignment, fetched: FetchResult, name: str, mtime_ns: int, record: ResultRecord, length: int
    ) -> Outcome:
        key = fetched.request.key
        etag, size, last_modified = _identity(fetched, length)
        landed_at = self._land_somewhere(assignment, name)
        if landed_at is None:
            self._destination.discard(name)
            return Refused(key, etag, size, "path_obstructed")
        problem = record.problem
        return Landed(
            key,
            etag,
            size,
            last_modified,
            landed_at,
            record.size,
            mtime_ns,
            record.digest,
            None if record.shape is None else record.shape.value,
            record.encoding,
            record.task_id,
            record.status,
            record.agent,
            record.rows,
            None if problem is None else (problem.reason, problem.detail),
            0 if assignment.quarantined else length,
            fetched.unidentified,
            record.non_finite,
            fetched.unread_headers,
        )

    def _land_somewhere(self, assignment: Assignment, name: str) -> str | None:
        """Land a temporary file at its path, else under its safe name; return where, None when both are barred."""
        path = assignment.path
        try:
            self._destination.land(name, path, assignment.aside)
        except PathObstructedError:
            if self._settings.refuse_unsafe:
                return None
        else:
            return path
        path = safe_path(self._relative(assignment.request.key), keep_compressed=self._settings.options.keep_compressed)
        with contextlib.suppress(PathObstructedError):
            self._destination.land(name, path, assignment.aside)
            return path
        return None

    def _quarantine_unread(self, fetched: FetchResult, reason: str, detail: str) -> Outcome:
        """Quarantine the bytes of an object without decoding them."""
        if fetched.spool is None:
            body = fetched.body or b""
            name, _ = self._destination.write(body)
            return self._quarantine(fetched, name, reason, detail, len(body), xxhash.xxh3_128_hexdigest(body))
        with ReportingFile(fetched.spool, self._show_progress) as source:
            length, digest = os.fstat(source.fileno()).st_size, digest_of(source)
        return self._quarantine(
            fetched, self._destination.temporary_name(fetched.spool), reason, detail, length, digest
        )

    def _quarantine(
        self, fetched: FetchResult, name: str, reason: str, detail: str, length: int, digest: str
    ) -> Quarantined:
        etag, size, _ = _identity(fetched, length)
        path = self._destination.quarantine(name, self._relative(fetched.request.key))
        fetched_bytes = 0 if fetched.attempts == 0 else length
        return Quarantined(fetched.request.key, etag, size, reason, detail, path, digest, fetched_bytes)

    def _relative(self, key: str) -> str:
        return key[len(self._settings.prefix) :]

    def _recheck(self, assignment: Assignment) -> bool:
        """Validate quarantined bytes again; False when they are not what was quarantined, and must be fetched."""
        try:
            spool = self._destination.copy_of(assignment.quarantined, assignment.digest, self._show_progress)
        except OSError:
            return False
        if spool is None:
            return False
        request = assignment.request
        local = FetchResult(request, None, self._destination.temporary_path(spool), request.etag, None, None, 0)
        self._settle(local)
        return True


def _needs_parquet(record: ResultRecord) -> bool:
    return record.problem is not None and record.problem.reason is ContentReason.PARQUET_EXTRA_MISSING


def _refused_parquet(fetched: FetchResult, length: int) -> Refused:
    etag, size, _ = _identity(fetched, length)
    return Refused(fetched.request.key, etag, size, ContentReason.PARQUET_EXTRA_MISSING.value)


def _identity(fetched: FetchResult, length: int) -> tuple[str, int, float]:
    """Return the identity, size and time of the version that came.

    A store may state another ETag on a GET than in its listing; only a new time proves that the object was replaced
    in between. Otherwise the listed identity is kept, for that is what the next listing is compared with.
    """
    request: FetchRequest = fetched.request
    if fetched.last_modified is None or int(fetched.last_modified) == int(request.last_modified):
        return request.etag, request.size, request.last_modified
    return fetched.etag, length, fetched.last_modified


def _internal_error(request: FetchRequest, error: Exception) -> Failed:
    # Loaded by the first bug.
    import traceback

    # The place, not the message: a message may quote the payload.
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} at {os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119  # a name only
    return Failed(request.key, request.etag, request.size, INTERNAL_ERROR, place)
