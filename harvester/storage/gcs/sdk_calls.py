"""Calls of google-cloud-storage, each as a `CallResult`: everything but listing and fetching, which use curl."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from harvester.causes import Cause
from harvester.retry import RetryPolicy
from harvester.sessions import GoogleSession, StoreSettings, translate_google_auth_errors
from harvester.storage.gcs.json_api import service_error_from
from harvester.storage.http import Response, proxy_asks_for_login
from harvester.storage.service_errors import CallResult, ServiceError, proxy_login_error, unanswered

if TYPE_CHECKING:
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.api_core.retry import Retry
    from google.cloud.storage import Bucket

_Value = TypeVar("_Value")
# Answers about settings are small, so that short limits suffice.
_SETTINGS_RETRY = RetryPolicy(attempts=3, seconds=10.0, max_delay=2.0, connect_seconds=5.0, stall_seconds=10)


def settings_calls(settings: StoreSettings) -> StoreSettings:
    """Return the settings with the short limits of calls about settings."""
    return replace(settings, retry=_SETTINGS_RETRY)


class GcsCalls:
    """Calls the API about one bucket; for one thread."""

    def __init__(self, bucket: str, session: GoogleSession, retry: RetryPolicy) -> None:
        """Ask for no credentials yet."""
        self.bucket = bucket
        self.session = session
        self._policy = retry
        self._opened: Bucket | None = None
        self._request_id = ""

    @property
    def timeout(self) -> tuple[float, float]:
        """Seconds to connect and between two bytes of an answer."""
        return self._policy.connect_seconds, float(self._policy.stall_seconds)

    @property
    def retry(self) -> Retry:
        """The library's retry of transient errors, within the policy's limits; what a proxy refuses stays refused."""
        # The library has no public name for the predicate of its default.
        from google.cloud.storage.retry import DEFAULT_RETRY, _should_retry
        from requests.exceptions import ProxyError

        policy = self._policy
        retry: Retry = (
            DEFAULT_RETRY.with_predicate(lambda error: not isinstance(error, ProxyError) and _should_retry(error))
            .with_delay(policy.base_delay, policy.max_delay, 2.0)
            .with_timeout(policy.seconds)
        )
        return retry

    def call(self, operation: str, call: Callable[[Bucket], _Value]) -> CallResult[_Value]:
        """Return how ``call`` ended; ``operation`` is the API's name for it.

        Raises ConfigurationError without credentials or with an expired login.
        """
        started = time.monotonic()
        value, error = self._attempt(operation, call)
        milliseconds = (time.monotonic() - started) * 1000
        request_id = self._request_id if error is None else error.request_id
        return CallResult(value, error, milliseconds, request_id)

    def _attempt(self, operation: str, call: Callable[[Bucket], _Value]) -> tuple[_Value | None, ServiceError | None]:
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from requests.exceptions import RequestException

        try:
            with translate_google_auth_errors():
                return call(self._bucket()), None
        except GoogleAPICallError as error:
            return None, self._answered(operation, error)
        except RetryError as error:
            if isinstance(error.cause, GoogleAPICallError):
                return None, self._answered(operation, error.cause)
            return None, self._without_answer(error.cause or error)
        except RequestException as error:
            return None, self._without_answer(error)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            # What the library makes of an answer that is JSON and not of the documented form.
            return None, unanswered(
                Cause.SERVER_ERROR, type(error).__name__, "an answer that cannot be read", retryable=False
            )

    def _bucket(self) -> Bucket:
        if self._opened is None:
            self._opened = self.session.client(self._note).bucket(self.bucket)
        return self._opened

    def _note(self, response: requests.Response) -> None:
        self._request_id = response.headers.get("x-guploader-uploadid", "")

    def _without_answer(self, error: BaseException) -> ServiceError:
        from requests.exceptions import ProxyError

        if isinstance(error, ProxyError):
            connection = self.session.connection()
            if proxy_asks_for_login(connection.endpoint, connection.network):
                return proxy_login_error()
        return _unanswered(error)

    def _answered(self, operation: str, error: GoogleAPICallError) -> ServiceError:
        answer = error.response
        if answer is None:
            return unanswered(Cause.SERVER_ERROR, type(error).__name__, error.message or "", retryable=True)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        response = Response(answer.status_code, headers, answer.content)
        return service_error_from(response, operation, anonymous=self.session.anonymous)


def bucket_resource(calls: GcsCalls, bucket: Bucket) -> dict[str, Any]:
    """Return the bucket's resource as sent: the library's properties give an absent setting its default."""
    bucket.reload(retry=calls.retry, timeout=calls.timeout)
    return dict(bucket._properties)  # noqa: SLF001  # see above


def upload(calls: GcsCalls, bucket: Bucket, key: str, body: bytes) -> bool:
    """Write an object, replacing what is there."""
    bucket.blob(key).upload_from_string(
        body, content_type="application/octet-stream", timeout=calls.timeout, retry=calls.retry
    )
    return True


def _unanswered(error: BaseException) -> ServiceError:
    """Return the error of a request without an answer; by name only, as its sentence quotes URLs and whole answers."""
    from requests import exceptions as failures

    match error:
        case failures.SSLError():
            return unanswered(Cause.CERTIFICATE, "SSLError", "the certificate is not trusted", retryable=False)
        case failures.Timeout():
            return unanswered(Cause.TIMEOUT, type(error).__name__, "", retryable=True)
        case failures.JSONDecodeError():
            return unanswered(Cause.SERVER_ERROR, "NotJson", "the answer is no JSON object", retryable=False)
        case _:
            return unanswered(Cause.NETWORK, type(error).__name__, "", retryable=True)
