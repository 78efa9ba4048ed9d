"""Changes of a policy: the contract's statements added, everything else as it was unless it is named."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from policies import MergeError, Request, evaluate
from tests.unit.policies import strategies
from tests.unit.policies.planned import ASYNC, GCS, GUARD, TEAM, bucket_policy, merge, merged, ours, target


def test_statements_are_added_at_the_end() -> None:
    change = merged(TEAM)
    assert change.after.value["Statement"] == [TEAM, *ours()]
    assert list(change.after.value) == ["Version", "Id", "Statement"]
    assert change.changed
    assert change.proof.complete
    assert change.diff.startswith("--- policy.json (now)\n+++ policy.json (merged)\n")
    assert '+      "Sid": "NimbleCloudDeliveryWrite"' in change.diff
    assert change.steps == (
        "add statement NimbleCloudDeliveryLocation: s3:GetBucketLocation on arn:aws:s3:::bkt",
        "add statement NimbleCloudDeliveryWrite: s3:PutObject, s3:PutObjectAcl on arn:aws:s3:::bkt/out/*",
    )


def test_a_lone_statement_becomes_the_first_of_a_list() -> None:
    value = {"Version": "2012-10-17", "Statement": copy.deepcopy(TEAM)}
    change = merge(policies.document(value, kind="s3"), ASYNC, target())
    assert change.after.value["Statement"] == [TEAM, *ours()]
    assert change.diff.startswith("--- policy.json (now)")


def test_what_is_current_is_left_as_it_is() -> None:
    change = merged(TEAM, *ours())
    assert not change.changed
    assert change.after is change.before
    assert (change.diff, change.steps) == ("", ())


def test_what_others_grant_in_full_is_not_granted_again() -> None:
    documented = policies.generate(ASYNC, target(prefix=None), as_documented=True).value["Statement"]
    assert not merged(*documented).changed
    narrowed = [{**documented[0], "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/out/a*"]}]
    assert merged(*narrowed).steps
    conditional = [{**documented[0], "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]
    assert merged(*conditional).steps, "a condition may fail"


@pytest.mark.parametrize(
    "change",
    [
        {"Action": "s3:PutObject"},
        {"Action": ["s3:PutObject", "s3:PutObjectAcl", "s3:DeleteObject"]},
        {"Resource": "arn:aws:s3:::bkt/out/a*"},
    ],
)
def test_ours_is_brought_up_to_date_in_its_place(change: dict[str, Any]) -> None:
    location, write = ours()
    result = merged(location, {**write, **change}, TEAM)
    assert result.after.value["Statement"] == [location, write, TEAM]
    (step,) = result.steps
    assert step.startswith("update statement 2 (NimbleCloudDeliveryWrite): s3:PutObject, s3:PutObjectAcl on ")


def test_another_destination_gets_a_statement_of_its_own() -> None:
    result = merged(*ours("first/"))
    assert result.after.value["Statement"][:2] == ours("first/")
    assert result.after.value["Statement"][2]["Sid"] == "NimbleCloudDeliveryWrite2"
    again = merge(result.after, ASYNC, target(prefix="third/"))
    assert again.after.value["Statement"][3]["Sid"] == "NimbleCloudDeliveryWrite3"
    assert not merge(again.after, ASYNC, target()).changed


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Deny", "Action": "s3:GetObject"},
        {"Principal": {"AWS": "arn:aws:iam::111122223333:role/team"}},
        {
            "Principal": {"AWS": [ASYNC.principal, "arn:aws:iam::111122223333:role/team"]},
            "Action": "s3:PutObject",
        },
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {
            "Principal": {"AWS": [ASYNC.principal, "*"]},
            "Condition": {"Bool": {"aws:SecureTransport": "true"}},
        },
    ],
)
def test_a_foreign_statement_with_our_sid_is_not_ours(change: dict[str, Any]) -> None:
    location, write = ours()
    foreign = {**write, **change}
    result = merged(location, foreign)
    assert result.after.value["Statement"][1] == foreign
    assert result.after.value["Statement"][2] == {**write, "Sid": "NimbleCloudDeliveryWrite2"}
    assert result.proof.complete


def test_a_statement_turned_around_is_not_ours() -> None:
    location, write = ours()
    del write["Resource"]
    result = merged(location, {**write, "NotResource": "arn:aws:s3:::bkt/secret/*"})
    assert [each["Sid"] for each in result.after.value["Statement"]][2:] == ["NimbleCloudDeliveryWrite2"]


def test_wildcards_too_tangled_to_compare_count_as_not_granted() -> None:
    tangled = [f"arn:aws:s3:::bkt/*{a}{b}*" for a in "abcdefghijkl" for b in "xyz"]
    grant = {
        **TEAM,
        "Principal": {"AWS": ASYNC.principal},
        "Action": ["s3:PutObject", "s3:PutObjectAcl"],
        "Resource": tangled,
    }
    assert len(merged(grant).steps) == 2
    # The second alone covers it all, but which texts the first matches takes too many states to decide.
    distant = ["arn:aws:s3:::bkt/*a" + "?" * 20, "arn:aws:s3:::bkt/out*?"]
    assert len(merged({**grant, "Resource": distant}).steps) == 2
    whole = merged({**grant, "Resource": [*tangled, "arn:aws:s3:::bkt/*"]})
    assert len(whole.steps) == 1, "only the location is missing"


def test_the_key_policy_gets_its_statement() -> None:
    admin = {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    key_policy = policies.document({"Version": "2012-10-17", "Statement": [admin]}, kind="kms")
    change = merge(key_policy, ASYNC, target())
    assert [each["Sid"] for each in change.after.value["Statement"]] == [admin["Sid"], "NimbleKMSAccess"]
    assert change.proof.complete
    assert not change.proof.verdicts
    assert not merge(change.after, ASYNC, target()).changed
    deny = {**admin, "Sid": "D", "Effect": "Deny", "Principal": "*", "Condition": GUARD["Condition"]}
    guarded = policies.document({"Version": "2012-10-17", "Statement": [admin, deny]}, kind="kms")
    change = merge(guarded, ASYNC, target(), exempt=True)
    assert change.proof.complete
    assert [each.index for each in change.exemptions] == [1]


def test_a_warning_refuses_nothing() -> None:
    odd = {**TEAM, "Condition": {"Bool": {"aws:SecureTransport": "yes"}}}
    assert merged(odd).proof.complete


class TestRefusal:
    def refused(self, *statements: dict[str, Any], prefix: str = "out/", **fields: Any) -> MergeError:
        with pytest.raises(MergeError) as caught:
            merge(bucket_policy(*statements, **fields), ASYNC, target(prefix=prefix))
        return caught.value

    def test_what_would_be_too_large(self) -> None:
        big = {**TEAM, "Resource": [f"arn:aws:s3:::bkt/{at:0600}/*" for at in range(32)]}
        assert bucket_policy(big).size < 20_480
        error = self.refused(big)
        assert "bytes; at most 20,480 are stored" in error.cause

    def test_what_is_stale_in_other_peoples_statements(self) -> None:
        error = self.refused({**TEAM, "Principal": {"AWS": "AROAJQABLZS4A3QDU576Q"}})
        assert "statement 1 (Team Read): AROAJQABLZS4A3QDU576Q is the id of a deleted" in error.cause
        assert "Invalid principal in policy" in error.cause

    def test_what_is_stored_already_is_warned_of_and_no_more(self) -> None:
        elsewhere = {**TEAM, "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bucket/*"]}
        (found,) = [each for each in merged(elsewhere).findings if each.code == "wrong-bucket"]
        assert (found.severity, found.statement) == ("warning", 0)

    def test_a_bare_statement(self) -> None:
        fragment = policies.parse(json.dumps(TEAM), fragment=True)
        with pytest.raises(MergeError, match="the text is a bare statement"):
            merge(fragment, ASYNC, target())

    def test_another_clouds_document(self) -> None:
        with pytest.raises(MergeError, match="is a S3 policy, the contract is for gs://") as caught:
            merge(bucket_policy(TEAM), GCS, target(GCS))
        assert caught.value.parameters == {"cloud": "s3"}
        with pytest.raises(MergeError) as caught:
            merge(policies.document({"bindings": []}), ASYNC, target())
        assert caught.value.parameters == {"cloud": "gs"}

    def test_a_prefix_an_old_version_cannot_hold(self) -> None:
        error = self.refused(TEAM, prefix="a*b/", Version="2008-10-17")
        assert "Version does not know the escapes" in error.cause
        assert merge(bucket_policy(TEAM, Version="2008-10-17"), ASYNC, target()).proof.complete


class TestCloudStorage:
    def test_a_binding_is_added(self) -> None:
        before = policies.document(
            {"etag": "BwX", "bindings": [{"role": "roles/storage.admin", "members": ["user:a@b.c"]}]}
        )
        change = merge(before, GCS, target(GCS, None))
        assert change.after.value == {
            "etag": "BwX",
            "bindings": [
                {"role": "roles/storage.admin", "members": ["user:a@b.c"]},
                {"role": "roles/storage.objectCreator", "members": [GCS.principal]},
            ],
        }
        assert len(change.steps) == 1
        assert not merge(change.after, GCS, target(GCS, None)).changed

    def test_with_a_condition_the_version_is_set(self) -> None:
        change = merge(policies.document({"bindings": [], "version": 1}), GCS, target(GCS))
        assert change.after.value["version"] == 3
        assert len(change.steps) == 2
        assert not merge(change.after, GCS, target(GCS)).changed
        again = merge(change.after, GCS, target(GCS, "other/"))
        assert len(again.steps) == 1
        assert again.proof.complete


@given(policy=strategies.policies(3), prefix=st.sampled_from(["out/", "", "new/"]), exempting=st.booleans())
@settings(max_examples=40)
def test_merging_twice_is_merging_once(policy: dict[str, Any], prefix: str, exempting: bool) -> None:
    try:
        once = merge(policies.document(policy, kind="s3"), ASYNC, target(prefix=prefix), exempt=exempting)
    except MergeError:
        return
    assert not merge(once.after, ASYNC, target(prefix=prefix), exempt=exempting).changed


@given(
    strategies.policies(3),
    st.sampled_from(strategies.OTHERS),
    st.sampled_from(strategies.ACTIONS),
    st.sampled_from(strategies.RESOURCES),
    strategies.contexts(),
)
@settings(max_examples=80)
def test_no_other_verdict_changes(
    policy: dict[str, Any], requester: str, action: str, resource: str, context: dict[str, Any]
) -> None:
    try:
        change = merge(policies.document(policy, kind="s3"), ASYNC, target(), exempt=True)
    except MergeError:
        return
    # A request of theirs carries their own ARN, or none.
    theirs = {key: value for key, value in context.items() if key != "aws:PrincipalArn"}
    if requester.startswith("arn:"):
        theirs["aws:PrincipalArn"] = requester
    request = Request(requester, action, resource, theirs)
    before, after = evaluate(change.before, request), evaluate(change.after, request)
    assert before.effect == after.effect
    kept = iter([{**each, "Condition": None} for each in change.after.value["Statement"]])
    assert all({**each, "Condition": None} in kept for each in policy["Statement"]), "in their order"
