"""``policy show --for events``: what makes a bucket announce its results to a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.cli.policy_options import read_text, say
from harvester.errors import UsageError

if TYPE_CHECKING:
    from policies.places import Place


def events_text(place: Place, queue: str | None, current: str | None, account: str | None) -> str:
    """Return the documents as JSON. Raises UsageError without a queue, PolicyError for a merge that cannot be."""
    from policies.jsontext import dump_json, parse_json
    from policies.notifications import events_documents, results_prefix

    if not queue:
        raise UsageError(
            "--for events needs the queue",
            next_step="add --queue arn:aws:sqs:REGION:ACCOUNT:NAME, or --queue projects/PROJECT/subscriptions/NAME",
        )
    if current is not None and place.cloud == "gs":
        raise UsageError("--current is for S3", cause="notifications of a GCS bucket are added one by one")
    known: Any = None
    if current is not None:
        text = read_text(current)
        # The AWS command line prints nothing at all where there is no configuration.
        known = parse_json(text, source=current) if text.strip() else {}
    documents = events_documents(place, queue, current=known, account=account)
    where = f"{place.bucket}/{results_prefix(place)}"
    say(f"what arrives under {where} is announced to {queue}")
    if place.cloud == "gs":
        say("  notifications of a bucket add up: none that is there is touched")
        say("  to fill in: PROJECT_NUMBER (gcloud projects describe), TOPIC, READER")
    elif current is None:
        say("  note: a put replaces the bucket's whole notification configuration; merge with what is there:")
        say(f"  aws s3api get-bucket-notification-configuration --bucket {place.bucket} > current.json")
        say("  and add --current current.json")
    elif documents["NotificationConfiguration"] == known:
        say("  the bucket announces it already: nothing to put")
    return dump_json(documents)
