"""HTTP responses of the API, and the error that a failed one means. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConnectionFailed, HarvesterError, UsageError
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

    @property
    def is_retryable(self) -> bool:
        """Whether a retry can succeed: throttled, timed out, or a server error."""
        return self.status in {408, 429} or (self.status >= 500 and self.status != 501)

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
    cause = f"HTTP {answer.status}: {message}" if message else f"HTTP {answer.status}"
    request_id = answer.request_id
    match answer.status:
        case 401:
            return AccessDenied(
                f"{origin} rejected the API key",
                cause=cause,
                code=ErrorCode.API_KEY_REJECTED,
                subject=origin,
                request_id=request_id,
            )
        case 402:
            return BudgetExhausted(
                f"Nimble refuses {subject}: the account's budget or trial is used up",
                cause=cause,
                code=ErrorCode.OUT_OF_BUDGET,
                subject=str(subject),
                request_id=request_id,
            )
        case 403:
            return AccessDenied(
                f"this API key may not read {subject}",
                cause=cause,
                code=ErrorCode.API_FORBIDDEN,
                subject=str(subject),
                request_id=request_id,
            )
        case 404:
            return UnknownId(
                f"Nimble knows no {subject}" if subject.id else f"{origin} offers no {subject}",
                expired=False,
                cause=f"{cause}; it belongs to another account, has expired, or never was" if subject.id else cause,
                code=ErrorCode.API_NOT_FOUND,
                subject=str(subject),
                parameters={"noun": subject.noun, "id": subject.id},
                request_id=request_id,
            )
        case 410:
            return UnknownId(
                f"Nimble no longer holds {subject}",
                expired=True,
                cause=cause,
                code=ErrorCode.RESULT_EXPIRED,
                subject=str(subject),
                request_id=request_id,
            )
        case status if 300 <= status < 400:
            return ConnectionFailed(
                f"{origin} redirects the request for {subject}",
                cause=f"HTTP {status}; redirects are not followed, as they would send the API key elsewhere",
                code=ErrorCode.API_ANSWER_UNUSABLE,
                subject=str(subject),
                request_id=request_id,
            )
        case status if answer.is_retryable:
            throttled = status == 429
            # The delay exceeded the patience: show it to the person.
            delay = answer.retry_after(datetime.now(UTC))
            return ConnectionFailed(
                f"Nimble {'keeps throttling' if throttled else 'fails to answer'} the request for {subject}",
                cause=f"{cause}, and asks to wait {delay:,.0f} s" if delay else f"{cause}, after retries",
                code=ErrorCode.API_THROTTLED if throttled else ErrorCode.API_UNAVAILABLE,
                subject=str(subject),
                request_id=request_id,
            )
        case _:
            return UsageError(
                f"Nimble refuses the request for {subject}",
                cause=cause,
                code=ErrorCode.API_REQUEST_REFUSED,
                subject=str(subject),
                request_id=request_id,
            )


def one_line(text: str, *, secret: str = "") -> str:
    """Return a server's message as one short line, with ``secret`` masked."""
    if secret:
        text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"
