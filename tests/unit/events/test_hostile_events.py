"""Every message and webhook of the table of hostile input."""

from __future__ import annotations

import pytest

from harvester.events.http.webhook_app import task_of
from harvester.events.queue.message import parse_message
from harvester.location import parse_location
from harvester.queues.message_queue import QueueMessage
from tests.hostile.event_cases import MESSAGES, WEBHOOKS, MessageCase, WebhookCase


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case.name)
def test_a_message_has_its_outcome(case: MessageCase) -> None:
    found = parse_message(QueueMessage("1", "r", case.body, {}, 1), parse_location("s3://bucket/r/"))
    assert bool(found.announced) == ("lands" in case.outcome)
    assert bool(found.unreadable) == ("left" in case.outcome)
    assert bool(found.others) == (case.outcome == "deleted")
    assert found.foreign is None


@pytest.mark.parametrize("case", WEBHOOKS, ids=lambda case: case.name)
def test_a_webhook_has_its_answer(case: WebhookCase) -> None:
    try:
        named = task_of(case.body) is not None
    except ValueError:
        named = False
    assert named == (case.status == 200)
