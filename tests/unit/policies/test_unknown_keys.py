"""Decisions where the value of a condition key is not known."""

from __future__ import annotations

import random
from typing import Any

import policies
from policies import Constraint, Request, evaluate
from policies.language.wildcards import literal
from tests.unit.policies.decided_requests import OBJECT, decide, effect, statement
from tests.unit.policies.strategies import NIMBLE

_ARNS = ("ArnLike", "ArnNotLike")
_EQUALS = ("StringEquals", "StringNotEquals")


class TestUnknown:
    def test_a_key_that_decides_makes_it_depend(self) -> None:
        decision = decide(
            statement(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}}), unknown=["aws:sourceVPCE"]
        )
        assert (decision.effect, decision.depends_on) == ("unknown", ("aws:sourceVPCE",))
        assert [each.index for each in decision.statements] == [0]

    def test_a_key_that_does_not_decide_does_not(self) -> None:
        guarded = statement(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
        assert effect(statement(), guarded, unknown=["*"]) == "allowed"
        assert effect(statement("Deny"), guarded, unknown=["*"]) == "explicitly_denied"

    def test_what_the_context_gives_is_not_unknown_to_a_star(self) -> None:
        guarded = statement(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
        assert effect(guarded, unknown=["*"], context={"aws:SourceVpce": "vpce-1"}) == "allowed"
        assert effect(guarded, unknown=["aws:SourceVpce"], context={"aws:SourceVpce": "vpce-1"}) == "unknown"

    def test_a_key_named_absent_is_not_unknown(self) -> None:
        document = policies.document({"Statement": statement(Condition={"Null": {"aws:SourceVpce": "true"}})})
        request = Request(NIMBLE, "s3:PutObject", OBJECT, {}, ("*",), ("AWS:SourceVpce",))
        assert evaluate(document, request).effect == "allowed"

    def test_one_key_has_one_value_in_all_statements(self) -> None:
        allow = statement(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
        deny = statement("Deny", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
        deny_not = statement("Deny", Condition={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})
        decision = decide(allow, deny, deny_not, unknown=["*"])
        assert decision.effect == "explicitly_denied"
        assert [each.index for each in decision.statements] == [1, 2]

    def test_either_way_allowed_is_allowed(self) -> None:
        one = statement(Condition={"NumericLessThan": {"s3:max-keys": "10"}})
        two = statement(Condition={"NumericGreaterThanEqualsIfExists": {"s3:max-keys": "10"}})
        assert effect(one, two, unknown=["*"]) == "allowed"
        assert effect(one, unknown=["*"]) == "unknown"

    def test_keys_that_meet_again_are_looked_at_once(self) -> None:
        def deny(first: str) -> dict[str, Any]:
            return statement("Deny", Condition={"StringEquals": {f"k:{first}": "1", "k:c": "1"}})

        decision = decide(statement(), deny("a"), deny("b"), unknown=["*"])
        assert (decision.effect, set(decision.depends_on)) == ("unknown", {"k:a", "k:b", "k:c"})

    def test_dates_and_addresses_leave_gaps(self) -> None:
        early = statement("Deny", Condition={"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}})
        late = statement("Deny", Condition={"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00.5Z"}})
        present = {"aws:CurrentTime": Constraint(present=True)}
        assert effect(statement(), early, late, unknown=["*"], constraints=present) == "unknown"
        edge = statement("Deny", Condition={"DateGreaterThanEquals": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}})
        assert effect(statement(), early, edge, unknown=["*"], constraints=present) == "explicitly_denied"
        halves = [
            statement("Deny", Condition={"IpAddress": {"aws:SourceIp": half}}) for half in ("0.0.0.0/1", "128.0.0.0/1")
        ]
        six = statement("Deny", Condition={"IpAddress": {"aws:SourceIp": "::/0"}})
        present = {"aws:SourceIp": Constraint(present=True)}
        assert effect(statement(), *halves, six, unknown=["*"], constraints=present) == "explicitly_denied"
        assert effect(statement(), *halves, unknown=["*"], constraints=present) == "unknown"

    def test_a_key_of_several_values_may_hold_two_at_once(self) -> None:
        only = [
            statement("Deny", Condition={"ForAllValues:StringEquals": {"aws:TagKeys": letter}}) for letter in ("a", "b")
        ]
        present = {"aws:TagKeys": Constraint(present=True, within=(literal("a"), literal("b")))}
        assert effect(statement(), *only, unknown=["*"], constraints=present) == "unknown"
        assert effect(statement(), *only[:1], unknown=["*"], constraints=present) == "unknown"

    def test_a_key_of_another_service_may_hold_two_at_once(self) -> None:
        both = statement(
            "Deny",
            Condition={"ForAnyValue:StringEquals": {"x:Y": "a"}, "ForAnyValue:StringLike": {"x:Y": "b"}},
        )
        assert effect(statement(), both, unknown=["x:Y"]) == "unknown"

    def test_a_key_compared_with_arns_alone_holds_an_arn(self) -> None:
        other = {"ArnNotLike": {"aws:SourceArn": "arn:aws:s3:::good"}, "Null": {"aws:SourceArn": "false"}}
        assert effect(statement(), statement("Deny", Condition=other), unknown=["aws:SourceArn"]) == "unknown"
        present = {"aws:SourceArn": Constraint(present=True)}
        others = [statement("Deny", Condition={name: {"aws:SourceArn": "arn:aws:s3:::good"}}) for name in _ARNS]
        assert effect(statement(), *others, unknown=["*"], constraints=present) == "explicitly_denied"
        text = statement(Condition={"StringEquals": {"aws:SourceArn": "elsewhere"}})
        assert effect(text, *others, unknown=["*"], constraints=present) == "unknown", "a text that is no ARN"

    def test_a_foreign_value_is_none_written_out(self) -> None:
        org = statement("Deny", Condition={"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}})
        foreign = {"aws:PrincipalOrgID": Constraint(foreign=True, present=True)}
        assert effect(statement(), org, unknown=["*"], constraints=foreign) == "explicitly_denied"
        any_org = statement("Deny", Condition={"StringLike": {"aws:PrincipalOrgID": "o-*"}})
        assert effect(statement(), any_org, unknown=["*"], constraints=foreign) == "unknown"

    def test_a_value_nothing_can_have_decides_nothing(self) -> None:
        guarded = statement(Condition={"StringEquals": {"aws:X": "b"}})
        within = {"aws:X": Constraint(present=True, within=(literal("b"),))}
        assert effect(guarded, unknown=["*"], constraints=within) == "allowed"

    def test_numbers_that_cannot_be_read_make_no_difference(self) -> None:
        assert effect(statement(Condition={"NumericEquals": {"a:N": "x"}}), unknown=["*"]) == "implicitly_denied"
        assert effect(statement(Condition={"BinaryEquals": {"a:B": "YQ=="}}), unknown=["*"]) == "unknown"

    def test_an_empty_text_counts_only_where_it_is_written(self) -> None:
        some = statement(Condition={"StringLike": {"aws:X": "?*"}})
        present = {"aws:X": Constraint(present=True)}
        assert effect(some, unknown=["*"], constraints=present) == "allowed"
        assert (
            effect(
                some,
                statement("Deny", Condition={"StringEquals": {"aws:X": ""}}),
                unknown=["*"],
                constraints=present,
            )
            == "unknown"
        )

    def test_a_variable_of_unknown_value_is_cut_out_of_the_resource(self) -> None:
        mine = statement(Resource="arn:aws:s3:::bkt/${aws:username}/*")
        decision = decide(mine, unknown=["aws:username"])
        assert (decision.effect, decision.depends_on) == ("unknown", ("aws:username",))
        out = statement("Deny", Condition={"StringEquals": {"aws:username": "out"}})
        never = decide(mine, out, unknown=["aws:username"])
        assert (never.effect, never.depends_on) == ("explicitly_denied", ()), "denied by the Deny, or by no Allow"
        bob = statement("Deny", Condition={"StringNotEquals": {"aws:username": "bob"}})
        assert decide(mine, bob, unknown=["aws:username"]).effect == "explicitly_denied"
        assert effect(mine, unknown=["aws:username"], resource="arn:aws:s3:::bkt") == "implicitly_denied"
        twice = statement(Resource="arn:aws:s3:::bkt/${aws:username}/${aws:username}")
        assert effect(twice, unknown=["aws:username"], resource="arn:aws:s3:::bkt/a/b") == "implicitly_denied"
        assert effect(twice, unknown=["aws:username"], resource="arn:aws:s3:::bkt/a/a") == "unknown"
        after = statement(Resource="arn:aws:s3:::*/${aws:username}-${aws:userid}")
        assert (
            effect(after, unknown=["aws:username"], context={"aws:userid": "7"}, resource="arn:aws:s3:::bkt/a-7")
            == "unknown"
        )
        assert effect(after, unknown=["aws:username"], resource="arn:aws:s3:::bkt/a-7") == "implicitly_denied"
        before = statement(Resource="arn:aws:s3:::${aws:userid}/${aws:username}")
        assert effect(before, unknown=["aws:username"], resource="arn:aws:s3:::bkt/a") == "implicitly_denied"
        assert effect(statement(Resource=["arn:aws:s3:::bkt/${aws:username}", "*"]), unknown=["*"]) == "allowed"

    def test_a_variable_of_unknown_value_is_cut_out_of_a_known_value(self) -> None:
        mine = statement(Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}})
        assert effect(mine, unknown=["aws:username"], context={"s3:prefix": "ann/1"}) == "unknown"
        assert effect(mine, unknown=["aws:username"], context={"s3:prefix": "ann"}) == "implicitly_denied"
        assert effect(mine, unknown=["aws:username"]) == "implicitly_denied"
        other = statement("Deny", Condition={"StringNotEquals": {"aws:username": "ann"}})
        absent = "the name is ann, so that no Allow matches, or another, so that it is denied"
        assert effect(mine, other, unknown=["aws:username"], context={"s3:prefix": "bob/1"}) == "explicitly_denied", (
            absent
        )
        everybody = statement(Condition={"StringNotEquals": {"aws:username": "bob"}})
        assert effect(mine, everybody, unknown=["aws:username"], context={"s3:prefix": "bob/1"}) == "allowed"

    def test_what_several_unknown_keys_make_is_left_open(self) -> None:
        both = statement(Resource="arn:aws:s3:::bkt/${aws:username}/${aws:userid}")
        decision = decide(both, unknown=["aws:username", "aws:userid"])
        assert (decision.effect, set(decision.depends_on)) == ("unknown", {"aws:username", "aws:userid"})
        mixed = statement(Condition={"StringEquals": {"s3:prefix": "${aws:username}"}})
        decision = decide(mixed, unknown=["*"])
        assert (decision.effect, set(decision.depends_on)) == ("unknown", {"s3:prefix", "aws:username"})
        folded = {"StringEqualsIgnoreCase": {"aws:PrincipalArn": NIMBLE.upper().replace("WEBIT-", "${aws:userid}")}}
        denied = statement("Deny", Condition=folded)
        assert effect(statement(), denied, unknown=["*"], context={"aws:PrincipalArn": NIMBLE}) == "unknown"
        arn = statement(Condition={"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::1:user/${aws:username}"}})
        assert effect(arn, unknown=["aws:username"], context={"aws:PrincipalArn": NIMBLE}) == "unknown"
        wild = statement(Resource="*${aws:username}*")
        assert effect(wild, unknown=["aws:username"], resource="arn:aws:s3:::bkt/" + "ab" * 90) == "unknown"

    def test_a_known_variable_in_a_condition_on_an_unknown_key(self) -> None:
        mine = statement("Deny", Condition={"StringNotEquals": {"aws:PrincipalTag/team": "${aws:username}"}})
        present = {"aws:PrincipalTag/team": Constraint(present=True, within=(literal("ann"),))}
        assert effect(mine, unknown=["*"], context={"aws:username": "ann"}, constraints=present) == "implicitly_denied"
        assert effect(mine, unknown=["*"], context={"aws:username": "bob"}, constraints=present) == "explicitly_denied"

    def test_operators_of_different_kinds_on_one_key_are_left_open(self) -> None:
        mixed = [
            statement(Condition={"StringEquals": {"aws:SourceIp": "10.0.0.1"}}),
            statement(Condition={"NotIpAddress": {"aws:SourceIp": "10.0.0.1"}}),
        ]
        decision = decide(*mixed, unknown=["*"])
        assert decision.effect == "unknown"
        assert "different kinds" in decision.reason
        assert effect(*mixed, statement("Deny"), unknown=["*"]) == "explicitly_denied"

    def test_branching_is_bounded(self) -> None:
        draw = random.Random(7)
        tangled = []
        for number in range(200):
            keys = draw.sample(range(24), 5)
            tests = {name: {f"k:{key:02}": "1" for key in keys if key % 2 == odd} for odd, name in enumerate(_EQUALS)}
            tangled.append(statement("Deny" if number % 2 else "Allow", Condition=tests))
        decision = decide(*tangled, unknown=["*"])
        assert decision.effect == "unknown"
        assert "more than 5,000 combinations" in decision.reason

    def test_values_that_overlap_in_too_many_ways_are_left_open(self) -> None:
        tangled = [statement(Condition={"StringLike": {"aws:X": f"*{a}{b}*"}}) for a in "abcdefgh" for b in "xyz"]
        decision = decide(*tangled, unknown=["*"])
        assert decision.effect == "unknown"
        assert "overlap in too many combinations" in decision.reason

    def test_too_many_values_at_once_are_left_open(self) -> None:
        tangled = [statement(Condition={"ForAnyValue:StringEquals": {"aws:TagKeys": letter}}) for letter in "abcdefghi"]
        decision = decide(*tangled, unknown=["*"])
        assert decision.effect == "unknown"
        assert "several values at once" in decision.reason

    def test_requests_that_differ_in_nothing_looked_at_are_decided_once(self) -> None:
        document = policies.document({"Statement": statement(Condition={"StringEquals": {"aws:SourceVpce": "v"}})})
        prepared = policies.prepare(document)
        decisions = [
            evaluate(prepared, Request(NIMBLE, "s3:PutObject", f"arn:aws:s3:::bkt/{key}", unknown=("*",)))
            for key in range(9)
        ]
        assert all(each is decisions[0] for each in decisions)
        assert policies.prepare(document) is prepared
