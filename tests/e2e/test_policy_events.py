"""``policy show --for events``: what makes a bucket announce its results."""

from __future__ import annotations

import json
from pathlib import Path

from tests.rigs.command import run

QUEUE = "arn:aws:sqs:us-east-1:123456789012:results"
SHOW = ("policy", "show", "--for", "events", "--mode", "async", "--bucket", "my-bucket", "--prefix", "nimble/")


def test_ours_is_merged_into_what_is_there(tmp_path: Path) -> None:
    theirs = {"Id": "theirs", "QueueArn": QUEUE + "-2", "Events": ["s3:ObjectRemoved:*"]}
    current = tmp_path / "current.json"
    current.write_text(json.dumps({"QueueConfigurations": [theirs]}))
    shown = run(*SHOW, "--queue", QUEUE, "--current", current)
    assert shown.code == 0, shown.stderr
    configuration = shown.report["NotificationConfiguration"]
    assert configuration["QueueConfigurations"][0] == theirs
    assert len(configuration["QueueConfigurations"]) == 2
    merged = tmp_path / "merged.json"
    merged.write_text(json.dumps(configuration))
    again = run(*SHOW, "--queue", QUEUE, "--current", merged)
    assert again.report["NotificationConfiguration"] == configuration
    assert "nothing to put" in again.stderr


def test_what_the_aws_command_line_prints_for_none_is_none(tmp_path: Path) -> None:
    current = tmp_path / "current.json"
    current.write_text("")
    shown = run(*SHOW, "--queue", QUEUE, "--current", current)
    assert len(shown.report["NotificationConfiguration"]["QueueConfigurations"]) == 1
    assert "replaces the bucket's whole" not in shown.stderr
    assert "replaces the bucket's whole" in run(*SHOW, "--queue", QUEUE).stderr


def test_what_cannot_be(tmp_path: Path) -> None:
    current = tmp_path / "current.json"
    current.write_text(json.dumps({"TopicConfigurations": [{"TopicArn": "arn:t", "Events": ["s3:ObjectCreated:*"]}]}))
    overlapping = run(*SHOW, "--queue", QUEUE, "--current", current)
    assert overlapping.code == 7
    assert "EventBridge" in overlapping.stderr
    current.write_text("{")
    assert run(*SHOW, "--queue", QUEUE, "--current", current).code == 7
    assert run(*SHOW).code == 2
    assert run(*SHOW, "--queue", "results").code == 2
    assert run("policy", "show", "--mode", "async", "--bucket", "my-bucket", "--queue", QUEUE).code == 2


def test_on_gcs() -> None:
    shown = run(*SHOW, "--cloud", "gs", "--queue", "projects/acme/subscriptions/results")
    assert shown.code == 0, shown.stderr
    assert set(shown.report) == {"TopicPolicy", "SubscriptionPolicy", "Notification"}
