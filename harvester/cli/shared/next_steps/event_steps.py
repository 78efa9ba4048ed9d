"""What to do after an error of a queue or of the webhook receiver."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvester.causes import Cause
from harvester.cli.shared.next_steps.step_values import CHECK_DISK, CHECK_NETWORK, StepText, StepValues
from harvester.cli.shared.next_steps.store_steps import fetch_step
from harvester.error_codes import ErrorCode


def _queue(values: StepValues) -> str:
    return "leave --queue out and use --every" if values.get("scheme") == "file" else "compare the two"


def _secret(values: StepValues) -> str:
    return "openssl rand -hex 24" + (f" > {values['subject']}" if values.get("subject") else "")


_C = ErrorCode
EVENT_STEPS: Mapping[ErrorCode, StepText] = MappingProxyType(
    {
        _C.NOT_A_QUEUE: "aws sqs get-queue-url --queue-name NAME, or gcloud pubsub subscriptions list",
        _C.NO_SUCH_QUEUE: fetch_step(Cause.NO_QUEUE),
        _C.NO_SUCH_SUBSCRIPTION: "gcloud pubsub subscriptions list",
        _C.QUEUE_DENIED: "grant the reader what `nimble-harvester policy show --for events` prints",
        _C.SUBSCRIPTION_DENIED: "grant the reader roles/pubsub.subscriber on the subscription",
        _C.QUEUE_UNREACHABLE: CHECK_NETWORK,
        _C.QUEUE_OF_ANOTHER_CLOUD: _queue,
        _C.EVENTS_OF_AN_ALIAS: "add --event-bucket NAME: the bucket's own name, as its events carry it",
        _C.LEASE_OUT_OF_RANGE: "--lease 2m",
        _C.FULL_LISTING_TOO_OFTEN: "--full-listing-every 24h",
        _C.INTERVAL_TOO_SHORT: "--every 30s",
        _C.PEER_OF_ANOTHER_LOCATION: "name only destinations of the same source",
        _C.PORT_UNAVAILABLE: "choose another --port, or stop what uses it",
        _C.SERVER_CERTIFICATE_INVALID: "give PEM files, the key without a password: --tls-cert FILE --tls-key FILE",
        _C.METRICS_FILE_UNWRITABLE: "give --metrics-file a path in a folder that this user may write to",
        _C.SECRET_UNUSABLE: _secret,
        _C.WEBHOOKS_NEED_A_BUCKET: "nimble-harvester watch LOCATION DEST --every 30s",
        _C.NO_LOCATION_TO_LISTEN: "nimble-harvester listen {subject} --location s3://BUCKET/PREFIX/",
        _C.EVENT_STATE_UNREADABLE: "move {subject} away and run again, then sync: what it held is found by listing",
        _C.EVENT_STATE_NOT_WRITTEN: CHECK_DISK,
    }
)
"""What to do after an error of a queue or of the webhook receiver."""
