"""``policy show --for events``: what makes a bucket announce its results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest

from scripts.commands.installed_command import run
from scripts.servers.server_process import ServerProcess

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

QUEUE = "arn:aws:sqs:us-east-1:123456789012:results"
SHOW = ("policy", "show", "--for", "events", "--mode", "async", "--bucket", "my-bucket", "--prefix", "nimble/")


def test_ours_is_merged_into_what_is_there(tmp_path: Path) -> None:
    theirs = {"Id": "theirs", "QueueArn": QUEUE + "-2", "Events": ["s3:ObjectRemoved:*"]}
    current = tmp_path / "current.json"
    current.write_text(json.dumps({"QueueConfigurations": [theirs]}))
    shown = run(*SHOW, "--queue", QUEUE, "--current", current)
    assert shown.code == 0, shown.err
    configuration = shown.document["NotificationConfiguration"]
    assert configuration["QueueConfigurations"][0] == theirs
    assert len(configuration["QueueConfigurations"]) == 2
    merged = tmp_path / "merged.json"
    merged.write_text(json.dumps(configuration))
    again = run(*SHOW, "--queue", QUEUE, "--current", merged)
    assert again.document["NotificationConfiguration"] == configuration
    assert "nothing to put" in again.err


def test_what_the_aws_command_line_prints_for_none_is_none(tmp_path: Path) -> None:
    current = tmp_path / "current.json"
    current.write_text("")
    shown = run(*SHOW, "--queue", QUEUE, "--current", current)
    assert len(shown.document["NotificationConfiguration"]["QueueConfigurations"]) == 1
    assert "replaces the bucket's whole" not in shown.err
    assert "replaces the bucket's whole" in run(*SHOW, "--queue", QUEUE).err


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``aws`` on the path, by botocore's own service models."""
    program = tmp_path / "bin" / "aws"
    program.parent.mkdir()
    root = Path(__file__).parents[4]
    program.write_text(f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -m tests.rigs.aws_cli "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("aws")
def test_the_commands_make_a_bucket_announce_and_replace_nothing(
    tmp_path: Path, s3: S3Client, s3_bucket: str, moto: ServerProcess
) -> None:
    sqs = boto3.client("sqs", endpoint_url=moto.url, region_name="us-east-1")
    queue = sqs.create_queue(QueueName=f"queue-{s3_bucket}")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:123456789012:queue-{s3_bucket}"
    show = ("policy", "show", "--for", "events", "--mode", "async", "--bucket", s3_bucket, "--prefix", "nimble/")

    def put(*options: str | Path) -> subprocess.CompletedProcess[str]:
        printed = run(*show, "--queue", arn, "--as", "cli", *options)
        assert printed.code == 0, printed.err
        return subprocess.run(["sh"], input=printed.out, capture_output=True, text=True, check=False)

    first = put()
    assert (first.returncode, first.stderr) == (0, "")
    s3.put_object(Bucket=s3_bucket, Key="nimble/a.json", Body=b"{}")
    bodies = [message["Body"] for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]]
    assert any("a.json" in body for body in bodies)
    policy = json.loads(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"])
    assert policy["Statement"][0]["Condition"]["ArnEquals"] == {"aws:SourceArn": f"arn:aws:s3:::{s3_bucket}"}

    again = put()
    assert again.returncode == 1
    assert "add --current FILE" in again.stderr
    found = s3.get_bucket_notification_configuration(Bucket=s3_bucket)
    current = tmp_path / "current.json"
    current.write_text(json.dumps({"QueueConfigurations": found["QueueConfigurations"]}))
    assert put("--current", current).returncode == 0
    statement = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sqs:*", "Resource": arn}
    theirs = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": theirs})
    foreign = put("--current", current)
    assert foreign.returncode == 1
    assert "already has a policy" in foreign.stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--as", "terraform"),
        ("--as", "cloudformation"),
        ("--cloud", "gs", "--as", "cli"),
        ("--kms-key", "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
        ("--reader", "arn:aws:iam::111122223333:role/x"),
        ("--can", "sync"),
        ("--whole",),
        ("--input", "in/"),
    ],
)
def test_an_option_that_has_no_meaning_for_events_is_refused(options: tuple[str, ...]) -> None:
    refused = run(*SHOW, "--queue", QUEUE, *options)
    assert (refused.code, refused.out) == (2, ""), refused
    assert "leave out" in refused.err


def test_what_cannot_be(tmp_path: Path) -> None:
    current = tmp_path / "current.json"
    current.write_text(json.dumps({"TopicConfigurations": [{"TopicArn": "arn:t", "Events": ["s3:ObjectCreated:*"]}]}))
    overlapping = run(*SHOW, "--queue", QUEUE, "--current", current)
    assert overlapping.code == 7
    assert "EventBridge" in overlapping.err
    current.write_text("{")
    assert run(*SHOW, "--queue", QUEUE, "--current", current).code == 7
    assert run(*SHOW).code == 2
    assert run(*SHOW, "--queue", "results").code == 2
    assert run("policy", "show", "--mode", "async", "--bucket", "my-bucket", "--queue", QUEUE).code == 2


def test_on_gcs() -> None:
    shown = run(*SHOW, "--cloud", "gs", "--queue", "projects/acme/subscriptions/results")
    assert shown.code == 0, shown.err
    assert set(shown.document) == {"TopicPolicy", "SubscriptionPolicy", "Notification"}
