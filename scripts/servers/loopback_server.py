"""An HTTP/1.1 server in threads of the test, whose answers are functions and which can break every rule."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from io import BufferedReader
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came over the wire."""

    method: str
    target: str
    """Path and query, untouched."""
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server sends back, and how badly."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_length: int | None = None
    """What Content-Length claims; None for the truth."""
    chunked: bool = False
    """Send without a Content-Length."""
    send_bytes: int | None = None
    """Number of body bytes to send before ``ending``; None for all of them."""
    ending: str = "keep"
    """After sending: ``keep`` the connection, ``close`` it, ``reset`` it, or ``stall`` until the server stops."""
    silent: bool = False
    """Send no byte before the ending."""
    drip: float = 0.0
    """Send the body byte by byte, so many seconds apart."""


Responder = Callable[[Request], Answer]


class LoopbackServer:
    """Serves ``responder`` on a free port; ``kill`` and ``revive`` keep the port."""

    def __init__(self, responder: Responder, tls: ssl.SSLContext | None = None) -> None:
        self._responder = responder
        self._tls = tls
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        self._listener: socket.socket | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(512)
        self.port = listener.getsockname()[1]
        self._stopped = threading.Event()
        self._listener = listener
        self._spawn(self._accept, listener, self._stopped)

    def kill(self) -> None:
        """Die as a machine does: refuse connections, reset those that stand."""
        self._stopped.set()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _reset(connection)
        for thread in self._threads:
            thread.join(timeout=5)
        self._threads.clear()

    def revive(self) -> None:
        """Come back on the same port."""
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket, stopped: threading.Event) -> None:
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            if stopped.is_set():
                _reset(connection)
            self._spawn(self._serve, connection, stopped)

    def _serve(self, connection: socket.socket, stopped: threading.Event) -> None:
        try:
            if self._tls is not None:
                plain, connection = connection, self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._connections.discard(plain)
                    self._connections.add(connection)
            with connection, connection.makefile("rb") as reader:
                while not stopped.is_set():
                    request = _read_request(reader)
                    if request is None:
                        return
                    answer = self._responder(request)
                    if not self._send(connection, request, answer, stopped):
                        return
        except (OSError, ValueError):
            return  # the client left, or the server was killed
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _send(self, connection: socket.socket, request: Request, answer: Answer, stopped: threading.Event) -> bool:
        """Send an answer; False when the connection is over."""
        if not answer.silent:
            head, body = _head(request, answer), _body(request, answer)
            connection.sendall(head if answer.drip else head + body)
            for byte in body if answer.drip else b"":
                if stopped.wait(answer.drip):
                    return False
                connection.sendall(bytes((byte,)))
        match answer.ending:
            case "keep":
                return True
            case "reset":
                _reset(connection)
            case "stall":
                stopped.wait()
        return False


def _head(request: Request, answer: Answer) -> bytes:
    headers = {"date": formatdate(usegmt=True), **{name.lower(): value for name, value in answer.headers.items()}}
    if answer.chunked:
        headers["transfer-encoding"] = "chunked"
    elif answer.content_length is not None:
        headers["content-length"] = str(answer.content_length)
    elif request.method != "HEAD" or "content-length" not in headers:
        headers["content-length"] = str(len(answer.body))
    lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("iso-8859-1")


def _body(request: Request, answer: Answer) -> bytes:
    if request.method == "HEAD" or answer.status in {204, 304}:
        return b""
    body = answer.body if answer.send_bytes is None else answer.body[: answer.send_bytes]
    if not answer.chunked:
        return body
    chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
    return chunk + (b"0\r\n\r\n" if answer.send_bytes is None else b"")


def _read_request(reader: BufferedReader) -> Request | None:
    line = reader.readline(65536)
    if not line.strip():
        return None
    method, target, _ = line.decode("iso-8859-1").split(" ", 2)
    headers: dict[str, str] = {}
    while (line := reader.readline(65536)) not in {b"\r\n", b""}:
        name, _, value = line.decode("iso-8859-1").partition(":")
        headers[name.lower()] = value.strip()
    if "chunked" in headers.get("transfer-encoding", ""):
        body = b""
        while size := int(reader.readline(), 16):
            body += reader.read(size)
            reader.readline()
        reader.readline()
    else:
        body = reader.read(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


def _reset(connection: socket.socket) -> None:
    """See to it that its thread closes the connection at once, and the peer sees a reset."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)  # wakes a blocked reader, without a packet to the peer
