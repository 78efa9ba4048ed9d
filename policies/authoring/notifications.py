"""The documents for event notifications: the queue's policy, the bucket's configuration, the reader's policy.

A put of a bucket's notification configuration replaces the whole of it. So ours is merged into what is there, and
where S3 would refuse the outcome, the merge is refused with an alternative.

Sources: Amazon S3 user guide, "Configuring event notifications"; Cloud Storage documentation, "Pub/Sub notifications".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from policies.contracts import Target
from policies.language import VERSION
from policies.policy_errors import ContractError, MergeError, PolicyErrorCode

QUEUE_SID = "BucketEventsOfNimbleResults"
READER_SID = "ReceiveBucketEvents"
ARRIVALS = "s3:ObjectCreated:*"
"""The events that announce a result."""
READER_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes")
"""What ``watch --queue`` asks SQS for."""
_TARGETS = {"QueueConfigurations": "QueueArn", "TopicConfigurations": "TopicArn"}
_LAMBDAS = ("LambdaFunctionConfigurations", "LambdaFunctionArn")
_KNOWN = frozenset({*_TARGETS, _LAMBDAS[0], "EventBridgeConfiguration"})
_QUEUE_ARN = re.compile(
    r"arn:(?P<partition>[a-z-]+):sqs:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)\Z"
)
_SUBSCRIPTION = re.compile(r"projects/(?P<project>[^/\s]+)/subscriptions/[^/\s]+\Z")
_UNESCAPED = "/-_.~"
_ID = "nimble-harvester-"


@dataclass(frozen=True, slots=True)
class NotificationChange:
    """A bucket's notification configuration, before and after."""

    before: Mapping[str, Any]
    """As it was given."""
    after: Mapping[str, Any]
    """As it is to be put: everything that was there, and ours."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to put."""
        return self.before != self.after


def events_documents(
    target: Target, queue: str, *, current: Mapping[str, Any] | None = None, account: str | None = None
) -> dict[str, Any]:
    """Return the documents that let ``watch --queue`` hear of what arrives in a target, by name.

    On S3, ``queue`` is the ARN of an SQS queue, ``current`` the bucket's present notification configuration, and
    ``account`` the bucket's account where it is not the queue's. On GCS, ``queue`` is a subscription. Raises
    ContractError for a queue that cannot be, MergeError as ``merge_notifications`` does.
    """
    if target.cloud == "gs":
        return _gcs_documents(target, queue)
    found = _queue(queue, target)
    return {
        "QueuePolicy": queue_policy(target, queue, account or target.account or found["account"]),
        "NotificationConfiguration": dict(merge_notifications(current or {}, target, queue).after),
        "ReaderPolicy": {"Version": VERSION, "Statement": [reader_statement(queue)]},
    }


def queue_policy(target: Target, queue: str, account: str) -> dict[str, Any]:
    """Return the policy of the queue: S3 may send to it, on behalf of this bucket of this account alone."""
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Sid": QUEUE_SID,
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": queue,
                "Condition": {
                    # Without these two, any bucket of any account could send to the queue.
                    "ArnEquals": {"aws:SourceArn": target.bucket_arn},
                    "StringEquals": {"aws:SourceAccount": account},
                },
            }
        ],
    }


def reader_statement(queue: str) -> dict[str, Any]:
    """Return what the reader's role needs on the queue, besides what ``sync`` needs on the bucket."""
    return {"Sid": READER_SID, "Effect": "Allow", "Action": list(READER_ACTIONS), "Resource": queue}


def results_prefix(target: Target) -> str:
    """Return the prefix under which results arrive."""
    return target.prefixes.get("prefix", target.prefixes.get("output", ""))


def merge_notifications(current: Mapping[str, Any], target: Target, queue: str) -> NotificationChange:
    """Return ``current``, as ``aws s3api get-bucket-notification-configuration`` prints it, with ours added.

    Nothing of it is lost or changed, but an older form of our own entry. Raises MergeError where S3 would refuse the
    outcome, because two entries would announce the same event of the same key, and where it is no configuration.
    """
    _queue(queue, target)
    _check(current)
    prefix = results_prefix(target)
    ours = _entry(prefix, queue)
    entries: list[Mapping[str, Any]] = list(current.get("QueueConfigurations", []))
    for entry in entries:
        if entry.get("QueueArn") == queue and _covers(entry, prefix) and entry.get("Id") != ours["Id"]:
            return NotificationChange(current, current)
    kept = [entry for entry in entries if entry.get("Id") != ours["Id"]]
    for receiver, entry in _others(current, kept):
        if _announces_arrivals(entry) and _overlaps(entry, prefix):
            name = entry.get("Id", "without an Id")
            raise MergeError(
                f"the entry {name!r} of the bucket's notifications already announces what arrives there, to {receiver}",
                cause="S3 refuses two entries for one event and key: Configurations overlap",
                code=PolicyErrorCode.NOTIFICATIONS_OVERLAP,
            )
    placed = [ours if entry.get("Id") == ours["Id"] else entry for entry in entries]
    if ours not in placed:
        placed.append(ours)
    return NotificationChange(current, {**current, "QueueConfigurations": placed})


def _entry(prefix: str, queue: str) -> dict[str, Any]:
    digest = hashlib.sha256(prefix.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    entry: dict[str, Any] = {"Id": _ID + digest, "QueueArn": queue, "Events": [ARRIVALS]}
    if prefix:
        # A filter is written like a form: a blank as +, other special characters as %XX.
        rule = {"Name": "prefix", "Value": quote_plus(prefix, safe=_UNESCAPED)}
        entry["Filter"] = {"Key": {"FilterRules": [rule]}}
    return entry


def _check(current: Mapping[str, Any]) -> None:
    if not isinstance(current, Mapping):
        raise MergeError("the notification configuration is no JSON object", code=PolicyErrorCode.NOTIFICATIONS_INVALID)
    unknown = sorted(set(current) - _KNOWN)
    if unknown:
        raise MergeError(
            f"not a notification configuration: it holds {', '.join(unknown)}",
            cause="what is not understood is not merged into",
            code=PolicyErrorCode.NOTIFICATIONS_INVALID,
        )
    for name in (*_TARGETS, _LAMBDAS[0]):
        entries = current.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
            raise MergeError(f"not a notification configuration: {name} is no list of entries")


def _others(current: Mapping[str, Any], queues: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in queues:
        yield str(entry.get("QueueArn", "")), entry
    for name, target in (("TopicConfigurations", "TopicArn"), _LAMBDAS):
        for entry in current.get(name, []):
            yield str(entry.get(target, "")), entry


def _announces_arrivals(entry: Mapping[str, Any]) -> bool:
    return any(str(event).startswith("s3:ObjectCreated:") for event in entry.get("Events", []))


def _rules(entry: Mapping[str, Any]) -> Mapping[str, str]:
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return {str(rule.get("Name", "")).lower(): unquote_plus(str(rule.get("Value", ""))) for rule in rules}


def _overlaps(entry: Mapping[str, Any], prefix: str) -> bool:
    theirs = _rules(entry).get("prefix", "")
    return theirs.startswith(prefix) or prefix.startswith(theirs)


def _covers(entry: Mapping[str, Any], prefix: str) -> bool:
    rules = _rules(entry)
    return (
        ARRIVALS in entry.get("Events", []) and not rules.get("suffix") and prefix.startswith(rules.get("prefix", ""))
    )


def _queue(queue: str, target: Target) -> re.Match[str]:
    found = _QUEUE_ARN.match(queue)
    if found is None:
        raise ContractError(
            f"not the ARN of a queue: {queue!r}",
            cause="it is written arn:aws:sqs:REGION:ACCOUNT:NAME",
            code=PolicyErrorCode.NOT_A_QUEUE_ARN,
        )
    if found["name"].endswith(".fifo"):
        raise ContractError(
            f"S3 cannot send to the FIFO queue {found['name']}",
            cause="S3 event notifications go to standard queues",
            code=PolicyErrorCode.FIFO_QUEUE,
        )
    if found["partition"] != target.partition or (target.region and found["region"] != target.region):
        raise ContractError(
            f"the queue {found['name']} is in {found['region']}, the bucket is not",
            cause="S3 sends to queues of the bucket's own region",
            code=PolicyErrorCode.QUEUE_IN_ANOTHER_REGION,
        )
    return found


def _gcs_documents(target: Target, subscription: str) -> dict[str, Any]:
    found = _SUBSCRIPTION.match(subscription)
    if found is None:
        raise ContractError(
            f"not a subscription: {subscription!r}",
            cause="it is written projects/PROJECT/subscriptions/NAME",
            code=PolicyErrorCode.NOT_A_SUBSCRIPTION,
        )
    agent = "serviceAccount:service-PROJECT_NUMBER@gs-project-accounts.iam.gserviceaccount.com"
    prefix = results_prefix(target)
    return {
        "TopicPolicy": {"bindings": [{"role": "roles/pubsub.publisher", "members": [agent]}]},
        "SubscriptionPolicy": {
            "bindings": [
                {
                    "role": "roles/pubsub.subscriber",
                    "members": [f"serviceAccount:READER@{found['project']}.iam.gserviceaccount.com"],
                }
            ]
        },
        "Notification": {
            "topic": f"//pubsub.googleapis.com/projects/{found['project']}/topics/TOPIC",
            "event_types": ["OBJECT_FINALIZE"],
            "payload_format": "JSON_API_V1",
            **({"object_name_prefix": prefix} if prefix else {}),
        },
    }
