"""HTTP responses of the API, and the error that a failed one means. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from harvester.cause_rows import find_cause
from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed, HarvesterError, UsageError
from harvester.nimble_api.decoding import error_text
from harvester.retry import parse_retry_after

_LONGEST_MESSAGE = 300


class UnknownId(UsageError):
    """The API does not know this id (404), or no longer holds it (410)."""

    def __init__(
        self,
        what: str,
        *,
        expired: bool,
        code: ErrorCode,
        subject: str = "",
        cause: str = "",
        request_id: str = "",
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        """Keep ``expired`` with the message."""
        super().__init__(what, code=code, subject=subject, cause=cause, request_id=request_id, parameters=parameters)
        self.expired = expired
        """Whether the API states that it existed (410)."""


class BudgetExhausted(AccessDenied):
    """The account has no budget left, or its trial has ended (402); not retryable."""


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """One HTTP response."""

    status: int
    """The HTTP status."""
    headers: Mapping[str, str]
    """The headers, names in lower case."""
    content: bytes
    """The body."""

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300

    def cause(self, subject: Subject) -> Cause:
        """Return what a response that is not ok means, by the table of causes."""
        return find_cause(operation=f"nimble.{subject.noun}", status=self.status, code="", detail="")

    @property
    def is_throttled(self) -> bool:
        """Whether the API asked for fewer requests."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS

    @property
    def concerns_the_path(self) -> bool:
        """Whether a 404 concerns the path rather than the id.

        The documented 404 of an id is an object with ``status`` (``failed``); a router without
        such a path answers with HTML, plain text, or an object of its framework.
        """
        if self.status != 404:
            return False
        body = self.json()
        return not (isinstance(body, dict) and ("success" in body or body.get("status") in {"failed", "error"}))

    def json(self) -> object:
        """Return the decoded body, or None if it is not JSON."""
        try:
            # Task inputs contain scraped text with lone surrogates, which stricter decoders reject.
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    def retry_after(self, now: datetime) -> float | None:
        """Return the server's delay in seconds (``Retry-After``: seconds, or a date), or None if it names none."""
        text = self.headers.get("retry-after", "")
        return parse_retry_after(text, now) if text else None

    @property
    def request_id(self) -> str:
        """The id the server gave the request, for its support; empty where it gave none."""
        names = ("x-request-id", "x-amzn-requestid", "x-amz-cf-id", "cf-ray")
        return next((one_line(self.headers[name]) for name in names if self.headers.get(name)), "")


@dataclass(frozen=True, slots=True)
class Subject:
    """The resource of a request, for messages."""

    noun: str
    """task, results of task, batch, run, …"""
    id: str = ""
    """Its id; empty for a list."""

    def __str__(self) -> str:
        """Return noun and id."""
        return f"{self.noun} {self.id}".strip()


def error_for_response(answer: ApiResponse, subject: Subject, *, origin: str, secret: str) -> HarvesterError:
    """Return the error that ``answer`` (not ok) means for ``subject``.

    ``origin`` is the API's address for the messages; ``secret`` is masked in the server's message.
    """
    message = one_line(error_text(answer.json()) or "", secret=secret)
    cause = answer.cause(subject)
    what, code = _what(cause, subject, origin)
    detail = f"HTTP {answer.status}: {message}" if message else f"HTTP {answer.status}"
    match cause:
        case Cause.GONE if subject.id:
            detail += "; it belongs to another account, has expired, or never was"
        case Cause.WRONG_ENDPOINT:
            detail = f"HTTP {answer.status}; redirects are not followed, as they would send the API key elsewhere"
        case _ if cause.retryable:
            # The delay is longer than a request may be retried: it is shown.
            delay = answer.retry_after(datetime.now(UTC))
            detail += f", and asks to wait {delay:,.0f} s" if delay else ", after retries"
    about = origin if cause is Cause.CREDENTIALS else str(subject)
    request_id = answer.request_id
    if cause in (Cause.GONE, Cause.RESULT_EXPIRED):
        return UnknownId(
            what,
            expired=cause is Cause.RESULT_EXPIRED,
            cause=detail,
            code=code,
            subject=about,
            parameters={"noun": subject.noun, "id": subject.id},
            request_id=request_id,
        )
    parameters = {"reason": cause.value} if cause is Cause.PROXY_LOGIN else None
    kind = _KINDS.get(cause, ConnectionFailed if cause.retryable else UsageError)
    return kind(what, cause=detail, code=code, subject=about, request_id=request_id, parameters=parameters)


_KINDS: Mapping[Cause, type[HarvesterError]] = {
    Cause.CREDENTIALS: AccessDenied,
    Cause.BUDGET: BudgetExhausted,
    Cause.OBJECT_DENIED: AccessDenied,
    Cause.WRONG_ENDPOINT: ConfigurationError,
    Cause.PROXY_LOGIN: ConfigurationError,
}


def _what(cause: Cause, subject: Subject, origin: str) -> tuple[str, ErrorCode]:
    """Return what failed, and the kind of failure."""
    match cause:
        case Cause.CREDENTIALS:
            return f"{origin} rejected the API key", ErrorCode.API_KEY_REJECTED
        case Cause.BUDGET:
            return f"Nimble refuses {subject}: {cause.sentence}", ErrorCode.OUT_OF_BUDGET
        case Cause.OBJECT_DENIED:
            return f"this API key may not read {subject}", ErrorCode.API_FORBIDDEN
        case Cause.GONE:
            what = f"Nimble knows no {subject}" if subject.id else f"{origin} offers no {subject}"
            return what, ErrorCode.API_NOT_FOUND
        case Cause.RESULT_EXPIRED:
            return f"Nimble no longer holds {subject}", ErrorCode.RESULT_EXPIRED
        case Cause.WRONG_ENDPOINT:
            return f"{origin} redirects the request for {subject}", ErrorCode.API_ANSWER_UNUSABLE
        case Cause.PROXY_LOGIN:
            return f"cannot reach {origin}: {cause.sentence}", ErrorCode.STORE_REFUSED
        case Cause.THROTTLED:
            return f"Nimble keeps throttling the request for {subject}", ErrorCode.API_THROTTLED
        case _ if cause.retryable:
            return f"Nimble fails to answer the request for {subject}", ErrorCode.API_UNAVAILABLE
        case _:
            return f"Nimble refuses the request for {subject}", ErrorCode.API_REQUEST_REFUSED


def one_line(text: str, *, secret: str = "") -> str:
    """Return a server's message as one short line, with ``secret`` masked."""
    if secret:
        text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"
