"""Requests that fetch from Google Cloud Storage, and those that diagnose a refusal."""

from __future__ import annotations

from collections.abc import Mapping

from harvester.causes import Cause
from harvester.sessions import GcsConnection
from harvester.storage.base import FetchFailure, FetchRequest
from harvester.storage.gcs.json_api import GcsRequests, parse_json_object, service_error_from
from harvester.storage.http import Checksum, Diagnosis, FollowUpRequest, Response, stated_by_gcs
from harvester.storage.service_errors import ServiceError


class GcsAdapter:
    """One bucket of GCS, fetched with one token."""

    def __init__(self, connection: GcsConnection) -> None:
        """Carry the connection's token."""
        self._requests = GcsRequests(connection)
        self._token = connection.token
        self._anonymous = connection.token is None
        self.states_identity = not self._anonymous

    def request(self, key: str, *, start: int = 0, version: str = "") -> tuple[str, list[str]]:
        """See ProviderAdapter.request."""
        return self._requests.media(key, start=start, generation=version)

    def identity(self, headers: Mapping[str, str]) -> str:
        """See ProviderAdapter.identity."""
        return headers.get("x-goog-generation", "")

    def validator(self, headers: Mapping[str, str]) -> str:
        """See ProviderAdapter.validator. An answer that is transcoded on its way has no stable bytes."""
        return "" if self.altered(headers) else self.identity(headers)

    def stated(self, headers: Mapping[str, str]) -> Checksum | None:
        """See ProviderAdapter.stated."""
        return stated_by_gcs(headers)

    def altered(self, headers: Mapping[str, str]) -> bool:
        """See ProviderAdapter.altered."""
        stored = headers.get("x-goog-stored-content-encoding")
        return stored is not None and stored != headers.get("content-encoding", "identity")

    def service_error(self, response: Response) -> ServiceError:
        """See ProviderAdapter.service_error."""
        return service_error_from(response, "objects.get", anonymous=self._anonymous).masked((self._token,))

    def fetched(self, key: str) -> None:
        """Nothing to note: a bucket of GCS has one owner for all its objects that matters to reading."""

    def diagnose(self, request: FetchRequest, error: ServiceError) -> Diagnosis:
        """Distinguish a denied object from a denied key: metadata needs the same permission, but no key."""
        answer = yield FollowUpRequest("GET", *self._requests.describe(request.key))
        if answer is not None and answer.status == 200:
            key = parse_json_object(answer.body).get("kmsKeyName", "")
            if isinstance(key, str) and key:
                detail = f"the bucket's service agent may not decrypt with {key}"
                return FetchFailure(Cause.KMS_DENIED, error.code, detail, error.request_id)
        return FetchFailure(Cause.OBJECT_DENIED, error.code, "storage.objects.get denied", error.request_id)
