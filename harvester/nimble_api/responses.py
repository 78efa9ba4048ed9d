"""One HTTP answer of the API, and what a refusal means: a pure function from status, headers and body to an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConnectionFailed, HarvesterError, UsageError
from harvester.nimble_api.decoding import said
from harvester.retry import parse_retry_after

_LONGEST_WORDS = 300


class NotThere(UsageError):
    """The API knows nothing under this id (404), or no longer (410)."""

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
        """Keep ``expired`` beside the three lines."""
        super().__init__(what, code=code, subject=subject, cause=cause, request_id=request_id, parameters=parameters)
        self.expired = expired
        """Whether the API itself says that it was there once (410)."""


class OutOfBudget(AccessDenied):
    """The account has no budget left, or its trial has ended (402): no retry can help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    """The HTTP status."""
    headers: Mapping[str, str]
    """The headers, names in lower case."""
    content: bytes
    """The body."""

    @property
    def ok(self) -> bool:
        """Whether the API did what was asked."""
        return 200 <= self.status < 300

    @property
    def worth_retrying(self) -> bool:
        """Whether the same request may be answered later: throttled, timed out, or a failure of the server's own."""
        return self.status in {408, 429} or (self.status >= 500 and self.status != 501)

    @property
    def concerns_the_path(self) -> bool:
        """Whether a 404 is about the path and not about the id.

        The documented 404 of an id is an object with ``status`` (``failed``); a router that knows no such path
        answers with a page, plain text, or an object of its own framework.
        """
        if self.status != 404:
            return False
        body = self.json()
        return not (isinstance(body, dict) and ("success" in body or body.get("status") in {"failed", "error"}))

    def json(self) -> object:
        """Return the decoded body, or None where it is no JSON."""
        try:
            # Not the stricter decoders: inputs of tasks hold scraped text, half surrogate pairs included.
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    def retry_after(self, now: datetime) -> float | None:
        """Return the server's delay in seconds (``Retry-After``: seconds, or a date), or None where it names none."""
        text = self.headers.get("retry-after", "")
        return parse_retry_after(text, now) if text else None

    @property
    def request_id(self) -> str:
        """The id the server gave the request, for its support; empty where it gave none."""
        names = ("x-request-id", "x-amzn-requestid", "x-amz-cf-id", "cf-ray")
        return next((clean(self.headers[name]) for name in names if self.headers.get(name)), "")


@dataclass(frozen=True, slots=True)
class Subject:
    """What was asked for, in a person's words."""

    noun: str
    """task, results of task, batch, run, …"""
    id: str = ""
    """Its id; empty for a list."""

    def __str__(self) -> str:
        """Return the words."""
        return f"{self.noun} {self.id}".strip()


def refusal(answer: Answer, subject: Subject, *, origin: str, secret: str) -> HarvesterError:
    """Return the error that ``answer`` (not ok) means for ``subject``.

    ``origin`` is the API's address for the messages; ``secret`` is cut out of whatever the server says.
    """
    words = clean(said(answer.json()) or "", secret=secret)
    spoken = f"HTTP {answer.status}: {words}" if words else f"HTTP {answer.status}"
    request_id = answer.request_id
    match answer.status:
        case 401:
            return AccessDenied(
                f"{origin} rejected the API key",
                cause=spoken,
                code=ErrorCode.API_KEY_REJECTED,
                subject=origin,
                request_id=request_id,
            )
        case 402:
            return OutOfBudget(
                f"Nimble refuses {subject}: the account's budget or trial is used up",
                cause=spoken,
                code=ErrorCode.OUT_OF_BUDGET,
                subject=str(subject),
                request_id=request_id,
            )
        case 403:
            return AccessDenied(
                f"this API key may not see {subject}",
                cause=spoken,
                code=ErrorCode.API_FORBIDDEN,
                subject=str(subject),
                request_id=request_id,
            )
        case 404:
            return NotThere(
                f"Nimble knows no {subject}" if subject.id else f"{origin} offers no {subject}",
                expired=False,
                cause=f"{spoken}; it belongs to another account, has expired, or never was" if subject.id else spoken,
                code=ErrorCode.API_NOT_FOUND,
                subject=str(subject),
                parameters={"noun": subject.noun, "id": subject.id},
                request_id=request_id,
            )
        case 410:
            return NotThere(
                f"Nimble no longer holds {subject}",
                expired=True,
                cause=spoken,
                code=ErrorCode.RESULT_EXPIRED,
                subject=str(subject),
                request_id=request_id,
            )
        case status if answer.worth_retrying:
            throttled = status == 429
            # A delay that was too long to be waited for is for a person to know.
            delay = answer.retry_after(datetime.now(UTC))
            return ConnectionFailed(
                f"Nimble {'keeps throttling' if throttled else 'fails to answer'} the request for {subject}",
                cause=f"{spoken}, and asks to wait {delay:,.0f} s" if delay else f"{spoken}, after retries",
                code=ErrorCode.API_THROTTLED if throttled else ErrorCode.API_UNAVAILABLE,
                subject=str(subject),
                request_id=request_id,
            )
        case _:
            return UsageError(
                f"Nimble refuses the request for {subject}",
                cause=spoken,
                code=ErrorCode.API_REQUEST_REFUSED,
                subject=str(subject),
                request_id=request_id,
            )


def clean(text: str, *, secret: str = "") -> str:
    """Return what a server said as one short line, without ``secret``."""
    if secret:
        text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_WORDS else text[: _LONGEST_WORDS - 1] + "…"
