"""The commands that reports name can be run as printed: every value is one word of a shell."""

from __future__ import annotations

import shlex

import pytest

from harvester.cli.shared.next_steps import cloud_commands, result_steps
from harvester.location import parse_location


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (result_steps.list_problems("my results"), ["status", "my results", "--problems"]),
        (result_steps.list_open_problems("a b"), ["problems", "list", "a b", "--open"]),
        (result_steps.accept_problem("d"), ["problems", "accept", "d", "KEY", "--note", "TEXT"]),
        (result_steps.list_consumers("d;ls"), ["consumers", "list", "d;ls"]),
        (result_steps.accept_profile("$d"), ["profile", "$d", "--accept"]),
        (
            result_steps.sync_wider("s3://b/", "my results", "a b*"),
            ["sync", "s3://b/", "my results", "--include", "a b*"],
        ),
        (result_steps.list_wider("s3://b/a b/"), ["ls", "s3://b/a b/"]),
        (result_steps.list_wider("s3://b/", "a*"), ["ls", "s3://b/", "--include", "a*"]),
    ],
)
def test_commands_of_this_program(command: str, words: list[str]) -> None:
    assert shlex.split(command) == ["nimble-harvester", *words]


@pytest.mark.parametrize(
    ("location", "key", "words"),
    [
        ("s3://bkt/p/", "p/a b\x1b", ["aws", "s3api", "delete-object", "--bucket", "bkt", "--key", "p/a b\\x1b"]),
        ("gs://bkt/p/", "p/it's", ["gcloud", "storage", "rm", "gs://bkt/p/it's"]),
        ("file:///p/", "/p/a b", ["rm", "/p/a b"]),
    ],
)
def test_an_object_is_deleted_at_its_source(location: str, key: str, words: list[str]) -> None:
    assert shlex.split(cloud_commands.delete_object(parse_location(location), key)) == words


def test_archived_objects_are_restored_one_by_one() -> None:
    lines = cloud_commands.restore_archived(parse_location("s3://bkt/a b/"))
    assert "--bucket bkt --prefix 'a b/'" in lines[0]
    assert "StorageClass==`GLACIER` || StorageClass==`DEEP_ARCHIVE`" in lines[1]


def test_a_job_of_one_shard_has_no_array() -> None:
    assert cloud_commands.submit_batch_job("n", None)[1].endswith("--job-definition n")
    assert cloud_commands.submit_batch_job("n", 8)[1].endswith("--array-properties size=8")
    assert cloud_commands.save_notifications("b").startswith(
        "aws s3api get-bucket-notification-configuration --bucket b"
    )
