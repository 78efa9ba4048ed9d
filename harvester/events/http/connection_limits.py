"""Limits on open connections of the HTTP server: per address, in all, and on the time of a request's head."""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""Seconds for the head of every request, counted from its first byte, and for the first byte of a connection."""
_MOST = 512
_FEWEST = 16


class ConnectionLimits:
    """The open connections of a server.

    At a limit, the connection that has been without a request for longest is closed in favour of a new one, else the
    one that has been sending its body for longest, so that idle and half-open connections never keep a webhook out. If
    all have a whole request in progress, the new one is closed.
    """

    def __init__(self, most: int | None = None, per_address: int | None = None) -> None:
        """``most``: by default 512, or a quarter of the files this process may open; ``per_address``: half of it."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        allowed = _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // 4)
        self._most = most or max(_FEWEST, allowed)
        self._per_address = per_address or max(1, self._most // 2)
        # In the order in which they were opened, or had their last request.
        self._open: dict[LimitedProtocol, str] = {}
        self._by_address: Counter[str] = Counter()

    def add(self, connection: LimitedProtocol, address: str) -> bool:
        """Count a connection, closing an idle one at a limit; return False if it must be closed itself."""
        if self._by_address[address] >= self._per_address and not self._close_idle(address):
            return False
        if len(self._open) >= self._most and not self._close_idle(None):
            return False
        self._open[connection] = address
        self._by_address[address] += 1
        return True

    def used(self, connection: LimitedProtocol) -> None:
        """Note that a request of the connection has begun."""
        address = self._open.pop(connection, None)
        if address is not None:
            self._open[connection] = address

    def remove(self, connection: LimitedProtocol) -> None:
        """Forget a connection that is closed."""
        address = self._open.pop(connection, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _close_idle(self, address: str | None) -> bool:
        own = [each for each, its_address in self._open.items() if address in (None, its_address)]
        for connection in (*(each for each in own if each.is_idle), *(each for each in own if each.is_receiving)):
            self.remove(connection)
            connection.transport.abort()
            return True
        return False


class LimitedProtocol(H11Protocol):
    """One connection; closed if the head of a request does not arrive in time, for which uvicorn has no limit."""

    limits: ConnectionLimits
    """Set by a subclass for each server."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take what uvicorn gives."""
        super().__init__(*arguments, **options)
        self._head_timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress; part of a head is none."""
        cycle: Any = self.cycle  # None until a request has begun, whatever uvicorn declares
        return cycle is None or cycle.response_complete

    @property
    def is_receiving(self) -> bool:
        """Whether the body of a request has not arrived yet."""
        cycle: Any = self.cycle
        return cycle is not None and cycle.more_body and not cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own signature
        """Count the connection, and wait for the first byte."""
        super().connection_made(transport)
        if self.limits.add(self, self.client[0] if self.client else ""):
            self._start_head_timer()
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head that is not whole."""
        super().data_received(data)
        if self.is_idle:
            self._start_head_timer()
        else:
            self._stop_head_timer()
            self.limits.used(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_head_timer()
        self.limits.remove(self)
        super().connection_lost(exc)

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.is_idle:
            self.transport.abort()


def limited_protocol(limits: ConnectionLimits) -> type[LimitedProtocol]:
    """Return the protocol class of one server."""
    return type("ServerProtocol", (LimitedProtocol,), {"limits": limits})
