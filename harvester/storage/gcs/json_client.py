"""Single requests of the JSON API of Google Cloud Storage, each with how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from harvester.retry import RetryPolicy
from harvester.sessions import FULL_CONTROL_SCOPE, GoogleSession, StoreSettings
from harvester.storage.base import Cause
from harvester.storage.gcs.json_api import GcsRequests, service_error_from
from harvester.storage.http import HttpClient, Response
from harvester.storage.service_errors import CallResult, ServiceError, TransportError

# A follow_up about a setting is small: who has not answered by then will not.
_PATIENCE = RetryPolicy(attempts=3, seconds=20.0, connect_seconds=5.0, stall_seconds=10)

Make = Callable[[GcsRequests], tuple[str, list[str]]]


class GcsClient:
    """Asks one bucket."""

    def __init__(self, bucket: str, settings: StoreSettings) -> None:
        """Ask for no credentials yet."""
        self.bucket = bucket
        self._session = GoogleSession(bucket, replace(settings, retry=_PATIENCE), FULL_CONTROL_SCOPE)

    def bucket_json(
        self,
        method: str,
        path: str = "",
        parameters: Sequence[tuple[str, str]] = (),
        document: Mapping[str, Any] | None = None,
    ) -> CallResult[dict[str, Any]]:
        """Ask for the bucket's resource, or what lies under it (``/iam``)."""

        def make(_: GcsRequests) -> tuple[str, list[str]]:
            connection = self._session.connection()
            query = f"?{urlencode(parameters)}" if parameters else ""
            url = f"{connection.endpoint}/storage/v1/b/{quote(self.bucket, safe='')}{path}{query}"
            headers = ["Content-Type: application/json", "Expect:"] if document is not None else []
            if connection.token is not None:
                headers.append(f"Authorization: Bearer {connection.token}")
            if connection.user_project is not None:
                headers.append(f"x-goog-user-project: {connection.user_project}")
            return url, headers

        answer = self.send(method, make, None if document is None else orjson.dumps(document))
        if answer.value is None:
            return replace_value(answer, None)
        try:
            value = orjson.loads(answer.value.body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            return replace_value(answer, None, _no_json(answer.request_id))
        return replace_value(answer, value)

    def send(
        self, method: str, make: Make, body: bytes | None = None, headers: tuple[str, ...] = ()
    ) -> CallResult[Response]:
        """Send patiently; an answer of 300 and above is a ServiceError, a missing bucket included.

        Raises ConfigurationError without credentials, or with an expired login.
        """
        started = time.monotonic()

        def attempt() -> tuple[str, str, list[str], bytes | None]:
            url, lines = make(GcsRequests(self._session.connection()))
            return method, url, [*lines, *headers], body

        connection = self._session.connection()
        exchange = HttpClient(connection.network, connection.answer_limits)
        try:
            answer = exchange.send_with_retries(attempt, self._is_retryable)
        finally:
            exchange.close()
        milliseconds = (time.monotonic() - started) * 1000
        if isinstance(answer, TransportError):
            return CallResult(None, _broken(answer), milliseconds, "")
        request_id = answer.headers.get("x-guploader-uploadid", "")
        error = self._service_error(answer) if answer.status >= 300 else None
        return CallResult(answer if error is None else None, error, milliseconds, request_id)

    def _service_error(self, answer: Response) -> ServiceError:
        return service_error_from(answer, anonymous=self._session.anonymous)

    def _is_retryable(self, answer: Response) -> bool:
        return answer.status >= 300 and self._service_error(answer).retryable


def replace_value(
    answer: CallResult[Response], value: dict[str, Any] | None, error: ServiceError | None = None
) -> CallResult[dict[str, Any]]:
    """Return the same answer with its body read."""
    return CallResult(value, error or answer.error, answer.milliseconds, answer.request_id)


def _broken(broken: TransportError) -> ServiceError:
    return ServiceError(
        cause=broken.cause,
        code=broken.code,
        message=broken.detail,
        request_id="",
        status=0,
        retryable=broken.retryable,
        expired=False,
        undiagnosed=False,
    )


def _no_json(request_id: str) -> ServiceError:
    return ServiceError(
        cause=Cause.SERVER_ERROR,
        code="NotJson",
        message="the answer is no JSON object",
        request_id=request_id,
        status=200,
        retryable=False,
        expired=False,
        undiagnosed=False,
    )
