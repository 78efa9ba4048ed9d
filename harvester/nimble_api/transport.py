"""Send requests to Nimble's API through the official SDK: path versions, retries, deadlines.

The SDK's own retries are off: they ignore a ``Retry-After`` above a minute and have no deadline.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, ConnectionFailed, IntegrityError, TimedOut
from harvester.nimble_api.bounded_http import DEFAULT_MAX_RESPONSE_BYTES, UnusableBody, bounded_client
from harvester.nimble_api.rate_limiter import RateLimiter
from harvester.nimble_api.responses import ApiResponse, Subject, error_for_response, one_line
from harvester.retry import backoff_delay
from policies import facts

if TYPE_CHECKING:
    # The SDK takes most of a second to import: only a program that talks to the API pays for it.
    import httpx
    from nimble_python import APIResponse, Nimble

_Version = Literal["v2", "v1"]
_FIRST_DELAY = 0.5
_LONGEST_DELAY = 8.0


class ApiTransport:
    """Sends requests with one API key; thread-safe."""

    def __init__(
        self,
        api_key: str,
        base_url: str,
        *,
        attempts: int,
        retry_seconds: float,
        deadline: float | None,
        requests_per_second: float,
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
    ) -> None:
        """Open no connection yet; raise ConfigurationError for an invalid key or address. See NimbleClient."""
        self._api_key = _checked_key(api_key)
        self._base_url = _checked_base_url(base_url)
        self._attempts = attempts
        self._retry_seconds = retry_seconds
        self._deadline = deadline
        self._max_response_bytes = max_response_bytes
        self._rate_limiter = RateLimiter(requests_per_second)
        self._sdks: dict[_Version, Nimble] = {}
        self._versions: dict[str, _Version] = {}
        self._setting_up = threading.Lock()

    @contextlib.contextmanager
    def until(self, deadline: float | None) -> Iterator[None]:
        """Apply ``deadline`` (a value of ``time.monotonic()``) within the context; None changes nothing."""
        before = self._deadline
        self._deadline = before if deadline is None else deadline
        try:
            yield
        finally:
            self._deadline = before

    def close(self) -> None:
        """Close the connections."""
        for sdk in self._sdks.values():
            sdk.close()
        self._sdks.clear()

    @property
    def origin(self) -> str:
        """The API's address without credentials, path and query."""
        return _origin(self._base_url)

    def request(self, resource: str, call: Callable[[Nimble], APIResponse[Any]], subject: Subject) -> ApiResponse:
        """Return the successful response to ``call``, from the path version that has the resource; raise otherwise."""
        settled = self._versions.get(resource)
        candidates: tuple[_Version, ...] = (settled,) if settled else ("v2", "v1")
        answer = None
        for version in candidates:
            answer = self._send(version, call, subject)
            if not answer.concerns_the_path:
                self._versions[resource] = version
                break
        assert answer is not None  # noqa: S101  # candidates is never empty
        if not answer.ok:
            raise error_for_response(answer, subject, origin=self.origin, secret=self._api_key)
        return answer

    def _send(self, version: _Version, call: Callable[[Nimble], APIResponse[Any]], subject: Subject) -> ApiResponse:
        """Send until a final response; retry throttling and failures of server and network."""
        from nimble_python import APIConnectionError, APIStatusError

        sdk = self._sdk(version)
        waited, attempt = 0.0, 0
        while True:
            attempt += 1
            self._rate_limiter.acquire()
            answer: ApiResponse | None = None
            failure = ""
            try:
                response = call(sdk).http_response
                answer = ApiResponse(response.status_code, _headers(response.headers), response.content)
            except APIStatusError as error:
                answer = ApiResponse(error.status_code, _headers(error.response.headers), error.response.content)
            except APIConnectionError as error:
                if isinstance(error.__cause__, UnusableBody):
                    raise IntegrityError(
                        f"the response of {self.origin} to the request for {subject} cannot be used",
                        cause=str(error.__cause__),
                        code=ErrorCode.API_BODY_UNUSABLE,
                        subject=str(subject),
                    ) from error
                failure = one_line(f"{error} {error.__cause__ or ''}", secret=self._api_key)
            if answer is not None and (answer.ok or not answer.cause(subject).retryable):
                return answer
            named = answer.retry_after(datetime.now(UTC)) if answer is not None else None
            pause = backoff_delay(attempt, _FIRST_DELAY, _LONGEST_DELAY) if named is None else max(named, 0.1)
            # Throttling does not count as a failed attempt; only ``retry_seconds`` ends it.
            spent = attempt >= self._attempts and not (answer is not None and answer.is_throttled)
            if spent or waited + pause > self._retry_seconds:
                if answer is not None:
                    return answer
                raise ConnectionFailed(
                    f"no answer from {self.origin} to the request for {subject}",
                    cause=f"{failure}, after {attempt} attempts",
                    code=ErrorCode.API_UNREACHABLE,
                    subject=str(subject),
                )
            if self._deadline is not None and time.monotonic() + pause > self._deadline:
                raise TimedOut(
                    f"the deadline passed before Nimble answered the request for {subject}",
                    cause=f"HTTP {answer.status}, asked to wait {pause:.0f} s" if answer is not None else failure,
                    code=ErrorCode.API_TIMED_OUT,
                    subject=str(subject),
                )
            self._rate_limiter.pause(pause)
            waited += pause

    def _sdk(self, version: _Version) -> Nimble:
        """Return the SDK's client for a path version, created on first use."""
        with self._setting_up:
            if version not in self._sdks:
                self._sdks[version] = self._new_sdk(version)
            return self._sdks[version]

    def _new_sdk(self, version: _Version) -> Nimble:
        from nimble_python import Nimble, Timeout

        prefix = urlsplit(self._base_url).path.rstrip("/").encode()

        def rewrite_version(request: httpx.Request) -> None:
            # The SDK uses /v2 only; the older paths have the same shapes.
            url = request.url
            if url.raw_path.startswith(prefix + b"/v2/"):
                tail = url.raw_path[len(prefix) + 4 :]
                request.url = url.copy_with(raw_path=prefix + b"/v1/" + tail)

        try:
            hooks = [rewrite_version] if version == "v1" else []
            http = bounded_client(self._max_response_bytes, request_hooks=hooks)
        except (ImportError, ValueError) as error:
            # An unusable proxy in the environment.
            raise ConfigurationError(
                "the HTTP client cannot be set up", cause=one_line(str(error)), code=ErrorCode.PROXY_INVALID
            ) from error
        return Nimble(
            api_key=self._api_key,
            base_url=self._base_url,
            max_retries=0,
            timeout=Timeout(60.0, connect=10.0),
            http_client=http,
        )


def _headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _checked_key(api_key: str) -> str:
    # Other characters cannot be sent in a header; most often they are a pasted line end or a curly quote.
    if not api_key or not all("!" <= char <= "~" for char in api_key):
        raise ConfigurationError(
            "NIMBLE_API_KEY is not an API key",
            cause="it is empty, or contains white space or characters that no key has",
            code=ErrorCode.API_KEY_INVALID,
        )
    return api_key


def _checked_base_url(base_url: str) -> str:
    wrong = ""
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        wrong = "it is not a valid URL"
    else:
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            wrong = "it starts with http:// or https://, then the host"
        elif any(character.isspace() or not character.isprintable() for character in base_url):
            wrong = "white space or a control character is in it"
        elif parts.query or parts.fragment:
            wrong = "it has neither ? nor #"
        elif parts.path.rstrip("/").rpartition("/")[2] in {"v1", "v2"}:
            wrong = "the path version (/v1, /v2) is detected automatically"
    if wrong:
        raise ConfigurationError(
            "NIMBLE_BASE_URL is not the address of an API",
            cause=wrong,
            code=ErrorCode.API_ADDRESS_INVALID,
            parameters={"default": facts().api.base_url},
        )
    return base_url


def _origin(base_url: str) -> str:
    parts = urlsplit(base_url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"
