"""The part of Pub/Sub this program uses, over gRPC as its client library speaks it.

Deliveries have leases that run out, acknowledgements of a lost lease are ignored, and everything can be given twice.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

_SERVICE = "google.pubsub.v1.Subscriber"
_DEADLINE = 10.0


@dataclass
class _Held:
    data: bytes
    attributes: Mapping[str, str]
    visible_at: float = 0.0
    ack_id: str = ""
    deliveries: int = 0
    twice: bool = False
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class FakePubsub:
    """One subscription on a free port of loopback; ``PUBSUB_EMULATOR_HOST`` leads to it."""

    subscription = "projects/acme/subscriptions/results"

    def __init__(self, *, dead_letters: bool = True) -> None:
        self._lock = threading.Lock()
        self._messages: dict[str, _Held] = {}
        self._dead_letters = dead_letters
        self.acknowledged: list[str] = []
        """Ids of the messages that were forgotten, in order."""
        self.denied = False
        """Whether every request is refused."""
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        methods: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
            "GetSubscription": (self._describe, types.GetSubscriptionRequest, types.Subscription),
            "Pull": (self._pull, types.PullRequest, types.PullResponse),
            "ModifyAckDeadline": (self._extend, types.ModifyAckDeadlineRequest, None),
            "Acknowledge": (self._acknowledge, types.AcknowledgeRequest, None),
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                self._checked(function),
                request_deserializer=asked.deserialize,
                response_serializer=answered.serialize if answered else empty_pb2.Empty.SerializeToString,
            )
            for name, (function, asked, answered) in methods.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
        self.host = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop(None).wait()

    def publish(self, attributes: Mapping[str, str], data: bytes = b"", *, twice: bool = False) -> str:
        """Add a message; ``twice``: it comes again after it was acknowledged."""
        with self._lock:
            message = _Held(data, attributes, twice=twice)
            self._messages[message.id] = message
            return message.id

    @property
    def waiting(self) -> int:
        """How many messages there are, given out or not."""
        with self._lock:
            return len(self._messages)

    def _checked(self, function: Callable[[Any], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
        def serve(request: Any, context: grpc.ServicerContext) -> Any:
            if self.denied:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "User not authorized to perform this action.")
            if request.subscription != self.subscription:
                context.abort(grpc.StatusCode.NOT_FOUND, f"Resource not found ({request.subscription}).")
            return function(request)

        return serve

    def _describe(self, request: Any) -> Any:
        policy = {"dead_letter_topic": "projects/acme/topics/dead", "max_delivery_attempts": 5}
        return types.Subscription(
            name=request.subscription,
            ack_deadline_seconds=int(_DEADLINE),
            **({"dead_letter_policy": policy} if self._dead_letters else {}),
        )

    def _pull(self, request: Any) -> Any:
        until = time.monotonic() + 0.5
        while True:
            with self._lock:
                now = time.monotonic()
                visible = [each for each in self._messages.values() if each.visible_at <= now]
                given = visible[: request.max_messages]
                for each in given:
                    each.visible_at = now + _DEADLINE
                    each.ack_id = str(uuid.uuid4())
                    each.deliveries += 1
            if given or time.monotonic() >= until:
                break
            time.sleep(0.02)
        return types.PullResponse(
            received_messages=[
                types.ReceivedMessage(
                    ack_id=each.ack_id,
                    message=types.PubsubMessage(data=each.data, attributes=each.attributes, message_id=each.id),
                    delivery_attempt=each.deliveries,
                )
                for each in given
            ]
        )

    def _extend(self, request: Any) -> Any:
        with self._lock:
            for each in self._messages.values():
                if each.ack_id and each.ack_id in request.ack_ids:
                    each.visible_at = time.monotonic() + request.ack_deadline_seconds
        return empty_pb2.Empty()

    def _acknowledge(self, request: Any) -> Any:
        with self._lock:
            for each in list(self._messages.values()):
                if each.ack_id and each.ack_id in request.ack_ids:
                    self.acknowledged.append(each.id)
                    if each.twice:
                        each.twice = False
                        each.visible_at = 0.0
                    else:
                        del self._messages[each.id]
        return empty_pb2.Empty()
