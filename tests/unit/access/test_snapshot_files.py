"""Snapshots from files: the policy inside what a tool printed, a bare statement, and text in another encoding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester.access.delivery_targets import find_targets
from harvester.access.snapshot_files import load_snapshot
from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from policies import PolicyDocument

STATEMENT = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::bkt/*"}
POLICY = {"Version": "2012-10-17", "Statement": [STATEMENT]}
BINDINGS = {"bindings": [{"role": "roles/storage.objectCreator", "members": ["user:ann@example.com"]}]}


def planned(**policies: tuple[str, str, Any]) -> dict[str, Any]:
    changes = [
        {"type": kind, "change": {"after": {"bucket": bucket, attribute: json.dumps(value)}}}
        for attribute, (kind, bucket, value) in policies.items()
    ]
    return {"resource_changes": changes}


def policy_of(location: str, file: Path) -> Any:
    (target,) = find_targets([location], "async")
    return load_snapshot(target, policy_file=file).policy


@pytest.mark.parametrize(
    ("location", "value", "expected"),
    [
        ("s3://bkt/out/", planned(policy=("aws_s3_bucket_policy", "bkt", POLICY)), POLICY),
        ("s3://bkt/out/", STATEMENT, STATEMENT),
        ("gs://bkt/out/", planned(policy_data=("google_storage_bucket_iam_policy", "b/bkt", BINDINGS)), BINDINGS),
    ],
)
def test_a_policy_is_taken_out_of_what_is_around_it(location: str, value: Any, expected: Any, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(value))
    found = policy_of(location, file)
    assert isinstance(found, PolicyDocument)
    assert found.value == expected


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8-sig"])
def test_text_in_another_encoding_is_no_policy(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_bytes(json.dumps({**POLICY, "Id": "é"}, ensure_ascii=False).encode(encoding))
    with pytest.raises(IntegrityError, match=r"policy\.json, line 1, column"):
        policy_of("s3://bkt/out/", file)


def test_a_policy_of_an_explanation_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (target,) = find_targets(["s3://bkt/out/"], "async")
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(POLICY))
    size = file.stat().st_size
    assert load_snapshot(target, policy_file=file, max_policy_bytes=size).policy is not None
    with pytest.raises(UsageError, match="longer than") as caught:
        load_snapshot(target, policy_file=file, max_policy_bytes=size - 1)
    assert caught.value.code is ErrorCode.FILE_TOO_LONG
    with pytest.raises(UsageError, match="longer than"):
        load_snapshot(target, key_policy_file=file, max_policy_bytes=size - 1)
