"""The interface of message queues, Amazon SQS and Google Cloud Pub/Sub alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

# SQS limits a receipt to 1,024 characters; Pub/Sub documents no limit.
_LONGEST_NAME = 8192
_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII).fullmatch
_SUBSCRIPTION = re.compile(r"projects/[^/\s]+/subscriptions/[^/\s]+\Z")


class QueueMessage(NamedTuple):
    """One delivery of a message."""

    id: str
    """The queue's id of the message; the same in every delivery."""
    receipt: str
    """The handle by which this delivery is extended, released and deleted."""
    body: str
    """Its text; empty if it is no Unicode text."""
    attributes: Mapping[str, str]
    """Attributes its sender has set (Pub/Sub); empty for SQS."""
    deliveries: int
    """How often it has been delivered so far, this time included; 0 where the queue does not state it."""


def received_message(
    message_id: object, receipt: object, body: object, attributes: Mapping[str, str], deliveries: object
) -> QueueMessage | None:
    """Return a delivery as a queue sent it, None if it cannot even be deleted.

    A body that is no Unicode text becomes empty, a number of deliveries that is none becomes 0.
    """
    if not _is_name(message_id) or not _is_name(receipt):
        return None
    count = str(deliveries)
    return QueueMessage(
        str(message_id),
        str(receipt),
        body if isinstance(body, str) and _is_unicode(body) else "",
        {name: value for name, value in attributes.items() if _is_unicode(name) and _is_unicode(value)},
        int(count) if _COUNT(count) else 0,
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME and _is_unicode(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The settings of a queue, as far as these credentials may read them."""

    dead_letters: bool | None
    """Whether what is delivered too often goes to a dead-letter queue or topic; None where they may not be read."""
    max_deliveries: int | None
    """After how many deliveries; None when there is no limit, or it may not be read."""


class MessageQueue(Protocol):
    """A queue. Every method raises AccessDenied, UsageError (no such queue), ConnectionFailed or ConfigurationError.

    Safe to use from several threads.
    """

    @property
    def address(self) -> str:
        """The queue's URL, or the subscription's name."""

    def settings(self) -> QueueSettings:
        """Return the queue's settings; unknown where these credentials may not read them."""

    def receive(self, limit: int, *, wait: float, lease: float) -> list[QueueMessage]:
        """Return up to ``limit`` messages, waiting at most ``wait`` seconds for the first.

        They are invisible to other consumers for ``lease`` seconds.
        """

    def extend(self, receipts: Sequence[str], lease: float) -> list[str]:
        """Keep deliveries for ``lease`` seconds from now; return the receipts that are no longer valid.

        0 releases them: they are delivered again at once.
        """

    def delete(self, receipts: Sequence[str]) -> list[str]:
        """Delete messages; return the receipts that are no longer valid."""


def is_subscription(address: str) -> bool:
    """Return whether ``address`` names a Pub/Sub subscription."""
    return _SUBSCRIPTION.match(address) is not None
