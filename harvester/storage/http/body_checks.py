"""Compare received bodies with what the store states, and recognise a store whose statements are no checksums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from harvester.causes import Cause
from harvester.sessions import CheckExemption
from harvester.storage.base import FetchFailure, FetchRequest
from harvester.storage.http.adapter import ProviderAdapter
from harvester.storage.http.checksums import ETAG_MD5, Checksum

_OBJECTS_FOR_A_DIAGNOSIS = 2


class BodyFault(NamedTuple):
    """Why a body is not the object that was asked for."""

    failure: FetchFailure
    """What to report."""
    retryable: bool
    """Whether another request may return other bytes."""


class BodyChecker:
    """Checks the bodies that one fetcher receives.

    One object that never matches is damaged in transfer or in the store. When two have arrived with the listed length
    and the same bytes twice, and no ETag has ever matched, the store's ETags are no MD5 digests: that is reported for
    the store as a whole. The same holds for objects that are sent inflated.
    """

    def __init__(self, exemptions: frozenset[CheckExemption], *, single_attempt: bool) -> None:
        """Leave out what ``exemptions`` name; ``single_attempt``: no object is fetched twice."""
        self._exemptions = exemptions
        self._single_attempt = single_attempt
        self._etag_matched = False
        self._mismatches: dict[str, str] = {}
        self._stable: set[str] = set()
        self._transcoded: set[str] = set()

    def fault(
        self,
        request: FetchRequest,
        headers: Mapping[str, str],
        size: int,
        checksum: Checksum | None,
        adapter: ProviderAdapter,
    ) -> BodyFault | None:
        """Return why a body is refused, None when it is the object."""
        request_id = request_id_of(headers)
        identity = adapter.identity(headers)
        transcoded = adapter.altered(headers)
        if transcoded and CheckExemption.TRANSCODED not in self._exemptions:
            return self._transcoding(request, request_id)
        mismatch = checksum.mismatch() if checksum is not None else ""
        if mismatch:
            return self._mismatch(request, size, checksum, mismatch, request_id)
        if checksum is not None and checksum.name == ETAG_MD5:
            self._etag_matched = True
        if not identity and adapter.states_identity:
            return _integrity("the answer names no version", request_id)
        # The listed length binds the same version, an answer that states none, and one that nothing else describes.
        binding = identity == request.etag or not _states_length(headers) or not (identity or checksum)
        if size != request.size and binding and not transcoded:
            return _integrity(f"{size} bytes came, {request.size} are listed", request_id)
        return None

    def _mismatch(
        self, request: FetchRequest, size: int, checksum: Checksum | None, mismatch: str, request_id: str
    ) -> BodyFault:
        if checksum is not None and checksum.name == ETAG_MD5 and size == request.size and not self._etag_matched:
            if self._single_attempt or self._mismatches.get(request.key) == mismatch:
                self._stable.add(request.key)
            self._mismatches[request.key] = mismatch
            if len(self._stable) >= _OBJECTS_FOR_A_DIAGNOSIS:
                return BodyFault(FetchFailure(Cause.ETAG_NOT_MD5, "", mismatch, request_id), retryable=False)
        return _integrity(mismatch, request_id)

    def _transcoding(self, request: FetchRequest, request_id: str) -> BodyFault:
        self._transcoded.add(request.key)
        if len(self._transcoded) >= _OBJECTS_FOR_A_DIAGNOSIS or self._single_attempt:
            failure = FetchFailure(Cause.TRANSCODED, "", "sent inflated, stored with Content-Encoding gzip", request_id)
            return BodyFault(failure, retryable=False)
        return _integrity("the answer is a transcoding of the stored bytes", request_id)


def _integrity(detail: str, request_id: str) -> BodyFault:
    return BodyFault(FetchFailure(Cause.INTEGRITY, "", detail, request_id), retryable=True)


def _states_length(headers: Mapping[str, str]) -> bool:
    """Return whether curl can detect a body that was cut off."""
    return "content-length" in headers or "chunked" in headers.get("transfer-encoding", "")


def request_id_of(headers: Mapping[str, str]) -> str:
    """Return the store's id of a request."""
    return headers.get("x-amz-request-id") or headers.get("x-guploader-uploadid", "")
