"""ASGI application of ``listen``: record the task id of each webhook.

A webhook is not signed, so only the id in its body is used, and only to query Nimble's API. The answer is 200 as soon
as the id is on disk.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError, UsageError
from harvester.events.event_state import EnqueueOutcome
from harvester.metrics import CONTENT_TYPE
from harvester.nimble_api import is_id

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SECRET_HEADER = "x-nimble-harvester-secret"  # noqa: S105  # the header's name
_RETRY_SECONDS = 30
_SHORTEST_SECRET = 8
_STATUS = {
    "accepted": 200,
    "duplicate": 200,
    "not_json": 400,
    "no_task": 400,
    "wrong_secret": 401,
    "wrong_method": 405,
    "slow": 408,
    "too_large": 413,
    "full": 503,
    "not_written": 503,
}


@dataclass(frozen=True, slots=True)
class WebhookOptions:
    """Requirements on a webhook. Raises UsageError for an invalid secret."""

    secret: str | None = field(default=None, repr=False)
    """Secret expected in a header or as the last segment of the path; None for none."""
    most_bytes: int = 256 * 1024
    """Maximum length of the body."""
    body_seconds: float = 10.0
    """Maximum seconds until the body has arrived."""

    def __post_init__(self) -> None:
        """Validate the secret."""
        if self.secret is not None and not (len(self.secret) >= _SHORTEST_SECRET and _fits_a_path(self.secret)):
            raise UsageError(
                "invalid secret",
                cause=f"as part of a path it needs {_SHORTEST_SECRET} or more letters, digits and - _ . ~",
                code=ErrorCode.SECRET_UNUSABLE,
            )


def _fits_a_path(secret: str) -> bool:
    return secret.isascii() and all(letter.isalnum() or letter in "-_.~" for letter in secret)


def task_of(body: bytes) -> str | None:
    """Return the task id in a webhook's body, None if there is no valid one.

    The documentation shows four bodies: ``{"task": {"id": …}}`` with the state ``success`` or ``completed``, one with a
    ``status`` beside the task, and one whose task is still ``pending``; all of them have the id in the same field.
    Raises ValueError if the body is not JSON.
    """
    try:
        value = json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    task = value.get("task") if isinstance(value, dict) else None
    found = task.get("id") if isinstance(task, dict) else None
    return found if is_id(found) else None


class WebhookApp:
    """Serves webhooks, ``/healthz`` and ``/metrics``."""

    def __init__(
        self,
        options: WebhookOptions,
        enqueue: Callable[[Sequence[str]], list[EnqueueOutcome]],
        executor: Executor,
        health: Callable[[], tuple[bool, str]],
        metrics: Callable[[], str],
    ) -> None:
        """``enqueue`` records ids, in ``executor``; concurrent requests share one call."""
        self._options = options
        self._enqueue = enqueue
        self._executor = executor
        self._health = health
        self._metrics = metrics
        self._waiting: list[tuple[str, asyncio.Future[EnqueueOutcome]]] = []
        self._writer: asyncio.Task[None] | None = None
        self.answers: Counter[str] = Counter()
        """Number of webhooks by answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if method in ("GET", "HEAD"):
            if path == "/healthz":
                healthy, message = self._health()
                await _answer(send, 200 if healthy else 503, message + "\n")
            elif path == "/metrics":
                await _answer(send, 200, self._metrics(), content_type=CONTENT_TYPE)
            else:
                # Most often a browser on the webhook's address.
                await _answer(send, 405, "webhooks are POSTed here\n", headers=[(b"allow", b"POST")])
            return
        ended = await self._webhook(scope, receive)
        if ended is not None:
            self.answers[ended] += 1
            headers = [(b"retry-after", str(_RETRY_SECONDS).encode())] if _STATUS[ended] == 503 else []
            if ended == "wrong_method":
                headers.append((b"allow", b"POST"))
            if ended not in ("accepted", "duplicate"):
                # The rest of the body is not read.
                headers.append((b"connection", b"close"))
            await _answer(send, _STATUS[ended], f'{{"status": "{ended}"}}\n', "application/json", headers)

    async def _webhook(self, scope: Scope, receive: Receive) -> str | None:
        """Return the answer to a webhook; None if the client has disconnected."""
        if scope["method"] != "POST":
            return "wrong_method"
        headers = {name.decode("latin-1").lower(): value for name, value in scope["headers"]}
        secret = self._options.secret
        if secret is not None and not _is_known(secret.encode(), scope["path"], headers):
            return "wrong_secret"
        length = headers.get("content-length", b"")
        if length.isdigit() and int(length) > self._options.most_bytes:
            return "too_large"
        try:
            async with asyncio.timeout(self._options.body_seconds):
                body = await self._body(receive)
        except TimeoutError:
            return "slow"
        if not isinstance(body, bytes):
            return body
        try:
            task_id = task_of(body)
        except ValueError:
            return "not_json"
        if task_id is None:
            return "no_task"
        try:
            return (await self._record(task_id)).value
        except HarvesterError:
            return "not_written"

    async def _body(self, receive: Receive) -> bytes | str | None:
        parts: list[bytes] = []
        length = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            length += len(part)
            if length > self._options.most_bytes:
                return "too_large"
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _record(self, task_id: str) -> EnqueueOutcome:
        future: asyncio.Future[EnqueueOutcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((task_id, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        """Record all waiting ids; those that arrive meanwhile share the next transaction."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                offers = await loop.run_in_executor(self._executor, self._enqueue, [task_id for task_id, _ in batch])
            except HarvesterError as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), offer in zip(batch, offers, strict=True):
                if not future.done():
                    future.set_result(offer)


def _is_known(secret: bytes, path: str, headers: Mapping[str, bytes]) -> bool:
    scheme, _, bearer = headers.get("authorization", b"").partition(b" ")
    given = (
        headers.get(SECRET_HEADER, b""),
        bearer.strip() if scheme.lower() == b"bearer" else b"",
        path.rstrip("/").rpartition("/")[2].encode(),
    )
    # Compare all, so that the duration reveals nothing.
    return sum([hmac.compare_digest(each, secret) for each in given]) > 0


async def _answer(
    send: Send,
    status: int,
    text: str,
    content_type: str = "text/plain; charset=utf-8",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    body = text.encode()
    head = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
