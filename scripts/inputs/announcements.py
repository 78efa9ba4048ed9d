"""A bucket of moto whose events go to a queue, or several, and deliveries into it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

PREFIX = "nimble/"


def envelope(task_id: str, text: str = "") -> bytes:
    """A small delivered result."""
    value = {
        "url": f"https://www.example.com/{task_id}",
        "task_id": task_id,
        "status": "success",
        "data": {"html": f"<p>{text or task_id}</p>"},
        "metadata": {"query_time": "2026-01-24T12:36:24.685Z"},
        "status_code": 200,
    }
    return json.dumps(value).encode()


class AnnouncedBucket:
    """A bucket and the queue its events go to, both of moto."""

    def __init__(self, s3: S3Client, sqs: SQSClient, *, max_deliveries: int | None = None) -> None:
        self.s3 = s3
        self.sqs = sqs
        self.name = f"b-{uuid.uuid4().hex}"
        s3.create_bucket(Bucket=self.name)
        self.location = f"s3://{self.name}/{PREFIX}"
        attributes: dict[Any, str] = {}
        self.dead_letters = ""
        if max_deliveries is not None:
            self.dead_letters = sqs.create_queue(QueueName=f"dead-{self.name}")["QueueUrl"]
            policy = {"deadLetterTargetArn": self.arn(self.dead_letters), "maxReceiveCount": max_deliveries}
            attributes["RedrivePolicy"] = json.dumps(policy)
        self.queue = sqs.create_queue(QueueName=f"queue-{self.name}", Attributes=attributes)["QueueUrl"]

    def arn(self, queue: str) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        return found["Attributes"]["QueueArn"]

    def notify(self) -> None:
        """Let S3 announce what arrives, removals included."""
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {"QueueArn": self.arn(self.queue), "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}
                ]
            },
        )

    def deliver(self, key: str, body: bytes | None = None) -> str:
        """Store an object; return its ETag."""
        stored = self.s3.put_object(Bucket=self.name, Key=key, Body=envelope(key) if body is None else body)
        return stored["ETag"].strip('"')

    def send(self, message: object) -> None:
        """Put a message into the queue."""
        body = message if isinstance(message, str) else json.dumps(message)
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def visible(self) -> int:
        """How many messages can be received now."""
        name: Any = "ApproximateNumberOfMessages"
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=[name])
        return int(found["Attributes"][name])

    def waiting(self, queue: str | None = None) -> int:
        """How many messages the queue holds, given out or not."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=queue or self.queue, AttributeNames=names)
        return sum(int(number) for number in found["Attributes"].values())


def s3_event(bucket: str, key: str, etag: str, size: int, name: str = "ObjectCreated:Put") -> dict[str, Any]:
    """What S3 puts into a queue; ``key`` as it is to be written there."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-01-24T12:36:24.685Z",
                "eventName": name,
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": {"key": key, "size": size, "eTag": etag, "sequencer": "0055AED6DCD90281E5"},
                },
            }
        ]
    }
