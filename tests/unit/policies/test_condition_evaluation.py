"""Decisions by conditions: every operator of IAM, on values of every kind."""

from __future__ import annotations

import json
from typing import Any

import pytest

import policies
from policies import ContractError, GrammarError, Request, evaluate
from tests.unit.policies.decided_requests import OBJECT, holds, statement
from tests.unit.policies.strategies import NIMBLE


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

    def test_null_shows_whether_the_key_is_there(self) -> None:
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
