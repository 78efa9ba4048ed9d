"""Opens the queue at an address; loads only the SDK of its kind."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.extras import EVENTS, require_extra
from harvester.queues.message_queue import MessageQueue, is_subscription
from harvester.sessions import StoreSettings

_SQS_ARN = re.compile(r"arn:([a-z-]+):sqs:([a-z0-9-]+):(\d{12}):([A-Za-z0-9_.-]+)\Z")


def open_queue(address: str, settings: StoreSettings | None = None) -> MessageQueue:
    """Return the queue at ``address``: an SQS URL or ARN, or ``projects/PROJECT/subscriptions/NAME``.

    Touches no network yet. Raises UsageError for an invalid address; ConfigurationError for Pub/Sub without
    the extra [events].
    """
    if is_subscription(address):
        require_extra(EVENTS)
        from harvester.queues.pubsub import PubsubQueue

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
        from harvester.queues.sqs import SqsQueue

        return SqsQueue(url, settings or StoreSettings())
    raise UsageError(
        f"not a queue: {address!r}",
        cause="a queue is the URL of an SQS queue, or projects/PROJECT/subscriptions/NAME of Pub/Sub",
        code=ErrorCode.NOT_A_QUEUE,
        subject=address,
    )
