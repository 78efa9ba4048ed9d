"""Decisions of requests: every line of IAM's rules, and an independent evaluator for the rest."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from policies import Constraint, ContractError, GrammarError, Request, evaluate
from policies.evaluation.prepared import Prepared
from policies.language.wildcards import literal
from tests.unit.policies import judge, strategies
from tests.unit.policies.strategies import NIMBLE

ROOT = "arn:aws:iam::744254827463:root"
OBJECT = "arn:aws:s3:::bkt/out/1.json"
TEAM_ROOT = "arn:aws:iam::111122223333:root"
TEAM = "arn:aws:iam::111122223333:role/team"
SESSION = "arn:aws:sts::111122223333:assumed-role/team/s"
_ARNS = ("ArnLike", "ArnNotLike")
_EQUALS = ("StringEquals", "StringNotEquals")


def statement(effect: str = "Allow", **fields: Any) -> dict[str, Any]:
    value = {
        "Effect": effect,
        "Principal": {"AWS": NIMBLE},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::bkt/*",
    }
    for name in fields:
        value.pop(name.removeprefix("Not"), None)
    return {**value, **fields}


def decide(
    *statements: dict[str, Any],
    principal: str = NIMBLE,
    action: str = "s3:PutObject",
    resource: str = OBJECT,
    context: dict[str, Any] | None = None,
    unknown: Any = (),
    version: str | None = "2012-10-17",
    constraints: dict[str, Constraint] | None = None,
) -> policies.Decision:
    document = {"Version": version, "Statement": list(statements)} if version else {"Statement": list(statements)}
    return evaluate(document, Request(principal, action, resource, context or {}, unknown, (), constraints or {}))


def effect(*statements: dict[str, Any], **request: Any) -> str:
    return decide(*statements, **request).effect


def holds(condition: dict[str, Any], **request: Any) -> bool:
    return effect(statement(Condition=condition), **request) == "allowed"


class TestOrder:
    def test_a_deny_wins_over_an_allow(self) -> None:
        decision = decide(statement(Sid="A"), statement("Deny", Sid="D"))
        assert decision.effect == "explicitly_denied"
        assert [(each.index, each.sid) for each in decision.statements] == [(1, "D")]

    def test_an_allow_is_enough(self) -> None:
        decision = decide(statement(Action="s3:GetObject"), statement())
        assert decision.effect == "allowed"
        assert [(each.index, each.sid) for each in decision.statements] == [(1, None)]

    def test_without_either_it_is_denied_implicitly(self) -> None:
        decision = decide(statement(Action="s3:GetObject"))
        assert (decision.effect, decision.statements) == ("implicitly_denied", ())

    def test_several_documents_are_counted_through(self) -> None:
        one, two = (policies.document({"Statement": each}) for each in (statement(), statement("Deny", Sid="D")))
        decision = evaluate([one, two], Request(NIMBLE, "s3:PutObject", OBJECT))
        assert [(each.index, each.sid) for each in decision.statements] == [(1, "D")]


class TestPrincipal:
    @pytest.mark.parametrize(
        ("principal", "who", "matches"),
        [
            ("*", NIMBLE, True),
            ("*", "*", True),
            ("*", "s3.amazonaws.com", True),
            ({"AWS": "*"}, "*", True),
            ({"AWS": NIMBLE}, NIMBLE, True),
            ({"AWS": NIMBLE}, "*", False),
            ({"AWS": NIMBLE.upper()}, NIMBLE, False),
            ({"AWS": NIMBLE.replace("user/", "user/path/")}, NIMBLE, False),
            ({"AWS": "arn:aws:iam::744254827463:user/*"}, NIMBLE, False),
            ({"AWS": "744254827463"}, NIMBLE, True),
            ({"AWS": "744254827463"}, ROOT, True),
            ({"AWS": ROOT}, NIMBLE, True),
            ({"AWS": ROOT}, "744254827463", True),
            ({"AWS": ROOT.replace(":aws:", ":aws-cn:")}, NIMBLE, False),
            ({"AWS": "arn:aws:iam::111122223333:root"}, NIMBLE, False),
            ({"AWS": "arn:aws:iam::744254827463:role/webit-uploader"}, NIMBLE, False),
            ({"AWS": "AIDAJQABLZS4A3QDU576Q"}, NIMBLE, False),
            ({"Service": "s3.amazonaws.com"}, NIMBLE, False),
            ({"Service": "s3.amazonaws.com"}, "s3.amazonaws.com", True),
            ({"Federated": "cognito-identity.amazonaws.com"}, "cognito-identity.amazonaws.com", True),
            ({"Federated": "accounts.google.com"}, "accounts.google.com", True),
            ({"Federated": "accounts.google.com"}, NIMBLE, False),
            (
                {"Federated": "arn:aws:iam::1:saml-provider/x"},
                "arn:aws:iam::111122223333:saml-provider/x",
                False,
            ),
            ({"AWS": "arn:aws:iam::111122223333:root"}, "arn:aws:iam::111122223333:saml-provider/x", False),
            (
                {"AWS": "arn:aws:iam::111122223333:role/a/team"},
                "arn:aws:sts::111122223333:assumed-role/team/s",
                True,
            ),
            (
                {"AWS": "arn:aws:sts::111122223333:assumed-role/team/s"},
                "arn:aws:sts::111122223333:assumed-role/team/s",
                True,
            ),
            (
                {"AWS": "arn:aws:sts::111122223333:assumed-role/team/t"},
                "arn:aws:sts::111122223333:assumed-role/team/s",
                False,
            ),
            ({"CanonicalUser": "a" * 64}, "a" * 64, True),
            ({"CanonicalUser": "a" * 64}, "b" * 64, False),
            ({"CanonicalUser": "a" * 64}, "*", False),
            ({"CanonicalUser": "a" * 64, "AWS": NIMBLE}, NIMBLE, True),
        ],
    )
    def test_principal(self, principal: Any, who: str, *, matches: bool) -> None:
        assert effect(statement(Principal=principal), principal=who) == ("allowed" if matches else "implicitly_denied")

    def test_a_canonical_user_may_be_the_callers_account(self) -> None:
        decision = decide(statement(Principal={"CanonicalUser": "a" * 64}))
        assert (decision.effect, decision.depends_on) == ("unknown", ("CanonicalUser",))

    def test_one_account_has_one_canonical_user(self) -> None:
        both = [statement("Deny", Principal={"CanonicalUser": letter * 64}) for letter in "ab"]
        assert effect(statement(), *both) == "unknown"
        assert effect(statement("Deny"), *both) == "explicitly_denied"

    def test_not_principal_may_exempt_by_canonical_user(self) -> None:
        deny = statement("Deny", NotPrincipal={"CanonicalUser": "a" * 64})
        assert effect(statement(), deny) == "unknown"
        assert effect(deny) == "explicitly_denied" or effect(deny) == "implicitly_denied", "denied either way"

    @pytest.mark.parametrize(
        ("named", "who", "expected"),
        [
            ([NIMBLE, ROOT], NIMBLE, "allowed"),
            ([NIMBLE, "744254827463"], NIMBLE, "allowed"),
            # AWS documents only that a list without the account, or without the user, might deny.
            ([NIMBLE], NIMBLE, "unknown"),
            ([ROOT], NIMBLE, "unknown"),
            (["arn:aws:iam::111122223333:root"], NIMBLE, "explicitly_denied"),
            ([ROOT], ROOT, "allowed"),
            (["*"], NIMBLE, "allowed"),
            (["*"], "*", "allowed"),
            ([NIMBLE, ROOT], "*", "explicitly_denied"),
            ([TEAM_ROOT, TEAM], TEAM, "allowed"),
            ([TEAM_ROOT, TEAM], SESSION, "unknown"),
            ([TEAM_ROOT, SESSION], SESSION, "unknown"),
            ([TEAM_ROOT, TEAM, SESSION], SESSION, "allowed"),
        ],
    )
    def test_not_principal_with_deny(self, named: list[str], who: str, expected: str) -> None:
        deny = statement("Deny", NotPrincipal={"AWS": named})
        decision = decide(statement(Principal="*"), deny, principal=who)
        assert decision.effect == expected
        assert decision.depends_on == (("NotPrincipal",) if expected == "unknown" else ())

    @pytest.mark.parametrize(
        ("named", "expected"),
        [
            ([NIMBLE], "implicitly_denied"),
            ([ROOT], "implicitly_denied"),
            (["744254827463"], "implicitly_denied"),
            (["arn:aws:iam::111122223333:root"], "allowed"),
        ],
    )
    def test_not_principal_with_allow_excludes_whom_it_names(self, named: list[str], expected: str) -> None:
        assert effect(statement(NotPrincipal={"AWS": named})) == expected

    def test_not_principal_exempts_a_service(self) -> None:
        deny = statement("Deny", NotPrincipal={"Service": "s3.amazonaws.com"})
        assert effect(deny, principal="s3.amazonaws.com") == "implicitly_denied"
        assert effect(deny) == "explicitly_denied"


class TestAction:
    @pytest.mark.parametrize(
        ("action", "matches"),
        [
            ("*", True),
            ("s3:*", True),
            ("S3:PUTOBJECT", True),
            ("s3:Put*", True),
            ("s3:?utObject", True),
            ("s3:PutObject?", False),
            ("s3:PutObjectAcl", False),
            ("*:PutObject", True),
            ("s3", False),
            ("s3*", False),
            ("kms:*", False),
        ],
    )
    def test_action(self, action: str, *, matches: bool) -> None:
        assert (effect(statement(Action=action)) == "allowed") is matches
        assert (effect(statement(NotAction=action)) == "allowed") is not matches

    def test_a_request_may_spell_the_action_as_it_likes(self) -> None:
        assert effect(statement(Action="s3:PutObjectACL"), action="s3:PutObjectAcl") == "allowed"


class TestResource:
    @pytest.mark.parametrize(
        ("resource", "matches"),
        [
            ("*", True),
            ("arn:aws:s3:::bkt/*", True),
            ("arn:aws:s3:::bkt/*.json", True),
            ("arn:aws:s3:::bkt/o?t/1.json", True),
            ("arn:aws:s3:::bkt/?ut/1.jso", False),
            ("arn:aws:s3:::bkt/OUT/*", False),
            ("arn:aws:s3:::bkt", False),
            ("arn:aws:s3:::*", True),
            ("arn:aws:s3*", True),
            ("arn:aws:*", True),
            ("arn:aws:s3", False),
            ("arn:*:s3:::bkt/*", True),
            ("arn:aws-cn:s3:::bkt/*", False),
            ("arn:aws:s3::*bkt/*", False),
            ("bkt/*", False),
            (["arn:aws:s3:::other/*", "arn:aws:s3:::bkt/out/*"], True),
        ],
    )
    def test_resource(self, resource: Any, *, matches: bool) -> None:
        assert (effect(statement(Resource=resource)) == "allowed") is matches
        assert (effect(statement(NotResource=resource)) == "allowed") is not matches

    def test_a_colon_and_a_newline_in_a_key_are_characters(self) -> None:
        assert effect(statement(Resource="arn:aws:s3:::bkt/*/x"), resource="arn:aws:s3:::bkt/a:b\nc/x") == "allowed"

    def test_a_variable_takes_the_requests_value(self) -> None:
        mine = statement(Resource="arn:aws:s3:::bkt/${AWS:UserName}/*")
        assert effect(mine, context={"aws:username": "out"}) == "allowed"
        assert effect(mine, context={"aws:username": "*"}) == "implicitly_denied", "a value is no pattern"
        assert effect(mine, context={"aws:username": ["out", "in"]}) == "implicitly_denied"
        assert effect(mine) == "implicitly_denied"
        assert (
            effect(
                statement(Resource="arn:aws:s3:::bkt${aws:username}/*"),
                resource="arn:aws:s3:::bkt/1",
                context={"aws:username": ""},
            )
            == "allowed"
        )

    def test_a_default_stands_in(self) -> None:
        assert effect(statement(Resource="arn:aws:s3:::bkt/${aws:username, 'out'}/*")) == "allowed"
        mine = statement(Resource="arn:aws:s3:::bkt/${aws:username,'out'}/*")
        assert effect(mine, context={"aws:username": "in"}) == "implicitly_denied"

    def test_an_unresolved_variable_never_matches_not_resource_either(self) -> None:
        deny = statement("Deny", NotResource=["arn:aws:s3:::bkt/${aws:username}/*", "arn:aws:s3:::bkt/in/*"])
        assert effect(deny) == "implicitly_denied"
        assert effect(deny, context={"aws:username": "bob"}) == "explicitly_denied"
        assert effect(deny, context={"aws:username": "out"}) == "implicitly_denied"

    def test_without_the_version_a_variable_is_text(self) -> None:
        mine = statement(Resource="arn:aws:s3:::bkt/${aws:username}/*")
        for version in (None, "2008-10-17"):
            assert effect(mine, version=version, context={"aws:username": "out"}) == "implicitly_denied"
            assert effect(mine, version=version, resource="arn:aws:s3:::bkt/${aws:username}/1") == "allowed"

    def test_escapes_are_characters(self) -> None:
        mine = statement(Resource="arn:aws:s3:::bkt/${*}${?}${$}")
        assert effect(mine, resource="arn:aws:s3:::bkt/*?$") == "allowed"
        assert effect(mine, resource="arn:aws:s3:::bkt/ab$") == "implicitly_denied"


class TestConditions:
    @pytest.mark.parametrize(
        ("operator", "wanted", "value", "expected"),
        [
            ("StringEquals", "a", "a", True),
            ("StringEquals", "a", "A", False),
            ("StringEquals", "a*", "ab", False),
            ("StringEquals", ["a", "b"], "b", True),
            ("StringNotEquals", ["a", "b"], "b", False),
            ("StringNotEquals", ["a", "b"], "c", True),
            ("stringequals", "a", "a", True),
            ("StringEqualsIgnoreCase", "Ab", "aB", True),
            ("StringNotEqualsIgnoreCase", "Ab", "aB", False),
            ("StringLike", "a*c?", "abbcd", True),
            ("StringNotLike", "a*", "ab", False),
            ("StringEquals", True, "true", True),
            ("StringEquals", 5, "5", True),
            ("NumericEquals", "5", "5.0", True),
            ("NumericEquals", 5, 5, True),
            ("NumericEquals", 5.5, 5.5, True),
            ("NumericNotEquals", ["5", "6"], "6", False),
            ("NumericLessThan", "5", "4.9", True),
            ("NumericLessThanEquals", "5", "5", True),
            ("NumericGreaterThan", "5", "5", False),
            ("NumericGreaterThanEquals", "5", "1e1", True),
            ("NumericNotEquals", "x", "5", False),
            ("NumericNotEquals", "5", "x", False),
            ("DateEquals", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", True),
            ("DateLessThan", "2026-01", "2025-12-31", True),
            ("DateGreaterThan", "0", "1970-01-01T00:00:01Z", True),
            ("DateGreaterThanEquals", "1", "1970-01-01T00:00:00.5Z", False),
            ("DateLessThanEquals", "today", "2025-12-31", False),
            ("DateNotEquals", "2026-01-01", "2026-01-02", True),
            ("Bool", "TRUE", "true", True),
            ("Bool", False, "false", True),
            ("Bool", "true", "yes", False),
            ("Bool", "yes", "yes", False),
            ("BinaryEquals", "YQ==", "YQ==", True),
            ("BinaryEquals", "YQ==", "Yg==", False),
            ("BinaryEquals", "YQ==", "?", False),
            ("IpAddress", "203.0.113.7", "203.0.113.7", True),
            ("IpAddress", "203.0.113.7", "203.0.113.8", False),
            ("IpAddress", "203.0.113.9/24", "203.0.113.200", True),
            ("IpAddress", "2001:DB8:0:0::/32", "2001:db8::5", True),
            ("IpAddress", "2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001", True),
            ("IpAddress", "10.0.0.0/8", "2001:db8::5", False),
            ("IpAddress", "::/0", "10.0.0.1", False),
            ("NotIpAddress", "10.0.0.0/8", "2001:db8::5", True),
            ("NotIpAddress", ["10.0.0.0/8", "192.0.2.0/24"], "192.0.2.9", False),
            ("NotIpAddress", "10.0.0.0/8", "nowhere", False),
            ("ArnEquals", "arn:aws:iam::744254827463:user/*", NIMBLE, True),
            ("ArnLike", "arn:aws:iam::*:user/webit-uploader", NIMBLE, True),
            ("ArnLike", "arn:aws:*:user/webit-uploader", NIMBLE, False),
            ("ArnLike", "arn:aws:iam::744254827463:USER/*", NIMBLE, False),
            ("ArnNotEquals", NIMBLE, NIMBLE, False),
            ("ArnNotLike", "arn:aws:iam::1:*", NIMBLE, True),
            ("ArnNotLike", "arn:aws:iam::1:*", "nobody", False),
            ("ForAllValues:StringEquals", ["a", "b"], ["a", "b"], True),
            ("ForAllValues:StringEquals", ["a", "b"], ["a", "c"], False),
            ("ForAllValues:StringNotEquals", ["a", "b"], ["c", "d"], True),
            ("ForAnyValue:StringEquals", ["a", "b"], ["c", "b"], True),
            ("ForAnyValue:StringEquals", "a", "a", True),
            ("ForAnyValue:StringNotEquals", "a", ["a", "b"], True),
            ("ForAnyValue:StringNotLike", "a*", ["a", "ab"], False),
            ("StringEquals", "a", ["a", "b"], False),
            ("StringNotEquals", "z", ["a", "b"], False),
            ("StringEquals", "a", ["a"], True),
            ("Null", "false", "a", True),
            ("Null", True, "a", False),
            ("Null", "maybe", "a", False),
        ],
    )
    def test_operator_on_a_value(self, operator: str, wanted: Any, value: Any, *, expected: bool) -> None:
        assert holds({operator: {"Aws:Key": wanted}}, context={"AWS:KEY": value}) is expected

    @pytest.mark.parametrize(
        ("operator", "expected"),
        [
            ("StringEquals", False),
            ("StringNotEquals", True),
            ("StringEqualsIfExists", True),
            ("StringNotEqualsIfExists", True),
            ("IpAddress", False),
            ("NotIpAddress", True),
            ("Bool", False),
            ("BoolIfExists", True),
            ("ForAllValues:StringEquals", True),
            ("ForAllValues:StringNotEquals", True),
            ("ForAnyValue:StringEquals", False),
            ("ForAnyValue:StringNotEquals", False),
            ("ForAnyValue:StringEqualsIfExists", False),
            ("ForAnyValue:StringNotEqualsIfExists", False),
            ("ForAllValues:StringEqualsIfExists", True),
        ],
    )
    def test_operator_on_a_missing_key(self, operator: str, *, expected: bool) -> None:
        assert holds({operator: {"aws:Key": "true"}}) is expected
        assert holds({operator: {"aws:Key": "true"}}, context={"aws:Key": []}) is expected

    def test_null_tells_whether_the_key_is_there(self) -> None:
        assert holds({"Null": {"aws:Key": "true"}})
        assert not holds({"Null": {"aws:Key": "false"}})
        assert holds({"ForAnyValue:Null": {"aws:Key": ["true", "false"]}})

    def test_operators_and_keys_are_joined_by_and(self) -> None:
        both = {"StringEquals": {"a:A": "1", "a:B": "2"}, "Bool": {"a:C": "true"}}
        assert holds(both, context={"a:A": "1", "a:B": "2", "a:C": "true"})
        for missing in ("a:A", "a:B", "a:C"):
            context = {"a:A": "1", "a:B": "2", "a:C": "true"}
            del context[missing]
            assert not holds(both, context=context)

    def test_json_writes_values_in_many_ways(self) -> None:
        text = '{"NumericEquals": {"a:N": [5.50, 7]}, "Bool": {"a:B": true}}'
        value = json.dumps({"Statement": statement()})[:-2] + f', "Condition": {text}}}}}'
        document = policies.parse(value)
        for number, answer in (
            (5.5, "allowed"),
            (7, "allowed"),
            ("5.50", "allowed"),
            (6, "implicitly_denied"),
        ):
            request = Request(NIMBLE, "s3:PutObject", OBJECT, {"a:N": number, "a:B": True})
            assert evaluate(document, request).effect == answer
        assert evaluate(document, Request(NIMBLE, "s3:PutObject", OBJECT, {"a:N": 7, "a:B": False})).effect != "allowed"

    def test_a_value_may_hold_variables(self) -> None:
        mine = {"StringLike": {"s3:prefix": ["${aws:username}/*", "x"]}}
        assert holds(mine, context={"s3:prefix": "ann/1", "aws:username": "ann"})
        assert not holds(mine, context={"s3:prefix": "bob/1", "aws:username": "ann"})
        assert not holds(mine, context={"s3:prefix": "ann/1"})
        assert holds(mine, context={"s3:prefix": "x"})
        assert holds({"StringEquals": {"a:K": "${*}"}}, context={"a:K": "*"})

    def test_an_unresolved_variable_fulfils_no_negated_operator(self) -> None:
        mine = {"StringNotEquals": {"s3:prefix": "${aws:username}"}}
        assert not holds(mine, context={"s3:prefix": "ann"})
        assert holds(mine, context={"s3:prefix": "ann", "aws:username": "bob"})
        assert not holds({"ArnNotLike": {"a:K": "arn:aws:iam::1"}}, context={"a:K": NIMBLE})

    @pytest.mark.parametrize(
        "operator", ["StringEquls", "ForSomeValues:StringEquals", "NullIfExists", "IfExists", "ForAllValues:"]
    )
    def test_an_unknown_operator_is_no_policy(self, operator: str) -> None:
        with pytest.raises(GrammarError, match="no condition operator"):
            holds({operator: {"aws:Key": "true"}})

    def test_a_context_value_of_no_kind_is_refused(self) -> None:
        for value in (None, {"a": 1}, [["a"]]):
            with pytest.raises(ContractError, match="no value of a condition key: aws:Key"):
                holds({}, context={"aws:Key": value})


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

    def test_numbers_nobody_can_read_make_no_difference(self) -> None:
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


def test_what_is_cached_is_bounded() -> None:
    each = statement(Action="*", Resource="arn:aws:s3:::bkt/${aws:username}")
    prepared = Prepared([policies.document({"Version": "2012-10-17", "Statement": each})], kept=3)
    for number in range(9):
        request = Request(NIMBLE, f"s3:Action{number}", f"arn:aws:s3:::bkt/{number}", unknown=("*",))
        assert evaluate(prepared, request).effect == "unknown"
        assert evaluate(prepared, request).effect == "unknown"
    assert 0 < len(prepared.decisions) <= 3
    assert 0 < len(prepared.candidates) <= 3


@given(
    strategies.policies(),
    st.sampled_from(strategies.PRINCIPALS),
    st.sampled_from(strategies.ACTIONS),
    st.sampled_from(strategies.RESOURCES),
    strategies.contexts(),
)
@settings(max_examples=250)
def test_agrees_with_the_judge(
    policy: dict[str, Any], principal: str, action: str, resource: str, context: dict[str, Any]
) -> None:
    request = Request(principal, action, resource, context)
    assert _agrees(evaluate(policy, request).effect, _judged(policy, request))


@given(
    strategies.policies(3),
    st.sets(st.sampled_from(strategies.KEYS), min_size=1, max_size=2),
    strategies.contexts(),
)
@settings(max_examples=120)
def test_an_unknown_key_is_decided_as_all_its_values_are(
    policy: dict[str, Any], unknown: set[str], context: dict[str, Any]
) -> None:
    known = {key: value for key, value in context.items() if key not in unknown}
    resource = strategies.RESOURCES[1]
    decision = evaluate(policy, Request(NIMBLE, "s3:PutObject", resource, known, tuple(unknown)))
    reached = set[str]()
    names = sorted(unknown)
    for values in itertools.product(*((None, *strategies.VALUES[name]) for name in names)):
        given_values = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        reached |= _judged(policy, Request(NIMBLE, "s3:PutObject", resource, {**known, **given_values}))
    if decision.effect == "unknown":
        # The values drawn reach every region of the conditions drawn, so what decides is reached.
        variable = any("${aws:username" in str(each) for each in policy["Statement"])
        assert decision.bound or variable or {"allowed"} < reached
    else:
        assert _agrees(decision.effect, frozenset(reached))
    assert {key.lower() for key in decision.depends_on} <= {*(key.lower() for key in unknown), "notprincipal"}


def _judged(policy: dict[str, Any], request: Request) -> frozenset[str]:
    context: Any = request.context
    return judge.effects(policy, request.principal, request.action, request.resource, context)


def _agrees(effect: str, judged: frozenset[str]) -> bool:
    if "allowed" in judged and len(judged) > 1:
        return effect == "unknown"
    return effect in judged
