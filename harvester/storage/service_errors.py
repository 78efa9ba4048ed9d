"""Errors of services as values, alike for all clouds, and the HarvesterError that each becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import ConnectionFailed, HarvesterError
from harvester.sessions import Login
from harvester.text import masked

_T = TypeVar("_T")
_SHORTEST_SECRET = 4  # shorter texts occur by chance


class ServiceError(NamedTuple):
    """A request that was refused, or got no complete answer."""

    cause: Cause
    """What it means, by the table of causes."""
    code: str
    """The service's code, else the status, else the name of the transport's error."""
    message: str
    """The service's sentence, raw; for people."""
    request_id: str
    """The service's id of the request; empty where there was no answer."""
    status: int
    """The HTTP status; 0 where there was no answer."""
    retryable: bool
    """Whether the same request may succeed a little later."""
    expired: bool
    """Whether fresh credentials may help."""

    @property
    def undiagnosed(self) -> bool:
        """Whether it is a denial with several possible causes, which further requests distinguish."""
        return self.status == 403 and self.cause is Cause.OBJECT_DENIED

    def with_cause(self, cause: Cause) -> ServiceError:
        """Return the same error with the cause that follows from the request."""
        return self._replace(cause=cause)

    def masked(self, secrets: Iterable[str | None]) -> ServiceError:
        """Return the same error without the secrets that a service has echoed."""
        parts = [self.code, self.message, self.request_id]
        for secret in secrets:
            if secret and len(secret) >= _SHORTEST_SECRET:
                parts = [part.replace(secret, "***") for part in parts]
        return self._replace(code=parts[0], message=parts[1], request_id=parts[2])

    def sentence(self) -> str:
        """Return code and message in one line."""
        return f"{self.code}: {self.message}" if self.message else self.code


def answered(
    operation: str, status: int, code: str, message: str, request_id: str, *, expired: bool = False
) -> ServiceError:
    """Return the error for an answer; ``operation`` is named as the service names it."""
    # Loaded by the first error: the table takes a millisecond.
    from harvester.cause_rows import find_cause

    cause = find_cause(operation=operation, status=status, code=code, detail=message)
    message = masked(message)
    return ServiceError(
        cause, code or str(status), message, request_id, status, cause.retryable, expired or cause is Cause.EXPIRED
    )


def unanswered(cause: Cause, code: str, message: str, *, retryable: bool) -> ServiceError:
    """Return the error for a request without a usable answer."""
    return ServiceError(cause, code, masked(message), "", 0, retryable, expired=False)


def proxy_login_error() -> ServiceError:
    """Return the error for a request that a proxy did not pass on without a login."""
    return unanswered(Cause.PROXY_LOGIN, "ProxyError", "the proxy answers 407", retryable=False)


class CallResult(NamedTuple, Generic[_T]):
    """How one call ended."""

    value: _T | None
    """What the service returned; None when it refused, or did not answer."""
    error: ServiceError | None
    """Why there is no value; None on success."""
    milliseconds: float
    """How long it took, retries included."""
    request_id: str
    """The service's id of the request; empty when there was no answer."""
    region: str = ""
    """The bucket's region, where the answer names it."""


class TransportError(NamedTuple):
    """A request of curl's that got no complete answer."""

    cause: Cause
    """``network``, ``certificate``, ``timeout``, ``proxy_login`` or ``server_error``."""
    code: str
    """curl's name of the error."""
    detail: str
    """curl's sentence; holds host and port at most."""
    retryable: bool
    """Whether another attempt may succeed."""

    def as_service_error(self) -> ServiceError:
        """Return the same as the error of a service that gave no answer."""
        return unanswered(self.cause, self.code, self.detail, retryable=self.retryable)


_CODES = {
    Cause.CERTIFICATE: ErrorCode.CERTIFICATE_REFUSED,
    Cause.EXPIRED: ErrorCode.LOGIN_EXPIRED,
    Cause.NO_BUCKET: ErrorCode.NO_SUCH_BUCKET,
    Cause.CLOCK_SKEW: ErrorCode.CLOCK_SKEW,
    Cause.CREDENTIALS: ErrorCode.CREDENTIALS_REJECTED,
    Cause.OBJECT_DENIED: ErrorCode.STORE_DENIED,
}


def harvester_error(
    what: str, error: ServiceError, *, url: str, login: Login, codes: Mapping[Cause, ErrorCode] = MappingProxyType({})
) -> HarvesterError:
    """Return the error for a refused request on ``url``; ``login`` is how its credentials are renewed.

    ``codes`` names the kinds of failure for services other than a bucket's.
    """
    if not error.status and error.cause.retryable:
        if error.cause is Cause.SERVER_ERROR and not error.retryable:
            return _unusable(what, error, url, codes.get(error.cause))
        return _unreachable(what, error, url, codes.get(error.cause))
    cause = Cause.EXPIRED if error.expired else error.cause
    fallback = ErrorCode.STORE_UNAVAILABLE if cause.retryable else ErrorCode.STORE_REFUSED
    code = codes.get(cause) or _CODES.get(cause, fallback)
    return cause.error_class(
        f"{what}: {cause.sentence}",
        code=code,
        subject=url,
        cause=error.sentence(),
        request_id=error.request_id,
        parameters={"reason": cause.value} if code is ErrorCode.STORE_REFUSED else login._asdict(),
        retryable=cause.retryable,
    )


def _unreachable(what: str, error: ServiceError, url: str, code: ErrorCode | None) -> HarvesterError:
    """Return the error for a request that got no complete answer."""
    return ConnectionFailed(
        f"{what}: cannot reach the store",
        cause=error.sentence(),
        code=code or ErrorCode.STORE_UNREACHABLE,
        subject=url,
    )


def _unusable(what: str, error: ServiceError, url: str, code: ErrorCode | None) -> HarvesterError:
    """Return the error for an answer that cannot be processed, such as one without an end."""
    return ConnectionFailed(
        f"{what}: {error.cause.sentence}",
        cause=error.sentence(),
        code=code or ErrorCode.NOT_A_STORE,
        subject=url,
        parameters={"speaks": url.partition(":")[0]},
    )


def invalid_listing(what: str, error: Exception, *, scheme: str, request_id: str = "") -> ConnectionFailed:
    """Return the error for a list answer that cannot be used."""
    return ConnectionFailed(
        f"{what}: the answer is no list page",
        cause=str(error),
        code=ErrorCode.NOT_A_STORE,
        parameters={"speaks": scheme},
        request_id=request_id,
    )
