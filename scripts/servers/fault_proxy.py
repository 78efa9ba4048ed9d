"""A proxy that stands before any upstream and does to chosen requests what networks and stores do.

    with FaultProxy(moto.url) as proxy:
        proxy.add(Rule(Status(503, "SlowDown"), path="/stubborn", times=3))
        ... AWS_ENDPOINT_URL=proxy.url ...
        assert proxy.count("/stubborn") == 4

Rules are asked in the order they were added; the first that matches and is not used up acts. Without one the request
is passed on.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from scripts.servers.loopback_server import Answer, LoopbackServer, Request

Upstream = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True)
class Status:
    """Answer with this status instead of asking upstream; S3's error document when a code is given."""

    status: int
    code: str = ""
    message: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def apply(self, request: Request, upstream: Upstream) -> Answer:  # noqa: ARG002  # every fault's signature
        body = self.body
        if self.code and request.method != "HEAD":
            body = (
                f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{self.code}</Code>'
                f"<Message>{self.message}</Message><RequestId>FAULT</RequestId></Error>"
            ).encode()
        return Answer(self.status, body, {"x-amz-request-id": "FAULT", **self.headers})


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection without an answer, or after ``after_bytes`` of the body."""

    after_bytes: int | None = None

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        if self.after_bytes is None:
            return Answer(200, silent=True, ending="reset")
        return replace(upstream(request), send_bytes=self.after_bytes, ending="reset")


@dataclass(frozen=True, slots=True)
class HalfBody:
    """Announce the whole body, send this share of it, and close in order."""

    share: float = 0.5

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        return replace(answer, send_bytes=int(len(answer.body) * self.share), ending="close")


@dataclass(frozen=True, slots=True)
class ShortBody:
    """Cut ``by`` bytes off, with a Content-Length that agrees."""

    by: int = 1

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        return replace(answer, body=answer.body[: len(answer.body) - self.by])


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing, or ``after_bytes`` of the body, and then no more, with the connection open."""

    after_bytes: int | None = None

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        if self.after_bytes is None:
            return Answer(200, silent=True, ending="stall")
        return replace(upstream(request), send_bytes=self.after_bytes, ending="stall")


@dataclass(frozen=True, slots=True)
class Drip:
    """Pass on, the body byte by byte, so many seconds apart."""

    seconds: float

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        return replace(upstream(request), drip=self.seconds)


@dataclass(frozen=True, slots=True)
class Delay:
    """Pass on, the answer so many milliseconds later."""

    milliseconds: float

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        time.sleep(self.milliseconds / 1000)
        return answer


@dataclass(frozen=True, slots=True)
class FlippedByte:
    """Invert the byte at this index of the body."""

    at: int = 0

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        body = bytearray(answer.body)
        body[self.at] ^= 0xFF
        return replace(answer, body=bytes(body))


@dataclass(frozen=True, slots=True)
class OtherBody:
    """Pass on, with this body instead."""

    body: bytes

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        return replace(upstream(request), body=self.body)


@dataclass(frozen=True, slots=True)
class Headers:
    """Pass on, with headers of the answer set and removed (lower-case names)."""

    set: Mapping[str, str] = field(default_factory=dict)
    remove: Sequence[str] = ()

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        answer = upstream(request)
        kept = {name: value for name, value in answer.headers.items() if name not in self.remove}
        return replace(answer, headers={**kept, **self.set})


@dataclass(frozen=True, slots=True)
class Call:
    """Do what a function does: it is given the request and the upstream, and returns the answer."""

    function: Callable[[Request, Upstream], Answer]

    def apply(self, request: Request, upstream: Upstream) -> Answer:
        return self.function(request, upstream)


Fault = Status | Reset | HalfBody | ShortBody | Stall | Drip | Delay | FlippedByte | OtherBody | Headers | Call


@dataclass
class Rule:
    """A fault, and the requests that meet it."""

    fault: Fault
    path: str = ""
    """Regular expression found in the decoded path."""
    query: str = ""
    """Regular expression found in the raw query."""
    method: str = ""
    """The method; empty for any."""
    header: str = ""
    """Regular expression found in the request's ``name: value`` lines (lower-case names)."""
    after: int = 0
    """Let so many matching requests pass first."""
    every: int = 1
    """Of the rest, act on every n-th."""
    times: int | None = None
    """Act so often; None for ever."""
    seen: int = 0
    """Matching requests so far."""
    acted: int = 0
    """How often it acted."""

    def matches(self, request: Request) -> bool:
        path, _, query = request.target.partition("?")
        lines = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        return (
            (not self.method or self.method == request.method)
            and re.search(self.path, request.path if path else "", re.DOTALL) is not None
            and re.search(self.query, query) is not None
            and re.search(self.header, lines) is not None
        )

    def take(self, request: Request) -> bool:
        """Count a request; True when the fault is to act on it."""
        if not self.matches(request):
            return False
        self.seen += 1
        turn = self.seen - self.after
        if turn <= 0 or turn % self.every or (self.times is not None and self.acted >= self.times):
            return False
        self.acted += 1
        return True


class FaultProxy(LoopbackServer):
    """See the module."""

    def __init__(self, upstream: str | Upstream) -> None:
        """Stand before a base URL, or before a function that answers."""
        super().__init__(self._respond)
        self._upstream: Upstream = _HttpUpstream(upstream) if isinstance(upstream, str) else upstream
        self._rules: list[Rule] = []
        self._rules_lock = threading.Lock()
        self.log: list[Request] = []
        """Every request, in the order of arrival."""

    def add(self, rule: Rule) -> Rule:
        """Add a rule behind the present ones; returns it, for its counts."""
        with self._rules_lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget the rules and the log."""
        with self._rules_lock:
            self._rules.clear()
            self.log.clear()

    def count(self, path: str, method: str = "") -> int:
        """Return how many requests came whose decoded path holds this regular expression."""
        with self._rules_lock:
            return sum(Rule(Delay(0), path=path, method=method).matches(request) for request in self.log)

    def _respond(self, request: Request) -> Answer:
        with self._rules_lock:
            self.log.append(request)
            rule = next((rule for rule in self._rules if rule.take(request)), None)
        return self._upstream(request) if rule is None else rule.fault.apply(request, self._upstream)


class _HttpUpstream:
    """Passes requests on to a base URL, over a connection per thread."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port or 80

    def __call__(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        try:
            connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name not in {"connection", "transfer-encoding", "content-length", "expect"}:
                    connection.putheader(name, value)
            if request.body or request.method in {"PUT", "POST"}:
                connection.putheader("content-length", str(len(request.body)))
            connection.putheader("connection", "close")
            connection.endheaders(request.body or None)
            response = connection.getresponse()
            body = response.read()
            headers = {name.lower(): value for name, value in response.getheaders()}
        finally:
            connection.close()
        for name in ("connection", "transfer-encoding", "keep-alive"):
            headers.pop(name, None)
        if request.method != "HEAD":
            headers.pop("content-length", None)
        return Answer(response.status, body, headers)
