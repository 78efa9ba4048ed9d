"""What google-auth alone can know: application default credentials and their tokens."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, ConnectionFailed
from harvester.sessions.connections import GcsConnection, StoreSettings
from harvester.sessions.login import Login
from harvester.sessions.network import resolve_network

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud.storage import Client

GOOGLE_LOGIN = Login("google", None)
"""How Google credentials are renewed."""
_ENDPOINT = "https://storage.googleapis.com"
_OBJECTS_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
FULL_CONTROL_SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"
"""What reading and changing a bucket's IAM policy takes."""


class GoogleSession:
    """A bucket as Google's client library would reach it; credentials are looked for when first asked for."""

    def __init__(self, bucket: str, settings: StoreSettings, scope: str = _OBJECTS_SCOPE) -> None:
        """Read STORAGE_EMULATOR_HOST, which means no credentials, as Google's own clients do."""
        emulator = os.environ.get("STORAGE_EMULATOR_HOST", "")
        if emulator and "://" not in emulator:
            emulator = f"http://{emulator}"
        self._bucket = bucket
        self._settings = settings
        self._scope = scope
        self.anonymous = bool(emulator) and settings.endpoint_url is None
        """Whether requests carry no token."""
        self._endpoint = (settings.endpoint_url or emulator or _ENDPOINT).rstrip("/")
        self._network = resolve_network(self._endpoint, settings.retry, None)
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
                user_project = getattr(credentials, "quota_project_id", None)
        return GcsConnection(
            endpoint=self._endpoint,
            bucket=self._bucket,
            token=token,
            user_project=user_project,
            network=self._network,
            max_object_bytes=self._settings.max_object_bytes,
            answer_limits=self._settings.answer_limits,
            exemptions=self._settings.exemptions,
        )

    def client(self) -> Client:
        """Return Google's own client for the same endpoint and credentials. Raises like ``connection``."""
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        credentials: Credentials
        if self.anonymous:
            credentials = AnonymousCredentials()  # type: ignore[no-untyped-call]  # published without types
        else:
            with self._lock:
                credentials = self._valid_credentials(renew=False)
        # No request of ours is about a project; the client asks for the name of one all the same.
        return Client(project="-", credentials=credentials, client_options={"api_endpoint": self._endpoint})

    def _valid_credentials(self, *, renew: bool) -> Credentials:
        import google.auth
        from google.auth import exceptions as refusals
        from google.auth.transport.requests import Request

        try:
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[self._scope])
                renew = False
            if renew or not self._credentials.valid:
                self._credentials.refresh(Request())  # type: ignore[no-untyped-call]  # published without types
        except refusals.DefaultCredentialsError as error:
            raise ConfigurationError(
                "no Google credentials found",
                cause=_first_line(error)
                if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
                else "neither GOOGLE_APPLICATION_CREDENTIALS nor a login nor a metadata server offers any",
                code=ErrorCode.NO_GOOGLE_CREDENTIALS,
            ) from error
        except refusals.RefreshError as error:
            raise ConfigurationError(
                "the Google login has expired or was revoked",
                cause=_first_line(error),
                code=ErrorCode.LOGIN_EXPIRED,
                parameters={"login": "google"},
            ) from error
        except refusals.TransportError as error:
            raise ConnectionFailed(
                "cannot reach the service that hands out Google tokens", cause=_first_line(error)
            ) from error
        except refusals.GoogleAuthError as error:
            raise ConfigurationError(
                "the Google credentials do not work",
                cause=_first_line(error),
                code=ErrorCode.GOOGLE_CREDENTIALS_INVALID,
            ) from error
        return self._credentials


def _first_line(error: Exception) -> str:
    """Return google-auth's sentence without what it appends: a whole answer, which may hold more than is good."""
    return str(error.args[0]).partition("\n")[0] if error.args else type(error).__name__
