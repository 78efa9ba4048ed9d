"""An HTTP client whose responses have a limit on bytes and seconds, and that follows no redirect."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

DEFAULT_MAX_RESPONSE_BYTES = 256 * 1024 * 1024
"""Limit of one body, after decompression: far above the largest result that Nimble documents."""
_BODY_SECONDS = 600.0
_CHUNK = 64 * 1024
# One layer of gzip expands a chunk to at most 1,032 times its size; more layers, or other codings, have no such bound.
_CODINGS = frozenset({"", "identity", "gzip"})


class UnusableBody(Exception):
    """A response body that is too large, or compressed by a method that has no bound."""


def bounded_client(
    max_bytes: int, *, request_hooks: Sequence[Callable[[httpx.Request], None]] = (), seconds: float = _BODY_SECONDS
) -> httpx.Client:
    """Return a client for the SDK. Its requests raise UnusableBody, besides the errors of httpx.

    ``max_bytes`` limits one body, after decompression; ``seconds`` the time it may take. A redirect is an answer like
    any other: the API key is sent to no other address.
    """
    import httpx
    from nimble_python import DefaultHttpxClient

    class BoundedClient(DefaultHttpxClient):
        def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
            response = super().send(request, stream=True, **options)
            if stream:
                return response
            try:
                content = _read(response, max_bytes, seconds)
            finally:
                response.close()
            # The content is decoded: its headers would describe other bytes.
            headers = [
                (name, value)
                for name, value in response.headers.multi_items()
                if name.lower() not in {"content-encoding", "content-length", "transfer-encoding"}
            ]
            return httpx.Response(response.status_code, headers=headers, content=content, request=response.request)

    return BoundedClient(
        follow_redirects=False,
        headers={"accept-encoding": "gzip"},
        event_hooks={"request": list(request_hooks)},
    )


def _read(response: httpx.Response, max_bytes: int, seconds: float) -> bytes:
    import httpx

    if response.headers.get("content-encoding", "").strip().lower() not in _CODINGS:
        raise UnusableBody("it is compressed by an unknown method")
    until = time.monotonic() + seconds
    chunks: list[bytes] = []
    length = 0
    for chunk in response.iter_bytes(_CHUNK):
        length += len(chunk)
        if length > max_bytes:
            raise UnusableBody(f"it is larger than {max_bytes:,} bytes")
        if time.monotonic() > until:
            raise httpx.ReadTimeout(f"the body took more than {seconds:.0f} s", request=response.request)
        chunks.append(chunk)
    return b"".join(chunks)
