"""Run an ASGI application on uvicorn in a thread; the main thread handles signals and lands objects."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

import uvicorn

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError
from harvester.events.http.connection_limits import ConnectionLimits, limited_protocol
from harvester.events.http.server_address import ServerCertificate

_BACKLOG = 2_048
_PATIENCE_SECONDS = 5
_POLL_SECONDS = 0.01


class HttpServer:
    """HTTP server in a background thread."""

    def __init__(self, host: str, port: int, certificate: ServerCertificate | None = None) -> None:
        """Bind the address without serving yet. Raises ConfigurationError if that fails, or for the certificate."""
        self._certificate = certificate
        if certificate is not None:
            certificate.check()
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"cannot listen on {host}:{port}",
                cause=error.strerror or str(error),
                code=ErrorCode.PORT_UNAVAILABLE,
                subject=f"{host}:{port}",
            ) from error
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """The address as a URL."""
        host, port = self._socket.getsockname()[:2]
        scheme = "http" if self._certificate is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self, application: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        """Serve ``application``; return when connections are accepted."""
        self._socket.listen(_BACKLOG)
        config = uvicorn.Config(
            application,
            http=limited_protocol(ConnectionLimits()),
            ws="none",
            loop="asyncio",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            # A path may contain the secret.
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE_SECONDS,
            ssl_certfile=None if self._certificate is None else self._certificate.certificate,
            ssl_keyfile=None if self._certificate is None else self._certificate.key,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Accept no more connections, finish the requests in progress, and end."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()
