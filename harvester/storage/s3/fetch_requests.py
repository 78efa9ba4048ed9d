"""Requests that fetch from S3, and those that diagnose a refusal."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from typing import TypeVar

from harvester.causes import Cause
from harvester.sessions import CheckExemption, S3Connection
from harvester.storage.base import FetchFailure, FetchRequest
from harvester.storage.http import Checksum, Diagnosis, FollowUpRequest, Response, stated_by_s3
from harvester.storage.s3.rest_api import S3Requests, identity_of, parse_bucket_owner, parse_owners, service_error_from
from harvester.storage.service_errors import ServiceError

# IAM's documented grammar of a refusal ("Troubleshoot access denied error messages", IAM User Guide). A message decides
# nothing elsewhere in this program; here it is the only place where AWS names the action it denied.
_DENIED_ACTION = re.compile(
    r"is not authorized to perform: (?P<action>[a-z0-9-]+:[A-Za-z]+)"
    r"(?: on (?:the )?resource:? \"?(?P<resource>arn:[^\s\"]+))?"
)

_T = TypeVar("_T")
_Asking = Generator[FollowUpRequest, Response | None, _T]


class S3Adapter:
    """One bucket of S3, fetched with one set of credentials."""

    states_identity = False

    def __init__(self, connection: S3Connection) -> None:
        """Sign with the connection's credentials."""
        self._requests = S3Requests(connection)
        self._etag_is_md5 = CheckExemption.ETAG_NOT_MD5 not in connection.exemptions
        self._secrets = tuple(connection.credentials)
        self._bucket_owner: str | None = None
        self._readable_key: str | None = None

    def request(self, key: str, *, start: int = 0, version: str = "") -> tuple[str, list[str]]:
        """See ProviderAdapter.request."""
        url, headers = self._requests.fetch(key)
        if start:
            headers = [*headers, f"Range: bytes={start}-", f'If-Match: "{version}"']
        return url, headers

    def identity(self, headers: Mapping[str, str]) -> str:
        """See ProviderAdapter.identity."""
        return identity_of(headers)

    def validator(self, headers: Mapping[str, str]) -> str:
        """See ProviderAdapter.validator. A weak ETag does not imply equal bytes (RFC 9110, section 8.8.1)."""
        etag = headers.get("etag", "")
        return etag[1:-1] if len(etag) > 2 and etag[0] == etag[-1] == '"' and '"' not in etag[1:-1] else ""

    def stated(self, headers: Mapping[str, str]) -> Checksum | None:
        """See ProviderAdapter.stated."""
        return stated_by_s3(headers, etag_is_md5=self._etag_is_md5)

    def altered(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002  # the interface's
        """S3 sends what it stores."""
        return False

    def service_error(self, response: Response) -> ServiceError:
        """See ProviderAdapter.service_error."""
        return service_error_from(response, "GetObject").masked(self._secrets)

    def fetched(self, key: str) -> None:
        """See ProviderAdapter.fetched."""
        self._readable_key = key

    def diagnose(self, request: FetchRequest, error: ServiceError) -> Diagnosis:
        """Distinguish a denied object from a denied KMS key and from an object of another account.

        A HEAD needs the same permission as a GET, but does not decrypt.
        """
        action, resource = _denied_action(error.message)
        answer = yield FollowUpRequest("HEAD", *self._requests.head(request.key))
        if answer is not None and answer.status == 200:
            if answer.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms"):
                key = answer.headers.get("x-amz-server-side-encryption-aws-kms-key-id", "")
                return _failure(error, Cause.KMS_DENIED, f"{action or 'kms:Decrypt'} denied on key {key or resource}")
            return _failure(error, Cause.OBJECT_DENIED, _denial(action or "s3:GetObject", resource, error))
        if action.startswith("kms:"):
            return _failure(error, Cause.KMS_DENIED, f"{action} denied on key {resource}".removesuffix(" on key "))
        owner = yield from self._owner_of(request.key)
        if owner and (yield from self._is_foreign(owner)):
            return _failure(error, Cause.OTHER_OWNER, f"the object is owned by the account with canonical id {owner}")
        return _failure(error, Cause.OBJECT_DENIED, _denial(action, resource, error))

    def _owner_of(self, key: str) -> _Asking[str]:
        parameters = {
            "list-type": "2",
            "encoding-type": "url",
            "fetch-owner": "true",
            "max-keys": "1",
            "prefix": key,
        }
        answer = yield FollowUpRequest("GET", *self._requests.bucket("GET", parameters))
        return parse_owners(answer.body).get(key, "") if answer is not None and answer.status == 200 else ""

    def _is_foreign(self, owner: str) -> _Asking[bool]:
        """Compare with the bucket's owner, or, where its ACL is closed to us, with that of an object we can read."""
        if self._bucket_owner is None:
            answer = yield FollowUpRequest("GET", *self._requests.bucket("GET", {"acl": ""}))
            self._bucket_owner = parse_bucket_owner(answer.body) if answer is not None and answer.status == 200 else ""
        if not self._bucket_owner and self._readable_key is not None:
            self._bucket_owner = yield from self._owner_of(self._readable_key)
        return bool(self._bucket_owner) and owner != self._bucket_owner


def _denied_action(message: str) -> tuple[str, str]:
    found = _DENIED_ACTION.search(message)
    return (found["action"], found["resource"] or "") if found else ("", "")


def _denial(action: str, resource: str, error: ServiceError) -> str:
    if action:
        return f"{action} denied on {resource}" if resource else f"{action} denied"
    return error.code


def _failure(error: ServiceError, cause: Cause, detail: str) -> FetchFailure:
    return FetchFailure(cause, error.code, detail, error.request_id)
