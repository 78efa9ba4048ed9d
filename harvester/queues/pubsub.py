"""Google Cloud Pub/Sub through its client library; ``PUBSUB_EMULATOR_HOST`` is the library's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from google.api_core import exceptions as refusals
from google.auth import exceptions as login_refusals
from google.auth.credentials import AnonymousCredentials
from google.cloud import pubsub_v1

from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed
from harvester.queues.message_queue import QueueMessage, QueueSettings, received_message
from harvester.sessions import GOOGLE_LOGIN
from harvester.storage import ServiceError, answered, harvester_error, unanswered

_BATCH = 500
_LONGEST_LEASE = 600
_SECONDS = 30.0


class PubsubQueue:
    """A subscription of Pub/Sub."""

    def __init__(self, subscription: str) -> None:
        """Raises ConfigurationError without credentials."""
        self.address = subscription
        emulated = bool(os.environ.get("PUBSUB_EMULATOR_HOST"))
        with self._explained("cannot open"):
            self._client: Any = pubsub_v1.SubscriberClient(
                **({"credentials": AnonymousCredentials()} if emulated else {})  # type: ignore[no-untyped-call]  # published without types
            )

    def settings(self) -> QueueSettings:
        """See MessageQueue.settings."""
        try:
            with self._explained("cannot ask about"):
                found = self._client.get_subscription(request={"subscription": self.address}, timeout=_SECONDS)
        except AccessDenied:
            return QueueSettings(None, None)
        policy = found.dead_letter_policy
        if not policy.dead_letter_topic:
            return QueueSettings(dead_letters=False, max_deliveries=None)
        return QueueSettings(dead_letters=True, max_deliveries=int(policy.max_delivery_attempts))

    def receive(self, limit: int, *, wait: float, lease: float) -> list[QueueMessage]:
        """See MessageQueue.receive."""
        with self._explained("cannot read"):
            try:
                answer = self._client.pull(
                    request={"subscription": self.address, "max_messages": limit},
                    timeout=max(wait, 1.0),
                    retry=None,
                )
            except refusals.DeadlineExceeded:
                # No message arrived in time.
                return []
        deliveries = (
            received_message(
                received.message.message_id,
                received.ack_id,
                received.message.data.decode("utf-8", "replace"),
                dict(received.message.attributes),
                received.delivery_attempt,
            )
            for received in answer.received_messages
        )
        messages = [message for message in deliveries if message is not None]
        if messages:
            # A pull takes no deadline: until here the subscription's own applies.
            self.extend([message.receipt for message in messages], lease)
        return messages

    def extend(self, receipts: Sequence[str], lease: float) -> list[str]:
        """See MessageQueue.extend."""
        seconds = min(int(lease), _LONGEST_LEASE)
        return self._batched(
            lambda ids: self._client.modify_ack_deadline(
                request={"subscription": self.address, "ack_ids": ids, "ack_deadline_seconds": seconds},
                timeout=_SECONDS,
            ),
            receipts,
            "cannot keep messages of",
        )

    def delete(self, receipts: Sequence[str]) -> list[str]:
        """See MessageQueue.delete."""
        return self._batched(
            lambda ids: self._client.acknowledge(
                request={"subscription": self.address, "ack_ids": ids}, timeout=_SECONDS
            ),
            receipts,
            "cannot acknowledge messages of",
        )

    def _batched(self, call: Callable[[list[str]], object], receipts: Sequence[str], doing: str) -> list[str]:
        lost: list[str] = []
        for start in range(0, len(receipts), _BATCH):
            chunk = list(receipts[start : start + _BATCH])
            with self._explained(doing):
                try:
                    call(chunk)
                except (refusals.FailedPrecondition, refusals.InvalidArgument):
                    # With exactly-once delivery, and for ids that have expired: reported for the chunk as a whole.
                    lost.extend(chunk)
        return lost

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        what = f"{doing} the subscription {self.address}"
        try:
            yield
        except refusals.GoogleAPIError as error:
            raise harvester_error(
                what, _service_error_from(error, doing), url=self.address, login=GOOGLE_LOGIN, codes=_CODES
            ) from error
        except login_refusals.TransportError as error:
            raise ConnectionFailed(
                f"{what}: the service that hands out Google tokens cannot be reached", cause=_sentence(error)
            ) from error
        except login_refusals.GoogleAuthError as error:
            raise ConfigurationError(
                f"{what}: the Google credentials do not work, or there are none",
                cause=_sentence(error),
                code=ErrorCode.LOGIN_EXPIRED,
                subject=self.address,
                parameters={"login": "google"},
            ) from error


_CODES = {
    Cause.NO_QUEUE: ErrorCode.NO_SUCH_SUBSCRIPTION,
    Cause.OBJECT_DENIED: ErrorCode.SUBSCRIPTION_DENIED,
    Cause.CREDENTIALS: ErrorCode.SUBSCRIPTION_DENIED,
    **dict.fromkeys(
        (
            Cause.NETWORK,
            Cause.TIMEOUT,
            Cause.THROTTLED,
            Cause.CONFLICT,
            Cause.SERVER_ERROR,
        ),
        ErrorCode.QUEUE_UNREACHABLE,
    ),
}


def _service_error_from(error: refusals.GoogleAPIError, doing: str) -> ServiceError:
    """Return what an error of the client library means, by its gRPC status code."""
    cause: BaseException | None = error.cause if isinstance(error, refusals.RetryError) else error
    if isinstance(cause, refusals.GoogleAPICallError) and cause.grpc_status_code is not None:
        name = cause.grpc_status_code.name
        return answered(f"pubsub.{doing}", int(cause.code or 0), name, _sentence(cause), "")
    return unanswered(Cause.NETWORK, type(cause).__name__, _sentence(error), retryable=True)


def _sentence(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
