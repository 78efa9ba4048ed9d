"""The door's pure parts: which targets are meant, what two policies have in common, what is saved and compared."""

from __future__ import annotations

import dataclasses
import json
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.access.bucket_snapshot import Snapshot, snapshot_of
from harvester.access.change.equivalence import same_meaning
from harvester.access.commands import with_connection
from harvester.access.delivery_targets import find_targets
from harvester.access.explain.access_report import explain
from harvester.access.explain.drift import find_drift
from harvester.access.snapshot_files import load_saved, save_snapshot
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.sessions.connections import StoreSettings
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
from policies.language.documents import document

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PREFIXES = st.text(st.sampled_from("ab/ '$*"), max_size=8).filter(lambda text: text.strip("/") and "//" not in text)


@given(st.sampled_from(["async", "jobs"]), PREFIXES, PREFIXES)
def test_the_flags_of_a_target_name_the_same_target(mode: str, one: str, other: str) -> None:
    if mode == "async":
        targets = find_targets(["s3://bucket"], mode, prefix=one)
    else:
        targets = find_targets(["s3://bucket"], mode, inputs=[one], outputs=[other])
    words = shlex.split(targets[0].flags())
    flags = {
        name: words[words.index(name) + 1] for name in ("--mode", "--input", "--output", "--prefix") if name in words
    }
    locations = [words[0]] if "://" in words[0] else []
    again = find_targets(
        locations,
        flags["--mode"],
        inputs=[flags["--input"]] if "--input" in flags else (),
        outputs=[flags["--output"]] if "--output" in flags else (),
    )
    assert again == targets


@given(PREFIXES | st.sampled_from(["a && b/", "a --region b/"]))
def test_connection_flags_come_after_a_command_whatever_it_quotes(prefix: str) -> None:
    (target,) = find_targets(["s3://bucket"], "async", prefix=prefix)
    command = target.apply_command()
    connected = with_connection(command, StoreSettings(profile="a b", region="eu-west-1"))
    assert shlex.split(connected) == [*shlex.split(command), "--profile", "a b", "--region", "eu-west-1"]


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


def _rewritten(statement: dict[str, Any]) -> dict[str, Any]:
    """Return a statement as a service may hand it back."""

    def single(value: Any) -> Any:
        return (
            value[0]
            if isinstance(value, list) and len(value) == 1
            else value[::-1]
            if isinstance(value, list)
            else value
        )

    principal = statement["Principal"]
    if isinstance(principal, dict):
        named = principal["AWS"]
        named = [named] if isinstance(named, str) else named
        root = "arn:aws:iam::123456789012:root"
        principal = {"AWS": single([root if each == "123456789012" else each for each in named])}
    else:
        principal = {"AWS": "*"}
    changed = {**statement, "Principal": principal}
    changed["Action"] = single([each.upper().replace("S3:", "s3:") for each in statement["Action"]])
    changed["Resource"] = single(statement["Resource"])
    return changed


@given(st.lists(STATEMENTS, max_size=4))
def test_what_a_service_rewrites_means_the_same(statements: list[dict[str, Any]]) -> None:
    one = document({"Version": "2012-10-17", "Statement": statements}, kind="s3")
    other = document({"Version": "2012-10-17", "Statement": [_rewritten(each) for each in statements]}, kind="s3")
    assert same_meaning(one, other)


@given(st.lists(STATEMENTS, min_size=1, max_size=4), st.data())
def test_any_other_change_means_something_else(statements: list[dict[str, Any]], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(statements) - 1))
    field, value = data.draw(
        st.sampled_from(
            [
                ("Sid", "Changed"),
                ("Action", "s3:DeleteObject"),
                ("Resource", "arn:aws:s3:::b/other/*"),
                ("Principal", {"AWS": "999999999999"}),
                ("Condition", {"Bool": {"aws:SecureTransport": "false"}}),
            ]
        )
    )
    changed = [{**each, field: value} if at == index else each for at, each in enumerate(statements)]
    one = document({"Version": "2012-10-17", "Statement": statements}, kind="s3")
    other = document({"Version": "2012-10-17", "Statement": changed}, kind="s3")
    assert not same_meaning(one, other)
    assert not same_meaning(one, document({"Version": "2012-10-17", "Statement": statements[1:]}, kind="s3"))


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
    if unread:
        assert explanation.verdict != "go"
    if isinstance(snapshot.settings.policy, Unread):
        assert {each.state for each in explanation.requirements if each.document == "bucket policy"} == {"unknown"}
    assert (explanation.verdict == "no-go") is (
        any(gap.severity == "error" for gap in explanation.gaps)
        or any(each.state == "fails" for each in explanation.requirements)
        or any(reason.kind != "unread" for each in explanation.requirements for reason in each.reasons)
    )


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
    assert explanation.verdict == "go", explanation.gaps
    assert explanation.gaps == ()
