"""Changes of a policy that exempt Nimble from the customer's own denials."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from policies import MergeError, Request, evaluate
from policies.checks.exemptions import exempt, find_exemptions
from tests.unit.policies import strategies
from tests.unit.policies.planned import ASYNC, GUARD, bucket_policy, merge, merged, ours, target


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
