"""Resolve profiles, credentials, regions, endpoints and addressing styles through botocore.

Nothing is sent through it: it prepares one request for the bucket, which is read and thrown away. So dual-stack, FIPS,
accelerate, access point aliases, path or virtual addressing, AWS_ENDPOINT_URL and profiles are all as boto3 has them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore import exceptions as refusals
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed, UsageError
from harvester.sessions.aws_loader import service_model_loader
from harvester.sessions.ca_directories import certificate_file
from harvester.sessions.connections import AwsCredentials, Network, S3Connection, StoreSettings
from harvester.sessions.login import Login
from harvester.sessions.network import resolve_network
from harvester.sessions.session_variables import check_variables
from harvester.text import printable

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_PROBE_KEY = "k"
_ASSUMED = "assume-role"
_DIRECTORY_BUCKET = "--x-s3"
_FIRST_REGION = "us-east-1"
_NUMBERS = ("max_attempts", "metadata_service_timeout", "metadata_service_num_attempts")
"""Settings that botocore converts to whole numbers when it reads them."""


@dataclass(frozen=True, slots=True)
class _Endpoint:
    base_url: str
    region: str
    service: str


class AwsSession:
    """A bucket as botocore resolves it; credentials are resolved on first use."""

    def __init__(self, bucket: str, settings: StoreSettings) -> None:
        """Raises ConfigurationError for a profile or configuration that cannot be read."""
        if bucket.endswith(_DIRECTORY_BUCKET):
            raise UsageError(
                f"{bucket} is a directory bucket",
                cause="directory buckets (S3 Express One Zone) list in no order and are signed for otherwise",
                code=ErrorCode.DIRECTORY_BUCKET,
                subject=bucket,
            )
        self._bucket = bucket
        self._settings = settings
        self._region = settings.region
        self._lock = threading.Lock()
        self._endpoint: _Endpoint | None = None
        self._network: Network | None = None
        with translate_botocore_errors(self._settings.profile):
            self._session = self._new_session()
        self._credentials: Credentials | None = None
        self._handed_out: AwsCredentials | None = None
        self.method = ""
        """botocore's name of where the credentials came from: ``env``, ``sso``, ``assume-role`` …"""

    def connection(self, *, renew: bool = False) -> S3Connection:
        """Return how to reach and sign for the bucket.

        Raises ConfigurationError without credentials or with an expired login, AccessDenied or ConnectionFailed
        when a service that hands out credentials refuses or cannot be reached.
        """
        with self._lock, translate_botocore_errors(self._profile()):
            credentials = self._frozen_credentials(renew=renew)
            if self._endpoint is None:
                self._endpoint = self._resolve_endpoint()
            if self._network is None:
                ca_bundle = self._session.get_config_variable("ca_bundle")
                self._network = resolve_network(self._endpoint.base_url, self._settings.retry, ca_bundle)
            endpoint, network = self._endpoint, self._network
        return S3Connection(
            base_url=endpoint.base_url,
            bucket=self._bucket,
            region=endpoint.region,
            service=endpoint.service,
            credentials=credentials,
            request_payer=self._settings.request_payer,
            expected_bucket_owner=self._settings.expected_bucket_owner,
            network=network,
            max_object_bytes=self._settings.max_object_bytes,
            answer_limits=self._settings.answer_limits,
            exemptions=self._settings.exemptions,
            max_rps=self._settings.max_rps,
        )

    def move(self, region: str) -> bool:
        """Continue in another region; return False when it is the present one."""
        with self._lock:
            if self._endpoint is not None and self._endpoint.region == region:
                return False
            self._region = region
            self._endpoint = None
            return True

    def login(self) -> Login:
        """Return how the credentials in use are renewed."""
        return Login(self.method, self._profile())

    def _new_session(self) -> botocore.session.Session:
        session = botocore.session.Session(profile=self._settings.profile)
        session.register_component("data_loader", service_model_loader(session.get_config_variable("data_path")))
        session.get_scoped_config()  # reads the files, so that a broken one or a missing profile is reported now
        return session

    def _profile(self) -> str | None:
        return self._settings.profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")

    def _frozen_credentials(self, *, renew: bool) -> AwsCredentials:
        if self._credentials is None:
            self._credentials = self._load()
        found = _frozen(self._credentials)
        # A provider that knows its expiry has renewed by now; else files and environment are read again.
        if renew and found == self._handed_out:
            self._session = self._new_session()
            self._credentials = self._load()
            found = _frozen(self._credentials)
        self._handed_out = found
        return found

    def _load(self) -> Credentials:
        credentials = resolve_credentials(self._session, self._profile())
        self.method = credentials.method
        return credentials

    def _resolve_endpoint(self) -> _Endpoint:
        """Read endpoint and region from a request that botocore prepares, stopped before it is sent."""
        region = self._region
        if region is None and self._session.get_config_variable("region") == "":
            region = _FIRST_REGION  # an empty variable is none: there is nothing to sign for
        client: Any = self._session.create_client("s3", region_name=region, endpoint_url=self._settings.endpoint_url)
        caught: list[AWSPreparedRequest] = []

        def catch(request: AWSPreparedRequest, **_: object) -> AWSResponse:
            caught.append(request)
            return AWSResponse(request.url, 200, {}, _NoBody())  # type: ignore[arg-type]  # only read as a stream

        client.meta.events.register_first("before-send.s3", catch)
        try:
            client.head_object(Bucket=self._bucket, Key=_PROBE_KEY)
        finally:
            client.close()
        request = caught[-1]
        authorization = request.headers["Authorization"]
        text = authorization.decode() if isinstance(authorization, bytes) else str(authorization)
        _, _, region, service, _ = text.partition("Credential=")[2].partition(",")[0].rsplit("/", 4)
        return _Endpoint(request.url.removesuffix(f"/{_PROBE_KEY}"), region, service)


def resolve_credentials(session: botocore.session.Session, profile: str | None) -> Credentials:
    """Return the credentials that botocore's chain finds; lets the session trust a directory of certificates.

    Raises ConfigurationError without any, and where only a person at a terminal could go on.
    """
    check_variables(os.environ, "AWS_")
    _check_numbers(session)
    bundle = session.get_config_variable("ca_bundle")
    if bundle:
        session.set_config_variable("ca_bundle", certificate_file(bundle))
    credentials = session.get_credentials()
    if credentials is None:
        raise ConfigurationError(
            "no AWS credentials found",
            cause="neither environment, profile, web identity, SSO, container nor instance offers any",
            code=ErrorCode.NO_AWS_CREDENTIALS,
        )
    if credentials.method == _ASSUMED and not _has_terminal() and _asks_for_second_factor(session):
        raise ConfigurationError(
            f"profile {profile or 'default'} needs a second factor, and there is no terminal to ask at",
            code=ErrorCode.SECOND_FACTOR_NEEDED,
        )
    return credentials


def _check_numbers(session: botocore.session.Session) -> None:
    for name in _NUMBERS:
        try:
            session.get_config_variable(name)
        except ValueError as error:
            raise ConfigurationError(
                "the AWS configuration does not work",
                cause=f"AWS_{name.upper()}, or {name} in the AWS configuration, is no whole number",
                code=ErrorCode.AWS_CONFIGURATION_INVALID,
            ) from error


def _has_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _asks_for_second_factor(session: botocore.session.Session) -> bool:
    """Return whether the role that was chosen, or one it is assumed from, has a second factor."""
    profiles: Mapping[str, Mapping[str, str]] = session.full_config.get("profiles", {})
    name = session.get_config_variable("profile") or "default"
    visited: set[str] = set()
    while name and name not in visited:
        visited.add(name)
        profile = profiles.get(name, {})
        if "role_arn" not in profile:
            return False
        if "mfa_serial" in profile:
            return True
        name = profile.get("source_profile", "")
    return False


def _frozen(credentials: Credentials) -> AwsCredentials:
    frozen = credentials.get_frozen_credentials()
    if not frozen.access_key or not frozen.secret_key:
        raise ConfigurationError("the AWS credentials are incomplete", code=ErrorCode.AWS_CREDENTIALS_INCOMPLETE)
    if not all(
        part.isascii() and part.isprintable() for part in (frozen.access_key, frozen.secret_key, frozen.token or "")
    ):
        raise ConfigurationError(
            "the AWS credentials have control characters or letters beyond ASCII in them",
            code=ErrorCode.AWS_CREDENTIALS_INCOMPLETE,
        )
    return AwsCredentials(frozen.access_key, frozen.secret_key, frozen.token)


class _NoBody:
    """The body of the answer that botocore gets for the request that was never sent."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        return iter(())


@contextmanager
def translate_botocore_errors(profile: str | None) -> Iterator[None]:
    """Raise botocore's errors as HarvesterErrors."""
    try:
        yield
    except (
        refusals.SSOTokenLoadError,
        refusals.UnauthorizedSSOTokenError,
        refusals.TokenRetrievalError,
    ) as error:
        raise ConfigurationError(
            "the AWS SSO login has expired",
            cause=str(error),
            code=ErrorCode.LOGIN_EXPIRED,
            parameters={"login": "sso", "profile": profile},
        ) from error
    except refusals.LoginError as error:
        raise ConfigurationError(
            "the AWS login has expired",
            cause=str(error),
            code=ErrorCode.LOGIN_EXPIRED,
            parameters={"login": "login", "profile": profile},
        ) from error
    except refusals.ClientError as error:
        raise _refused_by_sts(error, profile) from error
    except (refusals.HTTPClientError, refusals.MetadataRetrievalError) as error:
        raise ConnectionFailed("cannot reach the service that hands out AWS credentials", cause=str(error)) from error
    except refusals.BotoCoreError as error:
        raise ConfigurationError(
            "the AWS configuration does not work", cause=str(error), code=ErrorCode.AWS_CONFIGURATION_INVALID
        ) from error
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            "the AWS configuration does not work",
            cause=f"a credential_process, or a service that hands out credentials, answered no JSON: {error}",
            code=ErrorCode.AWS_CONFIGURATION_INVALID,
        ) from error
    except ValueError as error:
        # botocore raises a plain ValueError for this one.
        raise ConfigurationError(
            "the AWS endpoint is no URL",
            cause="AWS_ENDPOINT_URL, or endpoint_url in the AWS configuration, starts with http:// or https://",
            code=ErrorCode.ENDPOINT_INVALID,
        ) from error
    except OSError as error:
        if error.filename is None:
            raise
        # A program or a token's file; of a destination nothing is used here.
        raise ConfigurationError(
            "the AWS configuration does not work",
            cause=f"it names {printable(os.fsdecode(error.filename))}: {error.strerror}",
            code=ErrorCode.AWS_CONFIGURATION_INVALID,
        ) from error
    except EOFError as error:
        raise ConfigurationError("a second factor was asked for and none was given") from error


def _refused_by_sts(error: refusals.ClientError, profile: str | None) -> ConfigurationError | AccessDenied:
    details = error.response.get("Error", {})
    code = details.get("Code", "")
    request_id = error.response.get("ResponseMetadata", {}).get("RequestId", "")
    if code in {"ExpiredToken", "ExpiredTokenException", "UnauthorizedException"}:
        return ConfigurationError(
            "the AWS login has expired",
            cause=f"{code} from {error.operation_name}",
            code=ErrorCode.LOGIN_EXPIRED,
            parameters={"profile": profile},
            request_id=request_id,
        )
    return AccessDenied(
        f"{error.operation_name} was refused, so there are no credentials",
        cause=f"{code}: {details.get('Message', '')}",
        code=ErrorCode.AWS_LOGIN_REFUSED,
        parameters={"profile": profile},
        request_id=request_id,
    )
