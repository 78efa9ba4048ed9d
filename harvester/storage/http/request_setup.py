"""Requests for the bodies of objects, set up on curl handles."""

from __future__ import annotations

from collections.abc import Callable

import pycurl

from harvester.sessions import BucketConnection
from harvester.storage.base import MEBIBYTE, FetchRequest
from harvester.storage.http.adapter import ProviderAdapter
from harvester.storage.http.follow_up import FollowUpRequest
from harvester.storage.http.http_client import (
    new_handle,
)
from harvester.storage.http.spool import Spool
from harvester.storage.http.transfer import Slot, Transfer

# The most that is handed to Python at once: each time a thread that decodes has to give up the interpreter lock. Pages
# of a buffer that nothing was received into take no memory.
_BUFFER_BYTES = MEBIBYTE


class RequestSetup:
    """Sets up requests with the connection as it is now; a body goes into memory or, from a size on, into a file."""

    def __init__(
        self,
        connection: BucketConnection,
        adapter_for: Callable[[BucketConnection], ProviderAdapter],
        spool_directory: str,
        spool_from: int,
    ) -> None:
        """Bodies of ``spool_from`` bytes and more go to files in ``spool_directory``."""
        self._connection = connection
        self._limit = connection.max_object_bytes
        self._adapter_for = adapter_for
        self.adapter = adapter_for(connection)
        """Signs requests and reads the headers of this provider."""
        self._spool_directory = spool_directory
        self._spool_from = spool_from

    def renew(self, connection: BucketConnection) -> None:
        """Set up the next requests with new credentials."""
        self._connection = connection
        self.adapter = self._adapter_for(connection)

    def handle(self) -> pycurl.Curl:
        """Return a new handle."""
        handle = new_handle(self._connection.network)
        handle.setopt(pycurl.BUFFERSIZE, _BUFFER_BYTES)
        return handle

    def is_spooled(self, request: FetchRequest) -> bool:
        """Return whether the body goes to a file from the start."""
        return request.size >= self._spool_from

    def follow_up(self, handle: pycurl.Curl, follow_up: FollowUpRequest) -> None:
        """Set up a request that diagnoses an answer."""
        handle.setopt(pycurl.URL, follow_up.url)
        handle.setopt(pycurl.HTTPHEADER, follow_up.headers)
        head = follow_up.method == "HEAD"
        if head:
            handle.setopt(pycurl.NOBODY, 1)
        handle.setopt(pycurl.MAXFILESIZE_LARGE, 0 if head else self._connection.answer_limits.error_bytes)

    def prepare(self, slot: Slot, transfer: Transfer) -> None:
        """Set up a handle for the next GET of an object."""
        request, handle = transfer.request, slot.handle
        if transfer.spool is None and request.size < self._spool_from:
            url, headers = self.adapter.request(request.key)
            handle.setopt(pycurl.MAXFILESIZE_LARGE, max(1, self.memory_bound(request)))
        else:
            spool = transfer.spool or self.new_spool(transfer)
            start, validator = spool.resumption()
            spool.expect_answer(slot.lines, start)
            url, headers = self.adapter.request(request.key, start=start, version=validator)
            handle.setopt(pycurl.WRITEFUNCTION, spool.write)
            handle.setopt(pycurl.MAXFILESIZE_LARGE, self._limit or 0)
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.HTTPHEADER, headers)

    def memory_bound(self, request: FetchRequest) -> int:
        """Return how many bytes of an answer may be held in memory: the listed length, or an error document."""
        bound = min(self._spool_from, max(request.size, self._connection.answer_limits.error_bytes))
        return bound if self._limit is None else min(bound, self._limit)

    def new_spool(self, transfer: Transfer) -> Spool:
        """Give a transfer a file for its body."""
        spool = transfer.spool = Spool(
            self._spool_directory,
            self.adapter.stated,
            self.adapter.validator,
            size=transfer.request.size,
            error_bytes=self._connection.answer_limits.error_bytes,
            arrival=transfer.arrival,
        )
        return spool
