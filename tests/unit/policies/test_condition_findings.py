"""What is found in a condition: its code, its severity, its words, and the key that is meant."""

from __future__ import annotations

from typing import Any

import pytest

import policies
from tests.unit.policies.checked import report, with_statement

Found = tuple[str, str, str, str]
_KEY, _VALUE = "unknown-condition-key", "unreadable-value"


def found(condition: dict[str, Any], version: str = "2012-10-17", **fields: Any) -> list[Found]:
    value = {**with_statement(Condition=condition, **fields), "Version": version}
    place = f"$.Statement[{len(value['Statement']) - 1}].Condition"
    return [
        (each.code, each.severity, each.message, each.fix["to"])
        for each in report(value).findings
        if each.path.startswith(place)
    ]


@pytest.mark.parametrize(
    ("key", "severity", "message", "meant"),
    [
        ("VpcSourceIp", "error", "S3 has no condition key VpcSourceIp", "aws:VpcSourceIp"),
        ("s3:username", "error", "S3 has no condition key s3:username", "aws:username"),
        ("iam:prefix", "error", "S3 has no condition key iam:prefix", "s3:prefix"),
        ("aws:prefix", "error", "IAM has no condition key aws:prefix", "s3:prefix"),
        ("aws:PrincipleOrgID", "error", "IAM has no condition key aws:PrincipleOrgID", "aws:PrincipalOrgID"),
        ("s3:x-amz-acll", "error", "S3 has no condition key s3:x-amz-acll", "s3:x-amz-acl"),
        ("nothing", "error", "nothing is no condition key: each has a prefix", ""),
        ("aws:zzzzzzzzzzzz", "warning", "IAM has no condition key aws:zzzzzzzzzzzz", ""),
    ],
)
def test_a_key_that_does_not_exist(key: str, severity: str, message: str, meant: str) -> None:
    means = f"; {meant} is meant" if meant else ""
    assert found({"StringEquals": {key: "x"}}) == [(_KEY, severity, message + means, meant)]
    (finding,) = [each for each in report(with_statement(Condition={"StringEquals": {key: "x"}})).findings
                  if each.code == _KEY]  # fmt: skip
    action = policies.FixAction.CORRECT if meant else policies.FixAction.EDIT
    assert (finding.fix.action, finding.fix["text"]) == (action, key if meant else "")


def test_a_key_that_is_newer_than_the_table_may_exist() -> None:
    ((code, severity, message, meant),) = found({"StringEquals": {"s3:nothing": "x"}})
    assert (code, severity, meant) == (_KEY, "warning", "")
    assert message.startswith("S3 has no condition key s3:nothing; the table of keys is of 20")
    assert found({"StringEquals": {"aws:PrincipalTag": "x"}}) == [
        (
            _KEY,
            "error",
            "IAM has no condition key aws:PrincipalTag; aws:PrincipalTag/ is followed by the name of a tag",
            "",
        )
    ]


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"jwt:sub": "x"}},
        {"StringEquals": {"identitystore:UserId": "x"}},
        {"StringEquals": {"s3:ExistingObjectTag/team": "x"}},
        {"DateLessThan": {"aws:CurrentTime": "2027-12-01T00:00:00Z"}},
        {"Bool": {"aws:SecureTransport": ["false", "TRUE"]}},
        {"Null": {"aws:SourceIp": "false"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:1:t"}},
        {"ArnEquals": {"aws:SourceArn": "${aws:PrincipalArn}"}},
        {"StringEquals": {"aws:username": "${aws:username}"}},
    ],
)
def test_a_condition_that_can_be_compared(condition: dict[str, Any]) -> None:
    assert found(condition) == []


@pytest.mark.parametrize(
    ("operator", "key", "value", "problem"),
    [
        ("DateLessThan", "aws:CurrentTime", "2027-13-01", ": it is no date value"),
        ("DateLessThan", "aws:CurrentTime", "2027", " for certain: it is a year, or seconds since 1970"),
        ("NumericEquals", "aws:MultiFactorAuthAge", "old", ": it is no numeric value"),
        ("NumericEquals", "aws:MultiFactorAuthAge", "${aws:x}", ": it is no numeric value"),
        ("IpAddress", "aws:SourceIp", "office", ": it is no ip value"),
        ("Bool", "aws:SecureTransport", "yes", ": neither true nor false"),
        ("Null", "aws:SourceIp", "maybe", ": neither true nor false"),
        ("ArnLike", "aws:SourceArn", "arn:aws:iam::*", ": no ARN of six segments"),
    ],
)
def test_a_value_that_its_operator_cannot_compare(operator: str, key: str, value: str, problem: str) -> None:
    assert found({operator: {key: value}}) == [(_VALUE, "warning", f"{operator} cannot compare {value!r}{problem}", "")]


def test_an_operator_for_values_of_another_type() -> None:
    message = "NumericLessThan compares values of another type than aws:SourceIp, which is of type ip"
    assert found({"NumericLessThan": {"aws:SourceIp": "7"}}) == [("operator-of-other-type", "warning", message, "")]


def test_a_key_that_no_action_of_the_statement_carries() -> None:
    message = "s3:prefix is carried by requests of none of the statement's actions"
    condition = {"StringEquals": {"s3:prefix": "x"}}
    assert found(condition) == [("condition-without-action", "error", message, "")]
    assert found(condition, Action=["s3:GetObject", "s3:ListBucket"], Resource=["arn:aws:s3:::bkt"]) == []
    assert found(condition, NotAction="s3:GetObject") == []


def test_variables_of_the_old_version_are_text() -> None:
    message = "aws:username is compared with ${…} literally"
    old = "2008-10-17"
    assert found({"StringEquals": {"aws:username": "${aws:username}"}}, old) == [
        ("old-version", "warning", message, "")
    ]
    assert found({"StringEquals": {"aws:username": "x"}}, old) == []
