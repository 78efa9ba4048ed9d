"""boto3 clients for calls that are rare: settings, policies, probes. Listing and fetching use curl instead.

Every call returns a `CallResult`. An error answer of the service is a value, never an exception; missing credentials
and an invalid configuration raise.
"""

from __future__ import annotations

import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

import boto3
import botocore.session
from botocore import exceptions as refusals
from botocore import xform_name
from botocore.config import Config
from botocore.parsers import ResponseParserError

from harvester.causes import Cause
from harvester.errors import UsageError
from harvester.retry import RetryPolicy
from harvester.sessions import (
    StoreSettings,
    resolve_credentials,
    resolve_network,
    service_model_loader,
    translate_botocore_errors,
)
from harvester.storage.http import proxy_asks_for_login
from harvester.storage.service_errors import CallResult, ServiceError, answered, proxy_login_error, unanswered

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3control import S3ControlClient
    from mypy_boto3_sts import STSClient

# Answers about settings are small, so that short limits suffice.
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 6.0
_ATTEMPTS = 3
# Used where nothing names a region: S3 corrects it, and STS answers there.
_ANY_REGION = "us-east-1"


def ask(call: Callable[..., Any], /, **parameters: Any) -> CallResult[dict[str, Any]]:
    """Call an operation of a boto3 client and return how it ended.

    Raises ConfigurationError for missing credentials or an expired login.
    """
    started = time.monotonic()
    try:
        with translate_botocore_errors(None):
            value = _called(call, parameters)
    except _RefusedError as refused:
        return CallResult(None, refused.error, _since(started), refused.error.request_id, refused.region)
    metadata = value.pop("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    return CallResult(
        value, None, _since(started), metadata.get("RequestId", ""), headers.get("x-amz-bucket-region", "")
    )


class _RefusedError(Exception):
    def __init__(self, error: ServiceError, region: str = "") -> None:
        super().__init__(error.code)
        self.error = error
        self.region = region


def _called(call: Callable[..., Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(call(**parameters))
    except refusals.ClientError as error:
        if xform_name(error.operation_name) != _operation(call):
            raise  # a service that hands out credentials refused, before this call
        metadata = error.response.get("ResponseMetadata", {})
        region = metadata.get("HTTPHeaders", {}).get("x-amz-bucket-region", "")
        raise _RefusedError(_service_error_from(error).masked(_secrets_of(call)), region) from error
    except refusals.ParamValidationError as error:
        raise UsageError(f"{_operation(call)} has invalid parameters", cause=_first_line(error)) from error
    except refusals.ProxyConnectionError as error:
        raise _RefusedError(_unreached_proxy(call, error)) from error
    except (refusals.ConnectTimeoutError, refusals.ReadTimeoutError) as error:
        raise _RefusedError(_unreached(Cause.TIMEOUT, error)) from error
    except refusals.SSLError as error:
        raise _RefusedError(_untrusted(error)) from error
    except (
        refusals.HTTPClientError,
        refusals.EndpointConnectionError,
        refusals.ResponseStreamingError,
        refusals.IncompleteReadError,
    ) as error:
        raise _RefusedError(_unreached(Cause.NETWORK, error)) from error
    except json.JSONDecodeError:
        raise  # of a program that hands out credentials, before this call: answers of these services are XML
    except (ResponseParserError, ParseError, ValueError, OverflowError, RuntimeError) as error:
        # The others than the first: a number or date of an answer, a location that is no XML, JSON without end, and a
        # region that nothing can be signed for.
        raise _RefusedError(_unreached(Cause.SERVER_ERROR, error)) from error
    except (AttributeError, LookupError, TypeError) as error:
        # JSON of an answer that has another form than botocore's parser takes for granted.
        raise _RefusedError(_unreached(Cause.SERVER_ERROR, error)) from error


def _service_error_from(error: refusals.ClientError) -> ServiceError:
    details: Mapping[str, Any] = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    code, status = str(details.get("Code", "")), int(metadata.get("HTTPStatusCode", 0))
    if code.isdigit():  # what botocore makes of an answer without a document, as to a HEAD
        code = ""
    message = _first_line(details.get("Message", "")) if code else ""
    if "Detail" in details:  # of a malformed policy: which part
        message = f"{message} ({details['Detail']})"
    return answered(error.operation_name, status, code, message, metadata.get("RequestId", "") or "")


def _untrusted(error: refusals.SSLError) -> ServiceError:
    """Return the error of a handshake that failed: for the certificate, or with the connection."""
    reason: object = error.kwargs.get("error")
    while isinstance(reason, Exception) and not isinstance(reason, ssl.SSLCertVerificationError):
        reason = getattr(reason, "reason", None) or next(iter(reason.args), None)
    if not isinstance(reason, ssl.SSLCertVerificationError):
        return _unreached(Cause.NETWORK, error)
    return unanswered(Cause.CERTIFICATE, type(error).__name__, _first_line(error), retryable=False)


def _unreached(cause: Cause, error: Exception) -> ServiceError:
    return unanswered(cause, type(error).__name__, _first_line(error), retryable=True)


def _secrets_of(call: Callable[..., Any]) -> tuple[str | None, ...]:
    """Return what the client of a call signs with: a service may echo it."""
    client: Any = getattr(call, "__self__", None)
    signer = getattr(client, "_request_signer", None)
    credentials = getattr(signer, "_credentials", None)
    return tuple(getattr(credentials, name, None) for name in ("access_key", "secret_key", "token"))


def _unreached_proxy(call: Callable[..., Any], error: Exception) -> ServiceError:
    """Return the error of a proxy that could not be used; its address, which may hold a password, is not quoted."""
    client: Any = getattr(call, "__self__", None)
    url = str(client.meta.endpoint_url)
    network = resolve_network(url, RetryPolicy(attempts=1), os.environ.get("AWS_CA_BUNDLE"))
    if proxy_asks_for_login(url, network):
        return proxy_login_error()
    return unanswered(Cause.NETWORK, type(error).__name__, "the proxy cannot be reached", retryable=True)


def _operation(call: Callable[..., Any]) -> str:
    return getattr(call, "__name__", "the operation")


def _first_line(text: object) -> str:
    return str(text).strip().partition("\n")[0]


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000


class AwsClients:
    """The clients for one set of settings, made on first use; safe to use from several threads."""

    def __init__(
        self, settings: StoreSettings, *, profile: str | None = None, read_seconds: float = _READ_SECONDS
    ) -> None:
        """Take ``profile`` instead of the settings' own; ``read_seconds`` is how long an answer may take.

        Raises ConfigurationError for a profile that does not exist.
        """
        self._settings = settings
        self._profile = profile or settings.profile
        self._read_seconds = read_seconds
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        with translate_botocore_errors(self._profile):
            core = botocore.session.Session(profile=self._profile)
            core.register_component("data_loader", service_model_loader(core.get_config_variable("data_path")))
            self._session = boto3.session.Session(botocore_session=core)
            resolve_credentials(core, self._profile)
            self._region = settings.region or self._session.region_name or _ANY_REGION

    @property
    def region(self) -> str:
        """The region requests go to, unless another is named."""
        return self._region

    @property
    def s3(self) -> S3Client:
        """S3 in the settings' region; boto3 follows a bucket to its own. Carries owner and payer in every request."""
        client: S3Client = self._client("s3", self._region)
        return client

    @property
    def sts(self) -> STSClient:
        """STS."""
        client: STSClient = self._client("sts", self._region)
        return client

    def s3control(self, region: str) -> S3ControlClient:
        """S3 Control, which holds what is set for a whole account."""
        client: S3ControlClient = self._client("s3control", region)
        return client

    def kms(self, region: str) -> KMSClient:
        """KMS in ``region``: a key is in one."""
        client: KMSClient = self._client("kms", region)
        return client

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            client = self._clients.get((service, region))
            if client is None:
                with translate_botocore_errors(self._profile):
                    client = self._new_client(service, region)
                self._clients[service, region] = client
            return client

    def _new_client(self, service: str, region: str) -> Any:
        policy = self._settings.retry
        config = Config(
            connect_timeout=min(_CONNECT_SECONDS, policy.connect_seconds),
            read_timeout=min(self._read_seconds, policy.stall_seconds),
            retries={"mode": "standard", "total_max_attempts": min(_ATTEMPTS, policy.attempts)},
        )
        client = self._session.client(  # type: ignore[call-overload]  # the service is a variable here
            service, region_name=region, endpoint_url=self._settings.endpoint_url, config=config
        )
        if service == "s3":
            client.meta.events.register("before-call.s3", self._add_headers)
        elif service == "s3control":
            client.meta.events.register("before-sign.s3-control", _without_account_in_host)
        return client

    def _add_headers(self, params: dict[str, Any], **_: object) -> None:
        if self._settings.expected_bucket_owner:
            # Not where a call names another owner.
            params["headers"].setdefault("x-amz-expected-bucket-owner", self._settings.expected_bucket_owner)
        if self._settings.request_payer:
            params["headers"]["x-amz-request-payer"] = "requester"


def _without_account_in_host(request: Any, **_: object) -> None:
    """Take the account id out of a custom endpoint's host name, which hardly has such a subdomain.

    The request names the account in a header too.
    """
    account = request.headers.get("x-amz-account-id", "")
    host = urlsplit(request.url).netloc
    if account and host.startswith(f"{account}.") and not host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        request.url = request.url.replace(f"//{account}.", "//", 1)
