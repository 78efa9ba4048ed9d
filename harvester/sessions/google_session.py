"""Resolve Google's application default credentials, endpoint and network."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, ConnectionFailed
from harvester.sessions.connections import GcsConnection, StoreSettings
from harvester.sessions.login import Login
from harvester.sessions.network import resolve_network
from harvester.sessions.session_variables import check_variables
from harvester.text import printable

if TYPE_CHECKING:
    import requests
    from google.auth.credentials import Credentials
    from google.cloud.storage import Client

GOOGLE_LOGIN = Login("google", None)
"""How Google credentials are renewed."""
_QUOTA_PROJECT = "GOOGLE_CLOUD_QUOTA_PROJECT"
_ENDPOINT = "https://storage.googleapis.com"
_OBJECTS_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
FULL_CONTROL_SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"
"""What reading and changing a bucket's IAM policy takes."""


class GoogleSession:
    """A bucket as Google's client library would reach it; credentials are resolved on first use."""

    def __init__(self, bucket: str, settings: StoreSettings, scope: str = _OBJECTS_SCOPE) -> None:
        """Read STORAGE_EMULATOR_HOST, which means no credentials, as Google's own clients do.

        Raises ConfigurationError for a control character in a variable of Google's.
        """
        check_variables(os.environ, "GOOGLE_", "STORAGE_EMULATOR_HOST")
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        self._bucket = bucket
        self._settings = settings
        self._scope = scope
        self.anonymous = bool(emulator) and settings.endpoint_url is None
        """Whether requests carry no token."""
        self._endpoint = (settings.endpoint_url or emulator or _ENDPOINT).rstrip("/")
        self._network = resolve_network(self._endpoint, settings.retry, None, variable="STORAGE_EMULATOR_HOST")
        self._credentials: Credentials | None = None
        self._lock = threading.Lock()

    def connection(self, *, renew: bool = False) -> GcsConnection:
        """Return how to reach the bucket, with a token that is valid now; ``renew`` gets a new one.

        Raises ConfigurationError without credentials or with an expired login, ConnectionFailed when no token server
        can be reached.
        """
        token = user_project = None
        if not self.anonymous:
            with self._lock:
                credentials = self._valid_credentials(renew=renew)
                token = str(credentials.token)
                user_project = self._user_project(credentials)
        else:
            user_project = self._user_project(None)
        return GcsConnection(
            endpoint=self._endpoint,
            bucket=self._bucket,
            token=token,
            user_project=user_project,
            network=self._network,
            max_object_bytes=self._settings.max_object_bytes,
            answer_limits=self._settings.answer_limits,
            exemptions=self._settings.exemptions,
            max_rps=self._settings.max_rps,
        )

    def client(self, on_response: Callable[[requests.Response], None]) -> Client:
        """Return Google's own client with the endpoint, credentials, proxy and certificates of ``connection``.

        ``on_response`` is called with every answer. Raises like ``connection``.
        """
        from google.auth.credentials import AnonymousCredentials
        from google.auth.transport.requests import AuthorizedSession
        from google.cloud.storage import Client

        credentials: Credentials
        if self.anonymous:
            credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # published without types
        else:
            with self._lock:
                credentials = self._valid_credentials(renew=False)
        session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # published without types
        session.trust_env = False
        session.verify = self._network.ca_bundle or True
        proxy = self._network.proxy
        session.proxies = {"http": proxy, "https": proxy} if proxy else {}
        session.hooks["response"].append(lambda response, **_: on_response(response))
        user_project = self._user_project(credentials)
        if user_project is not None:
            session.headers["x-goog-user-project"] = user_project
        # No request here is about a project; the client requires a name all the same.
        return Client(
            project="-", credentials=credentials, client_options={"api_endpoint": self._endpoint}, _http=session
        )

    def _user_project(self, credentials: Credentials | None) -> str | None:
        """Return the project that pays for requests, None for the bucket's own.

        Raises ConfigurationError where the caller agreed to pay and names none, and for what no header can hold.
        """
        project: str | None = getattr(credentials, "quota_project_id", None) or os.environ.get(_QUOTA_PROJECT) or None
        if project is None and self._settings.request_payer:
            raise ConfigurationError(
                f"no project is named that pays for requests to gs://{self._bucket}",
                cause=f"Google Cloud Storage bills the project in {_QUOTA_PROJECT}, and it is not set",
                code=ErrorCode.NO_QUOTA_PROJECT,
            )
        if project is not None and not (project.isascii() and project.isprintable() and " " not in project):
            raise ConfigurationError(
                f"{_QUOTA_PROJECT}, or quota_project_id of the credentials, is the id of no project",
                cause="a value read from a file often keeps the file's last line end",
                code=ErrorCode.VARIABLE_INVALID,
                subject=_QUOTA_PROJECT,
            )
        return project

    def _valid_credentials(self, *, renew: bool) -> Credentials:
        import google.auth
        from google.auth.transport.requests import Request

        with _unchecked_file(), translate_google_auth_errors():
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[self._scope])
                renew = False
            if renew or not self._credentials.valid:
                self._credentials.refresh(Request())  # type: ignore[no-untyped-call]  # published without types
        return self._credentials


@contextmanager
def translate_google_auth_errors() -> Iterator[None]:
    """Raise google-auth's errors as ConfigurationError and ConnectionFailed."""
    from google.auth import exceptions as failures

    try:
        yield
    except failures.DefaultCredentialsError as error:
        raise ConfigurationError(
            "no Google credentials found",
            cause=_first_line(error)
            if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
            else "neither GOOGLE_APPLICATION_CREDENTIALS nor a login nor a metadata server offers any",
            code=ErrorCode.NO_GOOGLE_CREDENTIALS,
        ) from error
    except failures.RefreshError as error:
        raise ConfigurationError(
            "the Google login has expired or was revoked",
            cause=_first_line(error),
            code=ErrorCode.LOGIN_EXPIRED,
            parameters=GOOGLE_LOGIN._asdict(),
        ) from error
    except failures.TransportError as error:
        raise ConnectionFailed(
            "cannot reach the service that hands out Google tokens", cause=_first_line(error)
        ) from error
    except failures.GoogleAuthError as error:
        raise ConfigurationError(
            "the Google credentials do not work", cause=_first_line(error), code=ErrorCode.GOOGLE_CREDENTIALS_INVALID
        ) from error


@contextmanager
def _unchecked_file() -> Iterator[None]:
    """Raise ConfigurationError for a file of credentials that cannot be read, or has values of wrong types.

    google-auth checks neither.
    """
    try:
        yield
    except (OSError, AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, OSError) and error.filename is None:
            raise
        cause = f"{printable(os.fsdecode(error.filename))}: {error.strerror}" if isinstance(error, OSError) else ""
        raise ConfigurationError(
            "the Google credentials do not work",
            cause=cause or "a value in the file of the credentials is missing, or has another type than it needs",
            code=ErrorCode.GOOGLE_CREDENTIALS_INVALID,
        ) from error


def _first_line(error: Exception) -> str:
    """Return google-auth's sentence without what it appends: a whole answer, which may hold more than is good."""
    return str(error.args[0]).partition("\n")[0] if error.args else type(error).__name__
