"""Message queues: what a bucket's events wait in. Amazon SQS and Google Cloud Pub/Sub alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

_SUBSCRIPTION = re.compile(r"projects/[^/\s]+/subscriptions/[^/\s]+\Z")


class QueueMessage(NamedTuple):
    """One delivery of a message."""

    id: str
    """The queue's id of the message; the same in every delivery."""
    receipt: str
    """What this delivery is extended, released and deleted by."""
    body: str
    """Its text; bytes that are no UTF-8 are replaced."""
    attributes: Mapping[str, str]
    """Attributes its sender has set (Pub/Sub); empty for SQS."""
    deliveries: int
    """How often it has been delivered so far, this time included; 0 when the queue does not say."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How a queue is set up, as far as these credentials may ask."""

    dead_letters: bool | None
    """Whether what is delivered too often goes to a dead-letter queue or topic; None when it may not be asked."""
    max_deliveries: int | None
    """After how many deliveries; None when there is no limit, or it may not be asked."""


class MessageQueue(Protocol):
    """A queue. Every method raises AccessDenied, UsageError (no such queue), ConnectionFailed or ConfigurationError.

    Safe to use from several threads.
    """

    @property
    def address(self) -> str:
        """The queue's URL, or the subscription's name."""

    def settings(self) -> QueueSettings:
        """Return how the queue is set up; unknown where these credentials may not ask."""

    def receive(self, limit: int, *, wait: float, lease: float) -> list[QueueMessage]:
        """Return up to ``limit`` messages, waiting at most ``wait`` seconds for the first.

        Nobody else is given them for ``lease`` seconds.
        """

    def extend(self, receipts: Sequence[str], lease: float) -> list[str]:
        """Keep deliveries for ``lease`` seconds from now; return the receipts that no longer count.

        0 releases them: they are delivered again at once.
        """

    def delete(self, receipts: Sequence[str]) -> list[str]:
        """Forget messages for good; return the receipts that no longer count."""


def is_subscription(address: str) -> bool:
    """Return whether ``address`` names a Pub/Sub subscription."""
    return _SUBSCRIPTION.match(address) is not None
