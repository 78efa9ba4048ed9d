"""Changes of a policy: the contract's statements added, everything else as it was unless it is named."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from policies import DesiredState, MergeError, PlannedChange, Request, evaluate, plan_change
from policies.checks.exemptions import exempt, find_exemptions
from tests.unit.policies import strategies

ASYNC = policies.contract("async")
JOBS = policies.contract("jobs")
GCS = policies.contract("async", "gs")
TEAM = {
    "Sid": "Team Read",
    "Effect": "Allow",
    "Principal": {"AWS": ["arn:aws:iam::111122223333:role/team"]},
    "Action": ["s3:GetObject", "s3:ListBucket"],
    "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
}
GUARD = {
    "Sid": "OrgOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
    "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-abc"}},
}


def target(contract: policies.AccessContract = ASYNC, prefix: str | None = "out/") -> policies.Target:
    given_prefixes = {contract.prefixes[-1].name: prefix, contract.prefixes[0].name: prefix}
    return policies.target(contract, "bkt", prefixes=given_prefixes)


def bucket_policy(*statements: dict[str, Any], **fields: Any) -> policies.PolicyDocument:
    value = {"Version": "2012-10-17", "Id": "mine", "Statement": list(statements), **fields}
    return policies.document(copy.deepcopy(value), kind="s3", source="policy.json")


def merge(
    policy: policies.PolicyDocument, contract: policies.AccessContract, wanted: policies.Target, **options: Any
) -> PlannedChange:
    return plan_change(policy, DesiredState(contract, wanted, **options))


def merged(*statements: dict[str, Any], prefix: str | None = "out/", **options: Any) -> PlannedChange:
    return merge(bucket_policy(*statements), ASYNC, target(prefix=prefix), **options)


def ours(prefix: str = "out/") -> list[dict[str, Any]]:
    return [copy.deepcopy(each) for each in policies.generate(ASYNC, target(prefix=prefix)).value["Statement"]]


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


class TestExemption:
    def test_a_deny_is_not_edited_unasked(self) -> None:
        change = merged(GUARD)
        assert change.after.value["Statement"][0] == GUARD
        assert not change.proof.complete
        (proposed,) = change.exemptions
        assert (proposed.index, proposed.where, proposed.before) == (0, "statement 1 (OrgOnly)", GUARD)
        assert proposed.proof.complete

    def test_on_demand_it_exempts_nimble(self) -> None:
        change = merged(GUARD, exempt=True)
        guard = change.after.value["Statement"][0]
        expected = {**GUARD["Condition"], "ArnNotEquals": {"aws:PrincipalArn": ASYNC.principal}}  # type: ignore[dict-item]
        assert guard == {**GUARD, "Condition": expected}
        assert change.proof.complete
        assert change.steps[-1] == f"exempt {ASYNC.principal} from statement 1 (OrgOnly)"
        assert not merge(change.after, ASYNC, target(), exempt=True).changed

    def test_a_lone_deny_is_exempted_too(self) -> None:
        value = {"Version": "2012-10-17", "Statement": [*ours(), GUARD]}
        change = merge(policies.document(value, kind="s3"), ASYNC, target(), exempt=True)
        assert change.proof.complete
        alone = policies.document({"Version": "2012-10-17", "Statement": GUARD}, kind="s3")
        (only,) = find_exemptions(alone, ASYNC, target())
        assert isinstance(only.document["Statement"], dict)

    def test_each_deny_in_the_way_is_named_once(self) -> None:
        second = {
            **GUARD,
            "Sid": "MFA",
            "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
        }
        third = {**GUARD, "Sid": "TLS", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        office = {**GUARD, "Sid": "Office", "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}
        change = merged(GUARD, second, third, office)
        assert [each.where for each in change.exemptions] == [
            "statement 1 (OrgOnly)",
            "statement 2 (MFA)",
            "statement 4 (Office)",
        ]
        assert [each.proof.state for each in change.exemptions] == ["holds", "holds", "holds"]

    def test_an_allow_under_a_condition_is_no_deny(self) -> None:
        acl = {"StringEquals": {"s3:x-amz-acl": "private"}}
        conditional = {**ours()[1], "Sid": "Mine", "Condition": acl, "Resource": "arn:aws:s3:::bkt/*"}
        deny = {**GUARD, "Condition": {"StringEquals": {"s3:x-amz-acl": "public-read"}}}
        statements = [conditional, deny]
        document = bucket_policy(*statements)
        assert [each.index for each in find_exemptions(document, ASYNC, target())] == [1]

    def test_what_no_exemption_can_help_is_left(self) -> None:
        conditional = {**ours()[1], "Sid": "Mine", "Condition": {"StringEquals": {"s3:x-amz-acl": "private"}}}
        assert merged(conditional).exemptions == ()

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (None, {"ArnNotEquals": {"aws:PrincipalArn": "N"}}),
            ({"ArnNotEquals": {"aws:PrincipalArn": "A"}}, {"ArnNotEquals": {"aws:PrincipalArn": ["A", "N"]}}),
            (
                {"arnNotEquals": {"AWS:principalarn": ["A", "B"]}},
                {"arnNotEquals": {"AWS:principalarn": ["A", "B", "N"]}},
            ),
            (
                {"ArnNotEquals": {"aws:SourceArn": "A"}},
                {"ArnNotEquals": {"aws:SourceArn": "A", "aws:PrincipalArn": "N"}},
            ),
        ],
    )
    def test_the_condition_joins_those_that_are_there(self, condition: Any, expected: Any) -> None:
        value = {key: each for key, each in GUARD.items() if key != "Condition"}
        if condition is not None:
            value["Condition"] = condition
        statement = policies.document({"Statement": value}, kind="s3").statements[0]
        before = json.dumps(value)
        assert exempt(statement, "N")["Condition"] == expected
        assert json.dumps(value) == before, "the statement given is not touched"

    def test_a_not_principal_is_exempted_by_condition(self) -> None:
        deny = {**GUARD, "NotPrincipal": {"AWS": ["arn:aws:iam::111122223333:root"]}}
        del deny["Principal"], deny["Condition"]
        change = merged(deny, exempt=True)
        assert change.proof.complete
        assert change.after.value["Statement"][0]["NotPrincipal"] == deny["NotPrincipal"]


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
    policy: dict[str, Any], who: str, action: str, resource: str, context: dict[str, Any]
) -> None:
    try:
        change = merge(policies.document(policy, kind="s3"), ASYNC, target(), exempt=True)
    except MergeError:
        return
    # A request of theirs carries their own ARN, or none.
    theirs = {key: value for key, value in context.items() if key != "aws:PrincipalArn"}
    if who.startswith("arn:"):
        theirs["aws:PrincipalArn"] = who
    request = Request(who, action, resource, theirs)
    before, after = evaluate(change.before, request), evaluate(change.after, request)
    assert before.effect == after.effect
    kept = iter([{**each, "Condition": None} for each in change.after.value["Statement"]])
    assert all({**each, "Condition": None} in kept for each in policy["Statement"]), "in their order"


@given(
    strategies.policies(4),
    st.sampled_from(strategies.ACTIONS),
    st.sampled_from(strategies.RESOURCES),
    strategies.contexts(),
)
@settings(max_examples=150)
def test_an_exemption_gives_nimble_no_more_than_the_contract(
    policy: dict[str, Any], action: str, resource: str, context: dict[str, Any]
) -> None:
    try:
        change = merge(policies.document(policy, kind="s3"), ASYNC, target(), exempt=True)
    except MergeError:
        return
    request = Request(ASYNC.principal, action, resource, {**context, "aws:PrincipalArn": ASYNC.principal})
    before, after = evaluate(change.before, request), evaluate(change.after, request)
    of_contract = action in ("s3:PutObject", "s3:PutObjectAcl") and resource.startswith("arn:aws:s3:::bkt/out/")
    assert of_contract or after.effect != "allowed" or before.effect == "allowed"


class TestRemovals:
    ROLE = "arn:aws:iam::111122223333:role/etl"

    def test_a_principal_leaves_its_neighbours(self) -> None:
        several = {**TEAM, "Principal": {"AWS": [self.ROLE, "AIDAXYZABCDEF12345678"]}}
        change = merged(several, without_principals=("AIDAXYZABCDEF12345678",))
        assert change.after.value["Statement"][0] == {**TEAM, "Principal": {"AWS": self.ROLE}}
        assert change.steps[0] == "remove AIDAXYZABCDEF12345678 from statement 1 (Team Read)"

    def test_a_lone_principal_takes_its_statement_along(self) -> None:
        change = merged(TEAM, GUARD, without_principals=("arn:aws:iam::111122223333:role/team",))
        assert change.after.value["Statement"] == [GUARD, *ours()]
        assert "names no other principal" in change.steps[0]

    def test_other_kinds_of_principals_stay(self) -> None:
        mixed = {**TEAM, "Principal": {"AWS": self.ROLE, "Service": "s3.amazonaws.com"}}
        change = merged(mixed, without_principals=(self.ROLE,))
        assert change.after.value["Statement"][0]["Principal"] == {"Service": "s3.amazonaws.com"}

    def test_a_guard_is_never_weakened(self) -> None:
        deny = {**GUARD, "Principal": {"AWS": self.ROLE}}
        with pytest.raises(policies.ContractError) as caught:
            merged(deny, without_principals=(self.ROLE,))
        assert "without weakening a guard" in caught.value.cause
        exempting = {**GUARD, "NotPrincipal": {"AWS": self.ROLE}}
        del exempting["Principal"]
        with pytest.raises(policies.ContractError):
            merged(exempting, without_principals=(self.ROLE,))

    def test_a_deleted_id_guards_nothing(self) -> None:
        deny = {**GUARD, "Principal": {"AWS": "AROAXYZABCDEF12345678"}}
        assert merged(deny, without_principals=("AROAXYZABCDEF12345678",)).after.value["Statement"] == ours()

    @pytest.mark.parametrize("name", ["Team Read", "1"])
    def test_a_statement_goes_by_sid_or_number(self, name: str) -> None:
        change = merged(TEAM, GUARD, without_statements=(name,))
        assert change.after.value["Statement"] == [GUARD, *ours()]
        assert change.steps[0] == "remove statement 1 (Team Read): Allow s3:GetObject, s3:ListBucket"

    def test_what_is_not_there_cannot_be_removed(self) -> None:
        with pytest.raises(policies.ContractError) as caught:
            merged(TEAM, without_statements=("3",))
        assert caught.value.cause == "it has statement 1 (Team Read)"
        with pytest.raises(policies.ContractError):
            merged(TEAM, without_principals=("arn:aws:iam::111122223333:role/other",))

    def test_a_member_leaves_its_binding(self) -> None:
        wrong = "user:nimbleway-gcp-storage@nimbleway-gcp.iam.gserviceaccount.com"
        binding = {"role": "roles/storage.objectCreator", "members": [wrong, "user:ann@example.com"]}
        change = merge(policies.document({"bindings": [binding]}), GCS, target(GCS, None), without_principals=(wrong,))
        assert change.after.value["bindings"][0]["members"] == ["user:ann@example.com"]
        alone = policies.document({"bindings": [{**binding, "members": [wrong]}]})
        assert len(merge(alone, GCS, target(GCS, None), without_principals=(wrong,)).after.bindings) == 1


class TestNarrow:
    def test_the_vendors_whole_bucket_grant_is_replaced(self) -> None:
        documented = policies.generate(ASYNC, target(prefix=None), as_documented=True).value["Statement"]
        change = merged(TEAM, *documented, narrow=True)
        assert change.after.value["Statement"] == [TEAM, *ours()]
        assert change.proof.complete
        assert change.steps[0] == "replace statement 2 (NimbleCloudDelivery), which goes beyond the contract"

    def test_what_is_within_the_contract_stays(self) -> None:
        assert not merged(TEAM, *ours(), narrow=True).changed

    @pytest.mark.parametrize(
        "change",
        [
            {"Principal": {"AWS": [ASYNC.principal, "111122223333"]}},
            {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
            {"Effect": "Deny"},
        ],
    )
    def test_a_statement_that_is_not_for_nimble_alone_stays(self, change: dict[str, Any]) -> None:
        wide = {
            "Effect": "Allow",
            "Principal": {"AWS": ASYNC.principal},
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::bkt/*",
            **change,
        }
        assert merged(wide, narrow=True).after.value["Statement"][0] == wide
