"""Fetches from a bucket: one curl multi handle, many transfers, retries by cause; see Fetcher.

Until it ends a request is in the `TransferQueue` (not started, or waiting) or on a `Slot` (in transfer).
"""

from __future__ import annotations

import errno
import select
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import pycurl

from harvester.causes import Cause
from harvester.sessions import BucketConnection, GcsConnection, S3Connection
from harvester.storage.base import MEBIBYTE, Arrival, FetchFailure, FetchRequest, FetchResult, StoreConnection
from harvester.storage.http.adapter import ProviderAdapter
from harvester.storage.http.body_checks import BodyChecker
from harvester.storage.http.checksums import unread_checksums
from harvester.storage.http.concurrency_limiter import MOST_IN_FLIGHT, ConcurrencyLimiter
from harvester.storage.http.http_client import (
    Response,
    explain_curl,
    milliseconds,
    parse_headers,
    parse_http_date,
)
from harvester.storage.http.open_files import connections_allowed
from harvester.storage.http.request_rate import RequestRate
from harvester.storage.http.request_setup import RequestSetup
from harvester.storage.http.transfer import Slot, Transfer
from harvester.storage.http.transfer_queue import TransferQueue

_BYTES_IN_FLIGHT = 16 * MEBIBYTE
_SPOOL_WEIGHT = MEBIBYTE // 4  # what a spooled transfer holds in memory
_MOST_HELD = 1024  # bounds what a store that refuses everything can queue up
_RENEWALS = 2


_LONGEST_SENTENCE = 300
"""How many characters of a store's sentence are kept."""


class BucketFetcher:
    """See Fetcher."""

    def __init__(
        self,
        connection: BucketConnection,
        adapter_for: Callable[[BucketConnection], ProviderAdapter],
        spool_directory: str,
        spool_from: int,
    ) -> None:
        """Bodies of ``spool_from`` bytes and more go to files in ``spool_directory``."""
        self._setup = RequestSetup(connection, adapter_for, spool_directory, spool_from)
        self._retry = connection.network.retry
        self._limit = connection.max_object_bytes
        self._checker = BodyChecker(connection.exemptions, single_attempt=self._retry.attempts == 1)
        self._multi = pycurl.CurlMulti()
        self._rate = RequestRate(connection.max_rps)
        self._limiter = ConcurrencyLimiter(maximum=min(MOST_IN_FLIGHT, connections_allowed()))
        self._free: list[Slot] = []
        self._slots: dict[pycurl.Curl, Slot] = {}
        self._queue = TransferQueue()
        self._done: list[FetchResult] = []
        self._bytes = 0
        self._credentials_epoch = 0
        self.in_flight = 0
        self.needs_credentials = False

    def capacity(self) -> int:
        """See Fetcher.capacity."""
        return max(0, min(self._limiter.limit - len(self._slots) - self._queue.new, _MOST_HELD - self.in_flight))

    def submit(self, request: FetchRequest, arrival: Arrival | None = None) -> None:
        """See Fetcher.submit."""
        weight = _SPOOL_WEIGHT if self._setup.is_spooled(request) else request.size
        self._queue.append(Transfer(request, weight, arrival))
        self.in_flight += 1

    def poll(self, timeout: float, wake: Sequence[int] = ()) -> list[FetchResult]:
        """See Fetcher.poll."""
        deadline = time.monotonic() + timeout
        while True:
            self._start(time.monotonic())
            self._multi.perform()
            self._reap()
            now = time.monotonic()
            self._limiter.update(now)
            if self._done:
                done, self._done = self._done, []
                self.in_flight -= len(done)
                return done
            if self._accepts_more() and self._rate.allows(now) and self._queue.can_start(now):
                continue
            if now >= deadline or self._wait(now, deadline, wake):
                return []

    def renew(self, connection: StoreConnection) -> None:
        """See Fetcher.renew."""
        assert isinstance(connection, S3Connection | GcsConnection)  # noqa: S101  # of the store this fetcher is for
        self._setup.renew(connection)
        self._credentials_epoch += 1
        self.needs_credentials = False
        self._queue.release_held()

    def close(self) -> None:
        """See Fetcher.close."""
        transfers = [slot.transfer for slot in self._slots.values()]
        for slot in self._slots.values():
            self._multi.remove_handle(slot.handle)
        for slot in [*self._slots.values(), *self._free]:
            slot.handle.close()
        self._multi.close()
        self._slots.clear()
        self._free.clear()
        for transfer in [*transfers, *self._queue.clear()]:
            if transfer is not None and transfer.spool is not None:
                transfer.spool.discard()
        self.in_flight = 0

    # -- starting -----------------------------------------------------------------------------------------------------

    def _accepts_more(self) -> bool:
        """Whether a further request may be in transfer."""
        return len(self._slots) < self._limiter.limit and self._bytes < _BYTES_IN_FLIGHT

    def _start(self, now: float) -> None:
        while self._accepts_more() and self._rate.allows(now) and (transfer := self._queue.take(now)) is not None:
            self._rate.started(now)
            self._begin(transfer, now)

    def _begin(self, transfer: Transfer, now: float) -> None:
        slot = self._free.pop() if self._free else Slot(self._setup.handle())
        handle = slot.handle
        slot.transfer = transfer
        if transfer.follow_up is not None:
            self._setup.follow_up(handle, transfer.follow_up)
        else:
            if not transfer.attempts:
                transfer.began = now
                transfer.ends = (
                    now + self._retry.total_seconds + transfer.request.size / self._retry.min_bytes_per_second
                )
            transfer.attempts += 1
            transfer.epoch = self._credentials_epoch
            handle.setopt(pycurl.TIMEOUT_MS, milliseconds(transfer.ends - now))
            self._setup.prepare(slot, transfer)
        self._bytes += transfer.weight
        self._slots[handle] = slot
        self._multi.add_handle(handle)

    # -- waiting ------------------------------------------------------------------------------------------------------

    def _wait(self, now: float, deadline: float, wake: Sequence[int]) -> bool:
        """Wait for a socket, the next attempt or the deadline; return whether a descriptor of ``wake`` is readable."""
        until = deadline
        if (retry := self._queue.next_retry()) is not None:
            until = min(until, max(retry, self._rate.next_start()))
        if self._queue.new and not self._rate.allows(now):
            until = min(until, self._rate.next_start())
        curl_timer = self._multi.timeout()
        if curl_timer >= 0:
            until = min(until, now + curl_timer / 1000)
        reading, writing, _ = self._multi.fdset()
        readable, _, _ = select.select([*reading, *wake], writing, (), max(0.0, until - now))
        if self._slots:
            self._limiter.waited(time.monotonic() - now)
        return any(descriptor in wake for descriptor in readable)

    # -- ending -------------------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        while True:
            queued, succeeded, failed = self._multi.info_read()
            for handle in succeeded:
                self._conclude(self._release(handle), self._completed)
            for handle, code, message in failed:
                self._conclude(self._release(handle), partial(self._broken, code=code, message=message))
            if not queued:
                return

    def _conclude(self, slot: Slot, conclude: Callable[[Slot], None]) -> None:
        """Take the end of one transfer; an answer that cannot be processed ends no other."""
        transfer = slot.transfer
        assert transfer is not None  # noqa: S101  # see _release
        try:
            conclude(slot)
        except Exception as error:  # noqa: BLE001  # whatever a store sends concerns one object
            self._fail(
                transfer, FetchFailure(Cause.SERVER_ERROR, type(error).__name__, "the answer cannot be processed")
            )

    def _release(self, handle: pycurl.Curl) -> Slot:
        self._multi.remove_handle(handle)
        slot = self._slots.pop(handle)
        assert slot.transfer is not None  # noqa: S101  # a slot in _slots has one
        self._bytes -= slot.transfer.weight
        return slot

    def _recycle(self, slot: Slot) -> None:
        transfer = slot.transfer
        if transfer is not None and transfer.spool is not None:
            slot.handle.setopt(pycurl.WRITEFUNCTION, slot.body.append)
        if transfer is not None and transfer.follow_up is not None:
            slot.handle.setopt(pycurl.HTTPGET, 1)
        slot.transfer = None
        slot.lines.clear()
        slot.body.clear()
        self._free.append(slot)

    def _completed(self, slot: Slot) -> None:
        """Take a complete answer."""
        transfer = slot.transfer
        assert transfer is not None  # noqa: S101  # see _release
        status, headers = parse_headers(slot.lines)
        spool = transfer.spool
        received = b"".join(slot.body)
        if spool is not None and transfer.follow_up is None and status not in {200, 206}:
            received = bytes(spool.error_body)
        self._recycle(slot)
        if transfer.follow_up is not None:
            self._diagnose_further(transfer, Response(status, headers, received))
        elif status == 200 or (status == 206 and spool is not None and spool.written):
            self._arrived(transfer, headers, received)
        elif status in {206, 412, 416} and spool is not None:
            spool.discard()  # replaced since the first part came, or another part than asked for: from the start
            self._again(
                transfer,
                FetchFailure(Cause.INTEGRITY, str(status), "the rest of the version that was begun is not available"),
            )
        else:
            self._refused(transfer, Response(status, headers, received))

    def _arrived(self, transfer: Transfer, headers: Mapping[str, str], body: bytes) -> None:
        """Compare what came with what the store states; it ends here or is requested again."""
        spool, request = transfer.spool, transfer.request
        if spool is not None:
            checksum = spool.finish(headers)
            if spool.failure is not None:
                self._spool_failed(transfer, spool.failure)
                return
            headers, size = spool.headers, spool.written
        else:
            size = len(body)
            checksum = self._setup.adapter.stated(headers)
            if checksum is not None:
                checksum.update(body)
        fault = self._checker.fault(request, headers, size, checksum, self._setup.adapter)
        if fault is not None:
            if spool is not None:
                spool.discard()
            self._again(transfer, fault.failure, retryable=fault.retryable)
            return
        self._setup.adapter.fetched(request.key)
        self._limiter.completed()
        stated = self._setup.adapter.identity(headers)
        identity = stated or (request.etag if size == request.size else "")
        same = identity == request.etag
        modified = request.last_modified if same else parse_http_date(headers.get("last-modified"))
        if modified is None and "last-modified" in headers:
            transfer.unread.add("last-modified")
        transfer.unread.update(unread_checksums(headers))
        self._done.append(
            FetchResult(
                request,
                body if spool is None else None,
                None if spool is None else spool.release(),
                identity,
                modified,
                None,
                transfer.attempts,
                unidentified=not stated and checksum is None,
                unread_headers=tuple(sorted(transfer.unread)),
            )
        )

    def _broken(self, slot: Slot, code: int, message: str) -> None:
        """Take a transfer that curl ended with an error."""
        transfer = slot.transfer
        assert transfer is not None  # noqa: S101  # see _release
        spool = transfer.spool
        status, _ = parse_headers(slot.lines)
        connect_status = slot.handle.getinfo(pycurl.HTTP_CONNECTCODE)
        self._recycle(slot)
        if transfer.follow_up is not None:
            self._diagnose_further(transfer, None)
        elif spool is not None and spool.failure is not None:
            self._spool_failed(transfer, spool.failure)
        elif spool is not None and spool.exceeded:
            listed = transfer.request.size
            detail = f"an answer without a length goes on beyond the {listed} bytes that are listed"
            self._again(transfer, FetchFailure(Cause.INTEGRITY, "", detail), retryable=False)
        elif code == pycurl.E_FILESIZE_EXCEEDED:
            self._outgrown(transfer, status)
        else:
            broken = explain_curl(code, message, connect_status)
            failure = FetchFailure(broken.cause, broken.code, broken.detail)
            self._again(transfer, failure, retryable=broken.retryable)

    def _outgrown(self, transfer: Transfer, status: int) -> None:
        """Take an answer longer than its limit in memory, or than any limit."""
        allowed = self._limit is None or self._setup.memory_bound(transfer.request) < self._limit
        if status == 200 and transfer.spool is None and allowed:
            self._setup.new_spool(transfer)
            transfer.weight = _SPOOL_WEIGHT
            transfer.attempts -= 1
            self._queue.prepend(transfer)
        elif status == 200:
            self._fail(transfer, FetchFailure(Cause.TOO_LARGE, "", f"longer than {self._limit} bytes"))
        else:
            self._again(transfer, FetchFailure(Cause.SERVER_ERROR, str(status), "an endless error answer"))

    def _refused(self, transfer: Transfer, response: Response) -> None:
        """Take an error answer: retry, ask for credentials, diagnose, or fail."""
        error = self._setup.adapter.service_error(response)
        if error.cause is Cause.THROTTLED:
            self._limiter.throttled(time.monotonic())
        failure = FetchFailure(error.cause, error.code, error.message[:_LONGEST_SENTENCE], error.request_id)
        if error.expired:
            self._hold(transfer, failure)
        elif error.undiagnosed:
            transfer.diagnosis = self._setup.adapter.diagnose(transfer.request, error)
            self._diagnose_further(transfer, None)
        else:
            seconds = response.retry_after()
            if seconds is None and "retry-after" in response.headers:
                transfer.unread.add("retry-after")
            self._again(transfer, failure, retryable=error.retryable, retry_after=seconds)

    def _hold(self, transfer: Transfer, failure: FetchFailure) -> None:
        """Queue a request until credentials are renewed, a limited number of times."""
        transfer.attempts -= 1
        if transfer.epoch < self._credentials_epoch:
            self._queue.append(transfer)  # it was signed before the last renewal
        elif transfer.renewals >= _RENEWALS:
            self._fail(transfer, failure)
        else:
            transfer.renewals += 1
            self._queue.hold(transfer)
            self.needs_credentials = True

    def _diagnose_further(self, transfer: Transfer, answer: Response | None) -> None:
        """Continue a diagnosis with the answer to its last request; send the next one, or fail with its result."""
        assert transfer.diagnosis is not None  # noqa: S101  # only transfers under diagnosis come here
        try:
            transfer.follow_up = transfer.diagnosis.send(answer)
        except StopIteration as finding:
            self._fail(transfer, finding.value)
        else:
            self._queue.prepend(transfer)

    def _again(
        self,
        transfer: Transfer,
        failure: FetchFailure,
        *,
        retryable: bool = True,
        retry_after: float | None = None,
    ) -> None:
        """Schedule the next attempt, or fail with ``failure``."""
        now = time.monotonic()
        if transfer.spool is not None and transfer.spool.received > transfer.received:
            # The time in which bytes arrived does not count.
            transfer.received, transfer.began = transfer.spool.received, now
        delay = self._retry.delay(transfer.attempts, retry_after)
        too_late = now + delay > min(transfer.began + self._retry.seconds, transfer.ends)
        if not retryable or transfer.attempts >= self._retry.attempts or too_late:
            self._fail(transfer, failure)
        else:
            self._queue.retry_at(now + delay, transfer)

    def _spool_failed(self, transfer: Transfer, error: OSError) -> None:
        code = errno.errorcode.get(error.errno or 0, "")
        self._fail(transfer, FetchFailure(Cause.SPOOL, code, error.strerror or str(error)))

    def _fail(self, transfer: Transfer, failure: FetchFailure) -> None:
        if transfer.spool is not None:
            transfer.spool.discard()
        self._done.append(FetchResult(transfer.request, None, None, "", None, failure, transfer.attempts))
