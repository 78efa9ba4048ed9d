"""What a condition offers the evaluation of unknown keys, and how its values are read."""

from __future__ import annotations

from decimal import Decimal
from ipaddress import ip_network
from typing import Any

import pytest

import policies
from policies.language.conditions import Condition, network, number, parse_conditions, seconds
from policies.language.variables import NO_VALUES
from policies.language.wildcards import literal, pattern


def condition(operator: str, values: Any, *, variables: bool = True, key: str = "Aws:Key") -> Condition:
    (found,) = parse_conditions({operator: {key: values}}, "$", variables=variables)
    return found


def test_names_and_values_are_kept_as_written() -> None:
    found = condition("ForAnyValue:StringNotEqualsIfExists", ["a", True, 1.5])
    assert (found.operator, found.name, found.key) == ("ForAnyValue:StringNotEqualsIfExists", "Aws:Key", "aws:key")
    assert found.values == ("a", "true", "1.5")
    assert (found.family, found.negated, found.if_exists, found.quantifier) == ("string", True, True, "any")
    plain = condition("NumericLessThan", 3)
    assert (plain.negated, plain.if_exists, plain.quantifier, plain.comparison) == (False, False, "", "lessthan")


def test_a_quantifier_takes_one_value_as_a_set_of_one() -> None:
    for quantifier in ("ForAnyValue", "ForAllValues"):
        found = condition(f"{quantifier}:StringEquals", "ab")
        assert found.holds("ab", NO_VALUES)
        assert not found.holds("ba", NO_VALUES)
    assert condition("ForAnyValue:StringEquals", "ab").holds(("x", "ab"), NO_VALUES)
    assert not condition("ForAllValues:StringEquals", "ab").holds(("x", "ab"), NO_VALUES)
    assert not condition("StringEquals", "ab").holds(("ab",), NO_VALUES)


def test_case_is_ignored_by_lower_case_alone() -> None:
    same = condition("StringEqualsIgnoreCase", "Ab")
    assert same.holds("aB", NO_VALUES)
    assert not same.holds("xy", NO_VALUES)
    other = condition("StringNotEqualsIgnoreCase", "Ab")
    assert not other.holds("aB", NO_VALUES)
    assert other.holds("xy", NO_VALUES)
    # A long s is equal to s for regular expressions that ignore case.
    assert not condition("StringEqualsIgnoreCase", "s").holds("\u017f", NO_VALUES)


def test_a_boolean_is_true_or_false_in_any_case() -> None:
    assert condition("Bool", "TRUE").holds("true", NO_VALUES)
    assert not condition("Bool", "true").holds("false", NO_VALUES)
    for odd in ("yes", "", "true "):
        assert not condition("Bool", "true").holds(odd, NO_VALUES)
        assert not condition("Bool", odd).holds(odd, NO_VALUES)


def test_a_number_in_json_keeps_its_digits() -> None:
    document = policies.parse(
        '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",'
        ' "Condition": {"StringEquals": {"a:B": 1.50}}}}'
    )
    (found,) = document.statements[0].conditions
    assert found.values == ("1.50",)
    assert found.holds("1.50", NO_VALUES)
    assert not found.holds("1.5", NO_VALUES)


def test_numbers_and_dates_that_make_a_difference() -> None:
    assert condition("NumericLessThan", ["1.2", "x", 7]).numbers == (Decimal("1.2"), Decimal(7))
    dates = condition("DateLessThan", ["1970-01-02T00:00:00Z", "never", "60"]).numbers
    assert dates == (Decimal(86400), Decimal(60))
    assert condition("StringEquals", "7").numbers == ()


def test_networks_that_make_a_difference() -> None:
    found = condition("NotIpAddress", ["10.0.0.0/8", "office", "2001:db8::1"])
    assert found.networks == (ip_network("10.0.0.0/8"), ip_network("2001:db8::1/128"))
    assert condition("StringEquals", "10.0.0.0/8").networks == ()


def test_texts_that_make_a_difference() -> None:
    assert condition("StringEquals", ["a*", "b"]).patterns(NO_VALUES) == (literal("a*"), literal("b"))
    assert condition("StringLike", "a*").patterns(NO_VALUES) == (pattern("a*"),)
    assert condition("StringEqualsIgnoreCase", "A").patterns(NO_VALUES) == (literal("A", fold=True),)
    assert condition("Bool", ["TRUE", "x"]).patterns(NO_VALUES) == (literal("true", fold=True),)
    assert condition("BinaryEquals", "b3V0").patterns(NO_VALUES) == (literal("b3V0"),)
    assert condition("NumericEquals", "7").patterns(NO_VALUES) == ()
    (arn,) = condition("ArnLike", "arn:aws:iam::1:user/*").patterns(NO_VALUES)
    assert arn.matches("arn:aws:iam::1:user/a:b")
    assert not arn.matches("arn:aws:iam::1:2:user/a")
    assert condition("ArnLike", "*").patterns(NO_VALUES) == ()
    known = {"aws:username": "ann"}.get
    assert condition("StringEquals", "${aws:username}").patterns(known) == (literal("ann"),)
    assert condition("StringEquals", "${aws:username}").patterns(NO_VALUES) == ()


@pytest.mark.parametrize(
    ("operator", "variables", "dynamic"),
    [
        ("StringEquals", True, True),
        ("StringEquals", False, False),
        ("ArnLike", True, True),
        # No variables in numbers, dates, addresses and truths.
        ("NumericEquals", True, False),
        ("Bool", True, False),
        ("IpAddress", True, False),
    ],
)
def test_where_variables_are_variables(operator: str, *, variables: bool, dynamic: bool) -> None:
    found = condition(operator, "${aws:username}", variables=variables)
    assert found.dynamic is dynamic
    if operator == "StringEquals":
        assert found.holds("${aws:username}", NO_VALUES) is not dynamic
        assert found.holds("ann", {"aws:username": "ann"}.get) is dynamic


@pytest.mark.parametrize(
    ("operator", "value", "undocumented"),
    [
        ("ArnLike", "*", True),
        ("ArnLike", ["arn:aws:iam::1:user/*", "arn:aws:iam::*"], True),
        ("ArnEquals", "arn:?", True),
        ("ArnLike", "arn:aws:iam::1:user/*", False),
        ("ArnLike", "arn", False),
        ("ArnLike", "*${aws:username}", False),
        ("StringLike", "*", False),
    ],
)
def test_arn_patterns_that_aws_does_not_document(operator: str, value: Any, *, undocumented: bool) -> None:
    assert condition(operator, value).undocumented is undocumented


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", Decimal(1)),
        (" -1.50 ", Decimal("-1.5")),
        ("+2e3", Decimal(2000)),
        ("1.", Decimal(1)),
        ("", None),
        ("1_000", None),
        ("0x1", None),
        ("1e9999", None),
        ("\u0661", None),
    ],
)
def test_numbers(text: str, value: Decimal | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-02", 86400),
        ("1970-02", 31 * 86400),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01T00:00:00.5Z", Decimal("0.5")),
        ("1969-12-31T23:59:59Z", -1),
        ("60", 60),
        ("-60", -60),
        ("soon", None),
        ("123456789012345", None),
        ("1970-13", None),
    ],
)
def test_dates_are_seconds_since_the_epoch(text: str, value: Any) -> None:
    assert seconds(text) == value


def test_addresses() -> None:
    assert network("10.1.2.3") == ip_network("10.1.2.3/32")
    assert network(" 10.1.2.3/8 ") == ip_network("10.0.0.0/8")
    assert network("10.1.2") is None


@pytest.mark.parametrize(
    ("value", "path", "problem"),
    [
        ([], "$", "not an object of operators"),
        ({"StringEquals": []}, "$.StringEquals", "not an object of condition keys and their values"),
        ({"StringSame": {"a:B": "c"}}, "$.StringSame", "no condition operator"),
        ({"ForSome:StringEquals": {"a:B": "c"}}, "$.ForSome:StringEquals", "no condition operator"),
        ({"NullIfExists": {"a:B": "true"}}, "$.NullIfExists", "no condition operator"),
        ({"StringEquals": {" ": "c"}}, "$.StringEquals", "a condition key without a name"),
        ({"StringEquals": {"a:B": {}}}, "$.StringEquals.a:B", "not a string, number or boolean"),
        ({"StringEquals": {"a:B": [None]}}, "$.StringEquals.a:B", "not a string, number or boolean"),
    ],
)
def test_what_is_no_condition(value: Any, path: str, problem: str) -> None:
    with pytest.raises(policies.GrammarError) as caught:
        parse_conditions(value, "$", variables=True)
    assert caught.value.path == path
    assert problem in caught.value.problem
