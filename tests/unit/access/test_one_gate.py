"""One decision for the same documents: the check of a file, the explanation of a bucket, and a planned change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.access.bucket_snapshot import snapshot_of
from harvester.access.change.planning import outcome_of, plan_edit
from harvester.access.delivery_targets import find_targets
from harvester.access.explain.access_report import explain
from harvester.access.gate_exit_code import exit_code_of
from harvester.errors import ExitCode, IntegrityError
from harvester.storage.bucket_settings import Encryption, PublicAccessBlock, S3Settings, Unread, UnreadReason
from policies import DesiredState, check, gate, parse
from tests.unit.policies import strategies

NOW = datetime(2026, 11, 1, tzinfo=UTC)
OFF = PublicAccessBlock(*([False] * 4))


def settings_with(policy: str | None) -> S3Settings:
    return S3Settings(
        "bkt", "eu-west-1", "111122223333", "111122223333", policy, OFF, OFF, "BucketOwnerEnforced",
        Encryption("AES256", "", False), None, None, None, "BucketOwner",
    )  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """A store whose policy is a text."""

    text: str | None
    kind: Literal["s3"] = "s3"
    resource: str = "bkt"
    name: str = "the policy of s3://bkt"

    def read(self) -> str | None:
        return self.text

    def write(self, text: str | None) -> None:
        raise AssertionError(f"planning writes nothing: {text!r}")


def code_of_check(text: str, *, accept_unknown: tuple[str, ...] = ()) -> ExitCode:
    (target,) = find_targets(["s3://bkt/out/"], "async")
    resolved = target.resolve(region="eu-west-1", account="111122223333", bucket_key=False)
    report = check(target.contract, resolved, parse(text, kind="s3"), at=NOW)
    return exit_code_of(gate(report.findings, report.proof.verdicts, accept_unknown=accept_unknown))


@settings(max_examples=120)
@given(strategies.policies(3), st.booleans())
def test_check_explain_and_apply_exit_alike(policy: dict[str, Any], exempt: bool) -> None:
    (target,) = find_targets(["s3://bkt/out/"], "async")
    text = json.dumps(policy)
    explained = explain(target, snapshot_of(settings_with(text), None), now=NOW)
    assert exit_code_of(explained.gate()) is code_of_check(text)
    desired = DesiredState(target.contract, target.resolve(), exempt=exempt, at=NOW)
    try:
        edit = plan_edit(Stored(text), text, desired)
    except IntegrityError:
        # Only a document that is refused whatever is added to it.
        assert code_of_check(text) is ExitCode.INTEGRITY or exempt
        return
    planned = outcome_of(target, explained.snapshot, [edit])
    assert edit.after_text is not None
    assert exit_code_of(planned.gate()) is code_of_check(edit.after_text)


def test_a_named_reason_is_accepted_and_no_other() -> None:
    (target,) = find_targets(["s3://bkt/out/"], "async")
    edit = plan_edit(Stored(None), None, DesiredState(target.contract, target.resolve(), at=NOW))
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::bkt/*",
        "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
    }
    text = json.dumps({**edit.after.value, "Statement": [*edit.after.value["Statement"], deny]})
    assert code_of_check(text) is ExitCode.DIFFERENCE
    assert code_of_check(text, accept_unknown=("condition:aws:SourceIp",)) is ExitCode.OK
    assert code_of_check(text, accept_unknown=("condition:aws:UserAgent",)) is ExitCode.DIFFERENCE
    explained = explain(target, snapshot_of(settings_with(text), None), now=NOW)
    assert exit_code_of(explained.gate(accept_unknown=("condition:aws:SourceIp",))) is ExitCode.OK


def test_a_setting_that_was_not_read_and_decides_nothing_stops_nothing() -> None:
    (target,) = find_targets(["s3://bkt/out/"], "async")
    edit = plan_edit(Stored(None), None, DesiredState(target.contract, target.resolve(), at=NOW))
    unread = Unread(UnreadReason.DENIED, "s3:GetBucketVersioning")
    known = settings_with(json.dumps(edit.after.value))
    partly = S3Settings(**{**{name: getattr(known, name) for name in known.__slots__}, "versioning": unread})
    explained = explain(target, snapshot_of(partly, None), now=NOW)
    assert explained.verdict == "go"
    assert exit_code_of(explained.gate()) is ExitCode.OK
    assert [each.setting for each in explained.unknowns] == ["versioning"]
    policy = S3Settings(**{**{name: getattr(known, name) for name in known.__slots__}, "policy": unread})
    blind = explain(target, snapshot_of(policy, None), now=NOW)
    assert blind.verdict == "unknown"
    assert exit_code_of(blind.gate()) is ExitCode.DIFFERENCE
    assert exit_code_of(blind.gate(accept_unknown=("unread:bucket policy",))) is ExitCode.OK
