"""Message queues: what a bucket's events wait in. Amazon SQS and Google Cloud Pub/Sub behind one door.

Importing it loads no SDK; each is loaded when a queue of its kind is opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from harvester.cloud.interface import StoreSettings
from harvester.errors import UsageError

_SUBSCRIPTION = re.compile(r"projects/[^/\s]+/subscriptions/[^/\s]+\Z")
_SQS_ARN = re.compile(r"arn:([a-z-]+):sqs:([a-z0-9-]+):(\d{12}):([A-Za-z0-9_.-]+)\Z")


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


def open_queue(address: str, settings: StoreSettings | None = None) -> MessageQueue:
    """Return the queue at ``address``: an SQS URL or ARN, or ``projects/PROJECT/subscriptions/NAME``.

    Touches no network yet. Raises UsageError for an address that cannot be.
    """
    if _SUBSCRIPTION.match(address):
        from harvester.cloud.pubsub import PubsubQueue

        return PubsubQueue(address)
    found = _SQS_ARN.match(address)
    url = address
    if found is not None:
        partition, region, account, name = found.groups()
        # Of the public partitions, GovCloud shares the domain, China has its own.
        domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
        url = f"https://sqs.{region}.{domain}/{account}/{name}"
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.netloc and parts.path.strip("/"):
        from harvester.cloud.sqs import SqsQueue

        return SqsQueue(url, settings or StoreSettings())
    raise UsageError(
        f"not a queue: {address!r}",
        cause="a queue is the URL of an SQS queue, or projects/PROJECT/subscriptions/NAME of Pub/Sub",
        next_step="aws sqs get-queue-url --queue-name NAME, or gcloud pubsub subscriptions list",
    )


def is_subscription(address: str) -> bool:
    """Return whether ``address`` names a Pub/Sub subscription."""
    return _SUBSCRIPTION.match(address) is not None
