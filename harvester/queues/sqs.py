"""Amazon SQS through boto3."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConfigurationError, ConnectionFailed, ExitCode, HarvesterError, UsageError
from harvester.queues.message_queue import QueueMessage, QueueSettings
from harvester.sessions import StoreSettings, resolve_credentials, translate_botocore_errors
from harvester.storage import Cause, ServiceError, ask

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
_HOST = re.compile(r"(?:sqs\.)?(?P<region>[a-z0-9-]+?)(?:\.queue)?\.(?:amazonaws\.com(?:\.cn)?|api\.aws)\Z")
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NonExistentQueue"})


class SqsQueue:
    """A queue of SQS."""

    def __init__(self, url: str, settings: StoreSettings) -> None:
        """Raises ConfigurationError for a profile that does not exist, or without credentials."""
        self.address = url
        self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="sqs")
        parts = urlsplit(url)
        found = _HOST.match(parts.hostname or "")
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=2 * _PARALLEL + 4,
        )
        with translate_botocore_errors(settings.profile):
            session = boto3.session.Session(profile_name=settings.profile)
            resolve_credentials(session._session, settings.profile)  # noqa: SLF001  # boto3 offers no other way to its botocore session
            region = found["region"] if found else settings.region or session.region_name or "us-east-1"
            # The URL says where the queue is: an endpoint set for the bucket may be another service's.
            self._client: SQSClient = session.client(
                "sqs", region_name=region, endpoint_url=f"{parts.scheme}://{parts.netloc}", config=config
            )

    def settings(self) -> QueueSettings:
        """See MessageQueue.settings."""
        answer = ask(self._client.get_queue_attributes, QueueUrl=self.address, AttributeNames=["RedrivePolicy"])
        if answer.error is not None:
            if answer.error.cause is Cause.OBJECT_DENIED and answer.error.code not in _MISSING:
                return QueueSettings(None, None)
            raise self._error("cannot ask about", answer.error)
        policy = (answer.value or {}).get("Attributes", {}).get("RedrivePolicy")
        if not policy:
            return QueueSettings(dead_letters=False, max_deliveries=None)
        return QueueSettings(dead_letters=True, max_deliveries=int(json.loads(policy)["maxReceiveCount"]))

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
        return [
            QueueMessage(
                found["MessageId"],
                found["ReceiptHandle"],
                found.get("Body", ""),
                {},
                int(found.get("Attributes", {}).get("ApproximateReceiveCount", 0)),
            )
            for found in answer.value.get("Messages", [])
        ]

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
            return [chunk[int(failed["Id"])] for failed in answer.value.get("Failed", [])]

        chunks = [receipts[start : start + _BATCH] for start in range(0, len(receipts), _BATCH)]
        return [receipt for lost in self._pool.map(ask_for, chunks) for receipt in lost]

    def _error(self, doing: str, error: ServiceError | None) -> HarvesterError:
        assert error is not None  # noqa: S101  # an answer without a value has a error
        what = f"{doing} the queue {self.address}"
        cause, request_id = error.sentence(), error.request_id
        if error.code in _MISSING:
            return UsageError(
                f"{what}: it does not exist",
                cause=cause,
                code=ErrorCode.NO_SUCH_QUEUE,
                subject=self.address,
                request_id=request_id,
            )
        if error.expired:
            return ConfigurationError(
                f"{what}: the login has expired",
                cause=cause,
                code=ErrorCode.LOGIN_EXPIRED,
                subject=self.address,
                request_id=request_id,
            )
        if error.cause.exit_code is ExitCode.ACCESS_DENIED or error.code.upper().startswith("KMS"):
            return AccessDenied(
                f"{what}: access denied",
                cause=cause,
                code=ErrorCode.QUEUE_DENIED,
                subject=self.address,
                request_id=request_id,
            )
        if error.cause.exit_code is ExitCode.CONFIGURATION:
            return ConfigurationError(
                f"{what}: this machine's clock is wrong", cause=cause, code=ErrorCode.CLOCK_SKEW, subject=self.address
            )
        return ConnectionFailed(
            f"{what}: no usable answer", cause=cause, code=ErrorCode.QUEUE_UNREACHABLE, subject=self.address
        )
