"""Run an ASGI application on uvicorn in a thread; the main thread handles signals and lands objects."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError

_HEAD_SECONDS = 10.0
_CONNECTIONS = 1_000
_BACKLOG = 2_048
_PATIENCE_SECONDS = 5
_POLL_SECONDS = 0.01


class _TimedProtocol(H11Protocol):
    """Closes a connection whose request head does not arrive; uvicorn has no such timeout."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        super().connection_made(transport)
        self.loop.call_later(_HEAD_SECONDS, self._close_if_silent)

    def _close_if_silent(self) -> None:
        cycle: object = self.cycle  # None until a request has begun, whatever uvicorn declares
        if cycle is None:
            self.transport.close()


class HttpServer:
    """HTTP server in a background thread."""

    def __init__(self, host: str, port: int) -> None:
        """Bind the address without serving yet. Raises ConfigurationError if that fails."""
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
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self, application: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        """Serve ``application``; return when connections are accepted."""
        self._socket.listen(_BACKLOG)
        config = uvicorn.Config(
            application,
            http=_TimedProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            # A path may contain the secret.
            access_log=False,
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_PATIENCE_SECONDS,
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
