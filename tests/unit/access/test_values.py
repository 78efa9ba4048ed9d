"""The pure parts of access: targets, snapshots saved and compared, explanations."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.access.bucket_snapshot import Snapshot, snapshot_of
from harvester.access.delivery_targets import find_targets
from harvester.access.explain.access_report import explain
from harvester.access.explain.drift import find_drift
from harvester.access.snapshot_files import load_saved, save_snapshot
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.storage.bucket_settings import (
    Encryption,
    KmsKey,
    LifecycleRule,
    ObjectLock,
    PublicAccessBlock,
    S3Settings,
    Unread,
    UnreadReason,
)
from harvester.storage.s3.setting_calls import PERMISSIONS
from policies.authoring.generation import generate

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize(
    ("locations", "options", "prefixes"),
    [
        (["s3://b"], {}, [{"input": "input/", "output": "output/"}]),
        (["s3://b/input/"], {}, [{"input": "input/"}]),
        (["s3://b/output/deep/"], {}, [{"output": "output/deep/"}]),
        (["s3://b/input/", "s3://b/output/"], {}, [{"input": "input/", "output": "output/"}]),
        (["s3://b/output/", "s3://b/input/"], {}, [{"input": "input/", "output": "output/"}]),
        (["s3://b"], {"inputs": ["in/"]}, [{"input": "in/"}]),
        ([], {"inputs": ["s3://b/x/"], "outputs": ["s3://c/y/"]}, [{"input": "x/"}, {"output": "y/"}]),
        (["s3://b", "s3://b"], {}, [{"input": "input/", "output": "output/"}]),
    ],
)
def test_targets_of_jobs(locations: list[str], options: dict[str, Any], prefixes: list[dict[str, str]]) -> None:
    names = [location.replace("s3://b", "s3://bucket") for location in locations]
    renamed: dict[str, Any] = {
        name: [each.replace("s3://", "s3://bucket-") for each in values] for name, values in options.items()
    }
    assert [dict(each.prefixes) for each in find_targets(names, "jobs", **renamed)] == prefixes


@pytest.mark.parametrize(
    ("locations", "mode", "options"),
    [
        (["s3://bucket/elsewhere/"], "jobs", {}),
        (["s3://bucket"], "jobs", {"prefix": "x/"}),
        (["s3://bucket"], "async", {"inputs": ["x/"]}),
        (["gs://bucket"], "jobs", {}),
        (["file:///tmp"], "async", {}),
        ([], "jobs", {"inputs": ["x/"]}),
        (["s3://bucket", "s3://other"], "async", {"prefix": "x/"}),
    ],
)
def test_targets_that_cannot_be(locations: list[str], mode: str, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        find_targets(locations, mode, **options)
    assert caught.value.code is not ErrorCode.USAGE


STATEMENTS = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Deny"]),
        "Principal": st.sampled_from(
            ["*", {"AWS": "123456789012"}, {"AWS": ["arn:aws:iam::123456789012:user/a", "123456789012"]}]
        ),
        "Action": st.lists(st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:*"]), min_size=1, unique=True),
        "Resource": st.lists(st.sampled_from(["arn:aws:s3:::b", "arn:aws:s3:::b/*"]), min_size=1, unique=True),
    },
    optional={"Sid": st.sampled_from(["A", "B"]), "Condition": st.just({"Bool": {"aws:SecureTransport": ["true"]}})},
)


def _maybe(strategy: st.SearchStrategy[Any], permission: str) -> st.SearchStrategy[Any]:
    reasons = st.sampled_from([*UnreadReason])
    return st.one_of(strategy, st.builds(Unread, reasons, st.just(permission), st.just("Code"), st.just("id")))


POLICIES = st.lists(STATEMENTS, min_size=1, max_size=3).map(
    lambda statements: json.dumps({"Version": "2012-10-17", "Statement": statements})
)
RULES = st.builds(
    LifecycleRule,
    id=st.text("ab", max_size=2),
    enabled=st.booleans(),
    prefix=st.sampled_from(["", "output/", "x/"]),
    narrowed=st.booleans(),
    expire_days=st.one_of(st.none(), st.integers(1, 30)),
    expire_date=st.one_of(st.none(), st.just("2020-01-01")),
    archive_days=st.one_of(st.none(), st.integers(0, 30)),
    archive_class=st.just("GLACIER"),
)
STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "region": st.just("eu-west-1"),
    "owner": st.just("123456789012"),
    "caller": st.just("123456789012"),
    "policy": st.one_of(st.none(), POLICIES),
    "public_access_block": st.one_of(st.none(), st.builds(PublicAccessBlock, *([st.booleans()] * 4))),
    "account_public_access_block": st.one_of(st.none(), st.builds(PublicAccessBlock, *([st.booleans()] * 4))),
    "ownership": st.sampled_from([None, "BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]),
    "encryption": st.one_of(
        st.none(), st.builds(Encryption, st.just("aws:kms"), st.sampled_from(["", KEY, "alias/a"]), st.booleans())
    ),
    "versioning": st.sampled_from([None, "Enabled", "Suspended"]),
    "lifecycle": st.one_of(st.none(), st.lists(RULES, min_size=1, max_size=2).map(tuple)),
    "object_lock": st.one_of(st.none(), st.builds(ObjectLock, st.sampled_from(["", "GOVERNANCE"]), st.integers(0, 9))),
    "payer": st.sampled_from(["BucketOwner", "Requester"]),
}
SETTINGS = st.builds(
    S3Settings,
    bucket=st.just("bucket"),
    **{name: _maybe(strategy, PERMISSIONS[name]) for name, strategy in STRATEGIES.items()},
)
KEYS = st.one_of(
    st.none(),
    st.builds(
        KmsKey,
        arn=st.just(KEY),
        account=st.just("123456789012"),
        region=st.just("eu-west-1"),
        managed_by_aws=st.booleans(),
        state=st.sampled_from(["Enabled", "Disabled"]),
        usage=st.just("ENCRYPT_DECRYPT"),
        policy=_maybe(POLICIES, "kms:GetKeyPolicy"),
        description=st.none(),
    ),
)
SNAPSHOTS = st.builds(snapshot_of, SETTINGS, KEYS)


@settings(max_examples=40)
@given(SNAPSHOTS)
def test_a_saved_snapshot_comes_back_the_same(tmp_path_factory: pytest.TempPathFactory, snapshot: Snapshot) -> None:
    (target,) = find_targets(["s3://bucket"], "jobs")
    directory: Path = tmp_path_factory.mktemp("saved")
    save_snapshot(snapshot, directory)
    again = load_saved(target, directory)
    assert (again.settings, again.key) == (snapshot.settings, snapshot.key)
    assert list(find_drift(snapshot, again)) == []


@settings(max_examples=40)
@given(SNAPSHOTS)
def test_explaining_never_fails_and_never_guesses(snapshot: Snapshot) -> None:
    (target,) = find_targets(["s3://bucket"], "jobs")
    explanation = explain(target, snapshot, now=datetime(2026, 1, 1, tzinfo=UTC))
    unread = [name for name in STRATEGIES if isinstance(getattr(snapshot.settings, name), Unread)]
    assert len(explanation.unknowns) >= len(unread)
    if isinstance(snapshot.settings.policy, Unread):
        assert {each.state for each in explanation.requirements if each.document == "bucket policy"} == {"unknown"}
    assert (explanation.verdict == "no-go") is (
        any(each.severity == "error" for each in explanation.findings)
        or any(each.state == "fails" for each in explanation.requirements)
    )
    assert explanation.gate().passed is (explanation.verdict == "go")


@settings(max_examples=40)
@given(SNAPSHOTS, st.sampled_from(["ownership", "versioning"]))
def test_a_changed_setting_is_a_drift_and_only_that(snapshot: Snapshot, name: str) -> None:
    value = getattr(snapshot.settings, name)
    assert snapshot.s3 is not None
    changes: dict[str, Any] = {name: "Changed"}
    changed = snapshot_of(dataclasses.replace(snapshot.s3, **changes), snapshot.key)
    drifts = list(find_drift(snapshot, changed))
    assert len(drifts) == (0 if isinstance(value, Unread) else 1)


def test_a_generated_policy_explains_as_go() -> None:
    (target,) = find_targets(["s3://bucket"], "jobs")
    policy = generate(target.contract, target.resolve()).dump()
    on = PublicAccessBlock(*([True] * 4))
    closed = S3Settings(
        "bucket", "eu-west-1", "1", "1", policy, on, on, "BucketOwnerEnforced", Encryption("AES256", "", False), None,
        None, None, "BucketOwner",
    )  # fmt: skip
    explanation = explain(target, snapshot_of(closed, None))
    assert explanation.verdict == "go", explanation.findings
    assert explanation.findings == ()
