"""Whether a policy passes: from findings and verdicts, one rule for every command."""

from __future__ import annotations

from typing import Any

import pytest

import policies
from policies import finding, gate

ASYNC = policies.contract("async", "s3")
TARGET = policies.target(ASYNC, "bkt", prefixes={"prefix": "out/"})
REFUSED = finding("unknown-action", "s3:Nothing")
LOOKALIKE = finding("principal-typo", "nearly")
WIDE = finding("beyond-contract", "more than needed")
GENERATED = policies.generate(ASYNC, TARGET)


def verdicts(*denials: dict[str, Any]) -> tuple[policies.Verdict, ...]:
    value = {"Version": "2012-10-17", "Statement": [*GENERATED.value["Statement"], *denials]}
    return policies.prove(ASYNC, TARGET, policies.document(value, kind="s3")).verdicts


def denial(condition: dict[str, Any]) -> dict[str, Any]:
    every = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
    }
    return {**every, "Condition": condition}


OFFICE = denial({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}})
AGENT = denial({"StringEquals": {"aws:UserAgent": "x"}})
ADDRESS, USER_AGENT = "condition:aws:SourceIp", "condition:aws:UserAgent"


def test_what_holds_passes() -> None:
    result = gate([], verdicts())
    assert (result.outcome, result.causes, result.passed) == ("ok", (), True)
    assumed = verdicts(denial({"NumericLessThan": {"s3:TlsVersion": "1.2"}}))
    assert {each.state for each in assumed} == {"holds_assuming"}
    assert gate([], assumed).passed


def test_what_the_cloud_refuses_comes_first() -> None:
    result = gate([WIDE, REFUSED, REFUSED], verdicts(OFFICE))
    assert (result.outcome, result.causes, result.passed) == ("invalid", ("unknown-action",), False)


@pytest.mark.parametrize("denied", [OFFICE, denial({"Bool": {"aws:SecureTransport": "true"}})])
def test_what_fails_or_is_unknown_does_not_pass(denied: dict[str, Any]) -> None:
    result = gate([LOOKALIKE], verdicts(denied))
    assert result.outcome == "not_granted"
    assert result.causes == ("s3:GetBucketLocation on bucket", "s3:PutObject on prefix", "s3:PutObjectAcl on prefix")
    assert not result.accepted


def test_accepted_reasons_pass() -> None:
    result = gate([], verdicts(OFFICE), accept_unknown=[ADDRESS])
    assert (result.outcome, [each.code for each in result.accepted]) == ("ok", [ADDRESS])
    assert gate([], verdicts(OFFICE), accept_unknown=[USER_AGENT]).outcome == "not_granted"
    both = verdicts(OFFICE, AGENT)
    assert gate([], both, accept_unknown=[ADDRESS]).outcome == "not_granted", "one reason is left"
    assert gate([], both, accept_unknown=[ADDRESS, USER_AGENT]).passed


def test_an_accepted_reason_is_no_excuse_for_a_failure() -> None:
    failing = verdicts(denial({"Bool": {"aws:SecureTransport": "true"}}))
    assert gate([], failing, accept_unknown=[ADDRESS]).outcome == "not_granted"


def test_other_findings_stop_from_a_severity_on() -> None:
    assert gate([WIDE], verdicts()).passed
    assert gate([WIDE], verdicts(), fail_on="warning").outcome == "findings"
    assert gate([LOOKALIKE], verdicts()).causes == ("principal-typo",)
    undecided = finding("requirement-undecided", "unknown")
    accepted = gate([undecided], verdicts(OFFICE), accept_unknown=[ADDRESS], fail_on="info")
    assert accepted.passed, "the verdict decides, and its reason was accepted"


def test_what_is_only_listed_decides_nothing() -> None:
    key = policies.target(ASYNC, "bkt", prefixes={"prefix": "out/"}, key_arn="arn:aws:kms:eu-west-1:111122223333:key/1")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": ASYNC.principal},
        "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
        "Resource": "*",
    }
    document = policies.document({"Version": "2012-10-17", "Statement": [statement]}, kind="kms")
    proof = policies.prove(ASYNC, key, GENERATED, document)
    assert {each.state for each in proof.key_verdicts} == {"holds", "fails"}
    assert gate([], (*proof.verdicts, *proof.key_verdicts)).passed
