"""What a store's refusal means: one value for both clouds, and the error a person sees for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed, ExitCode, HarvesterError, NoSuchBucket
from harvester.sessions import Login
from harvester.storage.base import Cause

_T = TypeVar("_T")


class ServiceError(NamedTuple):
    """An answer that is no success."""

    cause: Cause
    """What it means by its code and status alone."""
    code: str
    """The store's code, else the status."""
    message: str
    """The store's sentence; shown to people, decides nothing."""
    request_id: str
    """The store's id of the request."""
    status: int
    """The HTTP status."""
    retryable: bool
    """Whether the same request may succeed a little later."""
    expired: bool
    """Whether fresh credentials may help."""
    undiagnosed: bool
    """Whether a refusal has several possible causes, which further questions tell apart."""

    def with_cause(self, cause: Cause) -> ServiceError:
        """Return the same refusal, where its place says more about its cause than the answer."""
        return self._replace(cause=cause)

    def sentence(self) -> str:
        """Code and message in one line."""
        return f"{self.code}: {self.message}" if self.message else self.code


@dataclass(frozen=True, slots=True)
class CallResult(Generic[_T]):
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


def harvester_error(what: str, error: ServiceError, *, url: str, login: Login) -> HarvesterError:
    """Return the error for a refused request on a bucket; ``login`` is how its credentials are renewed."""
    cause, request_id = error.sentence(), error.request_id
    if error.expired:
        return ConfigurationError(
            f"{what}: the login has expired",
            cause=cause,
            code=ErrorCode.LOGIN_EXPIRED,
            subject=url,
            parameters=login._asdict(),
            request_id=request_id,
        )
    match error.cause.exit_code:
        case ExitCode.NO_SUCH_BUCKET:
            return NoSuchBucket(
                f"{what}: the bucket does not exist",
                cause=cause,
                code=ErrorCode.NO_SUCH_BUCKET,
                subject=url,
                request_id=request_id,
            )
        case ExitCode.CONFIGURATION:
            return ConfigurationError(
                f"{what}: this machine's clock is wrong",
                cause=cause,
                code=ErrorCode.CLOCK_SKEW,
                subject=url,
                request_id=request_id,
            )
        case ExitCode.ACCESS_DENIED if error.cause is Cause.CREDENTIALS:
            return AccessDenied(
                f"{what}: the store rejects the credentials",
                cause=cause,
                code=ErrorCode.CREDENTIALS_REJECTED,
                subject=url,
                parameters=login._asdict(),
                request_id=request_id,
            )
        case ExitCode.ACCESS_DENIED:
            return AccessDenied(
                f"{what}: access denied",
                cause=cause,
                code=ErrorCode.STORE_DENIED,
                subject=url,
                request_id=request_id,
            )
        case _:
            return ConnectionFailed(
                f"{what}: no usable answer",
                cause=cause,
                code=ErrorCode.STORE_UNAVAILABLE,
                subject=url,
                request_id=request_id,
            )


def connection_error(what: str, broken: TransportError, *, url: str) -> ConnectionFailed:
    """Return the error for a request that got no whole answer."""
    certificate = not broken.retryable and broken.cause is Cause.NETWORK
    return ConnectionFailed(
        f"{what}: cannot reach the store",
        cause=f"{broken.code}: {broken.detail}",
        code=ErrorCode.CERTIFICATE_REFUSED if certificate else ErrorCode.STORE_UNREACHABLE,
        subject=url,
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


class TransportError(NamedTuple):
    """A request that got no whole answer."""

    cause: Cause
    """``network``, ``timeout`` or ``server_error``."""
    code: str
    """curl's name of the error."""
    detail: str
    """curl's sentence; holds host and port at most."""
    retryable: bool
    """Whether another try may end otherwise; a certificate nobody trusts stays untrusted."""
