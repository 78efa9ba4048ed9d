"""Single objects of a bucket through Google's own client: looked at and put, where a request more or less is no matter.

Listings and bodies do not come this way: see gcs_store and bucket_fetcher.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from harvester.error_codes import ErrorCode
from harvester.errors import ConnectionFailed
from harvester.retry import RetryPolicy
from harvester.sessions import GoogleSession
from harvester.storage.base import ObjectRef
from harvester.storage.http import Response

if TYPE_CHECKING:
    from google.cloud.storage import Bucket

_Value = TypeVar("_Value")


class Refused(Exception):  # within this room a refusal travels as an exception and leaves it as an error
    """The store answered, and not with success."""

    def __init__(self, response: Response) -> None:
        """Keep the answer."""
        super().__init__(response.status)
        self.response = response


class GcsObjects:
    """The objects of one bucket, one at a time."""

    def __init__(self, bucket: str, session: GoogleSession, retry: RetryPolicy) -> None:
        """Ask for no credentials yet."""
        self._name = bucket
        self._session = session
        self._retry = retry
        self._bucket: Bucket | None = None

    def head(self, key: str, what: str) -> ObjectRef | None:
        """Return what the store says of ``key``, None when there is no such object, or no such bucket.

        Raises Refused, ConnectionFailed (``what`` is its first line) or ConfigurationError.
        """
        from google.cloud.storage.retry import DEFAULT_RETRY

        retry = DEFAULT_RETRY.with_timeout(self._retry.seconds)
        blob = self._ask(what, lambda bucket: bucket.get_blob(key, retry=retry, timeout=self._retry.stall_seconds))
        if blob is None:
            return None
        return ObjectRef(blob.name, blob.size, str(blob.generation), blob.updated.timestamp(), blob.storage_class or "")

    def put(self, key: str, body: bytes, what: str) -> None:
        """Store ``body`` under ``key``. Raises like ``head``."""
        self._ask(
            what,
            lambda bucket: bucket.blob(key).upload_from_string(
                body, content_type="application/octet-stream", timeout=self._retry.stall_seconds
            ),
        )

    def _ask(self, what: str, ask: Callable[[Bucket], _Value]) -> _Value:
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.auth.exceptions import GoogleAuthError
        from requests.exceptions import RequestException

        if self._bucket is None:
            self._bucket = self._session.client().bucket(self._name)
        try:
            return ask(self._bucket)
        except GoogleAPICallError as error:
            raise Refused(_response(error)) from error
        except RetryError as error:
            if isinstance(error.cause, GoogleAPICallError):
                raise Refused(_response(error.cause)) from error
            raise ConnectionFailed(what, cause=type(error.cause).__name__) from error
        except (RequestException, GoogleAuthError) as error:
            # Only the name: a connection's sentence quotes URLs and whole answers.
            raise ConnectionFailed(what, cause=type(error).__name__, code=ErrorCode.STORE_UNREACHABLE) from error


def _response(error: object) -> Response:
    answer = getattr(error, "response", None)
    if answer is None:
        return Response(int(getattr(error, "code", None) or 500), {}, b"")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status_code, headers, answer.content)
