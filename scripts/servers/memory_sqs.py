"""As much of SQS as a watch asks for, from a dictionary: for tests that want thousands of messages, or a bad queue.

Any queue URL leads to the one queue. Receipts count as Amazon documents them: only the last one given out deletes.
moto stands for SQS where its own behaviour is the point.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scripts.servers.loopback_server import Answer, LoopbackServer, Request


@dataclass
class _Message:
    body: str
    visible_at: float = 0.0
    receipt: str = ""
    deliveries: int = 0
    again: int = 0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class MemorySqs(LoopbackServer):
    """One queue at ``queue_url``."""

    def __init__(self, *, fifo: bool = False) -> None:
        """``fifo``: all messages are of one group, of which SQS returns none while another of it is in flight."""
        super().__init__(self.respond)
        self._fifo = fifo
        self._changed = threading.Condition()
        self._messages: dict[str, _Message] = {}
        self.given: int = 0
        """Deliveries so far."""

    @property
    def queue_url(self) -> str:
        return f"{self.url}/111122223333/results"

    def send(self, body: str, *, again: int = 0) -> None:
        """Add a message that comes ``again`` so often after it was deleted, as a queue may do."""
        with self._changed:
            message = _Message(body, again=again)
            self._messages[message.id] = message
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        """How many messages there are, given out or not."""
        with self._changed:
            return len(self._messages)

    def respond(self, request: Request) -> Answer:
        operation = request.headers.get("x-amz-target", "").partition(".")[2]
        if len(request.body) < int(request.headers.get("content-length", "0")):
            # Its sender was killed.
            return Answer(400)
        asked = json.loads(request.body)
        answers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "ReceiveMessage": self._receive,
            "ChangeMessageVisibilityBatch": self._extend,
            "DeleteMessageBatch": self._delete,
            "GetQueueAttributes": self._describe,
        }
        body = json.dumps(answers[operation](asked)).encode()
        return Answer(200, body, {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": str(uuid.uuid4())})

    def _describe(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"Attributes": {"RedrivePolicy": json.dumps({"maxReceiveCount": 100})}}

    def _receive(self, asked: dict[str, Any]) -> dict[str, Any]:
        until = time.monotonic() + asked.get("WaitTimeSeconds", 0)
        with self._changed:
            while True:
                now = time.monotonic()
                visible: list[_Message] = []
                in_flight = any(each.visible_at > now for each in self._messages.values())
                for message in self._messages.values():
                    if message.visible_at <= now and not (self._fifo and in_flight):
                        visible.append(message)
                        if len(visible) == asked["MaxNumberOfMessages"]:
                            break
                if visible or now >= until:
                    break
                self._changed.wait(min(0.1, until - now))
            for message in visible:
                message.visible_at = time.monotonic() + asked["VisibilityTimeout"]
                message.receipt = str(uuid.uuid4())
                message.deliveries += 1
                self.given += 1
            return {
                "Messages": [
                    {
                        "MessageId": message.id,
                        "ReceiptHandle": message.receipt,
                        "Body": message.body,
                        "Attributes": {"ApproximateReceiveCount": str(message.deliveries)},
                    }
                    for message in visible
                ]
            }

    def _extend(self, asked: dict[str, Any]) -> dict[str, Any]:
        return self._each(asked, self._move)

    def _move(self, message: _Message, entry: dict[str, Any]) -> None:
        message.visible_at = time.monotonic() + entry["VisibilityTimeout"]

    def _delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        return self._each(asked, self._forget)

    def _forget(self, message: _Message, _: dict[str, Any]) -> None:
        if message.again:
            message.again -= 1
            message.receipt = ""
            message.visible_at = 0.0
        else:
            del self._messages[message.id]

    def _each(self, asked: dict[str, Any], do: Any) -> dict[str, Any]:
        wanted = {entry["ReceiptHandle"]: entry for entry in asked["Entries"]}
        done, failed = [], []
        with self._changed:
            held = {each.receipt: each for each in self._messages.values() if each.receipt in wanted}
            for receipt, entry in wanted.items():
                if receipt in held:
                    do(held[receipt], entry)
                    done.append({"Id": entry["Id"]})
                else:
                    failed.append({"Id": entry["Id"], "SenderFault": True, "Code": "ReceiptHandleIsInvalid"})
        return {"Successful": done, "Failed": failed}
