"""Amazon SQS through boto3."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError
from harvester.queues.message_queue import QueueMessage, QueueSettings, received_message
from harvester.queues.queue_region import region_of_host
from harvester.sessions import Login, StoreSettings, resolve_credentials, translate_botocore_errors
from harvester.storage import ServiceError, ask, harvester_error

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_BATCH = 10
_LONGEST_WAIT = 20
_CONNECT_SECONDS = 5
# A long poll answers late on purpose.
_READ_SECONDS = _LONGEST_WAIT + 10
_ATTEMPTS = 5
_PARALLEL = 8
_LONGEST_LEASE = 12 * 3600
_ANY_REGION = "us-east-1"


class SqsQueue:
    """A queue of SQS."""

    def __init__(self, url: str, settings: StoreSettings) -> None:
        """Raises ConfigurationError for a profile that does not exist, or without credentials."""
        self.address = url
        self._profile = settings.profile
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="sqs")
        parts = urlsplit(url)
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=2 * _PARALLEL + 4,
        )
        with translate_botocore_errors(settings.profile):
            session = boto3.session.Session(profile_name=settings.profile)
            resolve_credentials(session._session, settings.profile)  # noqa: SLF001  # boto3 has no other access to its botocore session
            region = settings.region or region_of_host(parts.hostname or "") or session.region_name or _ANY_REGION
            # The URL names the endpoint: one set for the bucket may be another service's.
            self._client: SQSClient = session.client(
                "sqs", region_name=region, endpoint_url=f"{parts.scheme}://{parts.netloc}", config=config
            )

    def settings(self) -> QueueSettings:
        """See MessageQueue.settings."""
        answer = ask(self._client.get_queue_attributes, QueueUrl=self.address, AttributeNames=["RedrivePolicy"])
        if answer.error is not None:
            if answer.error.cause in (Cause.OBJECT_DENIED, Cause.POLICY_LIMIT):
                return QueueSettings(None, None)
            raise self._error("cannot ask about", answer.error)
        policy = (answer.value or {}).get("Attributes", {}).get("RedrivePolicy")
        if not policy:
            return QueueSettings(dead_letters=False, max_deliveries=None)
        return QueueSettings(dead_letters=True, max_deliveries=_max_deliveries(policy))

    def receive(self, limit: int, *, wait: float, lease: float) -> list[QueueMessage]:
        """See MessageQueue.receive."""
        found = self._receive(limit, wait, lease)
        if len(found) < _BATCH or limit <= _BATCH:
            return found
        # Ten were there: more are likely, and SQS gives ten at most.
        further = range(_BATCH, limit, _BATCH)
        for more in self._pool.map(lambda start: self._receive(limit - start, 0, lease), further):
            found.extend(more)
        return found

    def _receive(self, limit: int, wait: float, lease: float) -> list[QueueMessage]:
        answer = ask(
            self._client.receive_message,
            QueueUrl=self.address,
            MaxNumberOfMessages=min(limit, _BATCH),
            WaitTimeSeconds=min(int(wait), _LONGEST_WAIT),
            VisibilityTimeout=min(int(lease), _LONGEST_LEASE),
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        if answer.value is None:
            raise self._error("cannot read", answer.error)
        messages = (
            received_message(
                found.get("MessageId"),
                found.get("ReceiptHandle"),
                found.get("Body"),
                {},
                found.get("Attributes", {}).get("ApproximateReceiveCount"),
            )
            for found in answer.value.get("Messages", [])
        )
        return [message for message in messages if message is not None]

    def extend(self, receipts: Sequence[str], lease: float) -> list[str]:
        """See MessageQueue.extend."""
        seconds = min(int(lease), _LONGEST_LEASE)
        return self._batched(
            self._client.change_message_visibility_batch, receipts, "cannot keep messages of", VisibilityTimeout=seconds
        )

    def delete(self, receipts: Sequence[str]) -> list[str]:
        """See MessageQueue.delete."""
        return self._batched(self._client.delete_message_batch, receipts, "cannot delete from")

    def _batched(self, call: Callable[..., Any], receipts: Sequence[str], doing: str, **each: Any) -> list[str]:
        def ask_for(chunk: Sequence[str]) -> list[str]:
            entries = [{"Id": str(place), "ReceiptHandle": receipt, **each} for place, receipt in enumerate(chunk)]
            answer = ask(call, QueueUrl=self.address, Entries=entries)
            if answer.value is None:
                raise self._error(doing, answer.error)
            failed = {str(entry.get("Id")) for entry in answer.value.get("Failed", [])}
            return [receipt for place, receipt in enumerate(chunk) if str(place) in failed]

        chunks = [receipts[start : start + _BATCH] for start in range(0, len(receipts), _BATCH)]
        return [receipt for lost in self._pool.map(ask_for, chunks) for receipt in lost]

    def _error(self, doing: str, error: ServiceError | None) -> HarvesterError:
        assert error is not None  # noqa: S101  # a result without a value has an error
        what = f"{doing} the queue {self.address}"
        return harvester_error(what, error, url=self.address, login=Login("check", self._profile), codes=_CODES)


_CODES = {
    Cause.NO_QUEUE: ErrorCode.NO_SUCH_QUEUE,
    Cause.OBJECT_DENIED: ErrorCode.QUEUE_DENIED,
    Cause.KMS_DENIED: ErrorCode.QUEUE_DENIED,
    Cause.NETWORK: ErrorCode.QUEUE_UNREACHABLE,
    Cause.TIMEOUT: ErrorCode.QUEUE_UNREACHABLE,
    Cause.THROTTLED: ErrorCode.QUEUE_UNREACHABLE,
    Cause.SERVER_ERROR: ErrorCode.QUEUE_UNREACHABLE,
}


def _max_deliveries(redrive_policy: str) -> int | None:
    """Return the number of deliveries after which SQS gives up, None where the policy cannot be read."""
    try:
        return int(json.loads(redrive_policy)["maxReceiveCount"])
    except (ValueError, KeyError, TypeError):
        return None
