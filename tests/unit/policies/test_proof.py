"""Does a policy give Nimble what the contract asks, for every key."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import policies
from tests.unit.policies.proofs import (
    ASYNC,
    BUCKET,
    CRAWLER,
    DOCUMENTED_ASYNC,
    DOCUMENTED_JOBS,
    JOBS,
    LEGACY_ASYNC,
    denying,
    keys,
    prove,
)


@pytest.mark.parametrize(
    ("value", "contract"),
    [(DOCUMENTED_ASYNC, ASYNC), (LEGACY_ASYNC, ASYNC), (DOCUMENTED_JOBS, JOBS)],
    ids=["async", "async, two statements", "jobs"],
)
def test_the_vendors_policies_are_complete(value: dict[str, Any], contract: policies.AccessContract) -> None:
    proof = prove(value, contract)
    assert proof.complete
    assert all(each.state == "holds" for each in proof.verdicts)


def test_no_policy_grants_nothing() -> None:
    proof = policies.prove(ASYNC, policies.target(ASYNC, BUCKET), None)
    assert {each.state for each in proof.verdicts} == {"fails"}
    assert {each.effect for each in proof.verdicts} == {"implicitly_denied"}


def _requirements() -> list[tuple[str, str, str]]:
    return [
        (contract.mode, statement.sid, action)
        for contract in (ASYNC, JOBS)
        for statement in contract.statements
        for action in statement.actions
    ]


@pytest.mark.parametrize(("mode", "sid", "action"), _requirements())
def test_dropping_an_action_is_found(mode: str, sid: str, action: str) -> None:
    contract = policies.contract(mode)
    target = policies.target(contract, BUCKET, prefixes={"prefix": "out/"} if mode == "async" else None)
    value = copy.deepcopy(policies.generate(contract, target).value)
    for statement in value["Statement"]:
        if statement["Sid"] == sid:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            statement["Action"] = [each for each in actions if each != action] or "s3:GetObjectTorrent"
    proof = policies.prove(contract, target, policies.document(value))
    (failing,) = [each for each in proof.verdicts if each.state != "holds"]
    assert (failing.state, failing.effect, failing.action) == ("fails", "implicitly_denied", action)
    decision = policies.evaluate(value, policies.Request(contract.principal, action, failing.example))
    assert decision.effect == "implicitly_denied"


@pytest.mark.parametrize(("mode", "sid", "action"), _requirements())
def test_narrowing_a_resource_is_found_with_a_key_that_fails(mode: str, sid: str, action: str) -> None:
    contract = policies.contract(mode)
    target = policies.target(contract, BUCKET)
    value = copy.deepcopy(policies.generate(contract, target).value)
    for statement in value["Statement"]:
        if statement["Sid"] == sid:
            resource = statement["Resource"]
            statement["Resource"] = resource.replace("/*", "/a*") if resource.endswith("/*") else resource + "x"
    proof = policies.prove(contract, target, policies.document(value))
    failing = {each.action: each for each in proof.verdicts if each.state == "fails"}
    example = failing[action].example
    assert example.startswith("arn:aws:s3:::bkt")
    assert policies.evaluate(value, policies.Request(contract.principal, action, example)).effect == "implicitly_denied"


def test_the_counter_example_names_the_statement_that_takes_away() -> None:
    value = denying({}, Action="s3:PutObject", Resource="arn:aws:s3:::bkt/output/*.tmp")
    (failing,) = [each for each in prove(value).verdicts if each.state != "holds"]
    assert failing.example.endswith(".tmp")
    assert failing.effect == "explicitly_denied"
    assert [(each.index, each.sid) for each in failing.statements] == [(3, "Guard")]


def test_statements_together_cover_what_none_does_alone() -> None:
    value = copy.deepcopy(DOCUMENTED_ASYNC)
    value["Statement"][0]["Resource"] = [
        "arn:aws:s3:::bkt",
        *(f"arn:aws:s3:::bkt/out/{first}*" for first in "ab"),
    ]
    target = {"prefixes": {"prefix": "out/"}}
    failing = [each for each in prove(value, ASYNC, **target).verdicts if each.state == "fails"]
    assert failing
    rest = {**DOCUMENTED_ASYNC["Statement"][0], "NotResource": "arn:aws:s3:::bkt/out/?*"}
    del rest["Resource"]
    assert not prove({"Version": "2012-10-17", "Statement": [value["Statement"][0], rest]}, ASYNC, **target).complete
    rest["NotResource"] = ["arn:aws:s3:::bkt/out/a*", "arn:aws:s3:::bkt/out/b*"]
    assert prove({"Version": "2012-10-17", "Statement": [value["Statement"][0], rest]}, ASYNC, **target).complete


@pytest.mark.parametrize(
    ("condition", "state"),
    [
        # What is known of a request by an IAM user with a long-term key over HTTPS.
        ({"Bool": {"aws:SecureTransport": "false"}}, "holds"),
        ({"Bool": {"aws:SecureTransport": "true"}}, "fails"),
        ({"Bool": {"aws:ViaAWSService": "true"}}, "holds"),
        ({"StringNotEquals": {"aws:PrincipalAccount": "744254827463"}}, "holds"),
        ({"StringNotEquals": {"aws:PrincipalAccount": "111122223333"}}, "fails"),
        ({"StringEquals": {"aws:PrincipalType": "User"}}, "fails"),
        ({"StringEquals": {"aws:PrincipalType": "AssumedRole"}}, "holds"),
        ({"StringEquals": {"aws:username": "crawlit-scrapy"}}, "fails"),
        ({"ArnNotEquals": {"aws:PrincipalArn": CRAWLER}}, "holds"),
        ({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:*"}}, "fails"),
        # A pattern of an ARN with too few segments: AWS does not document what it matches.
        ({"ArnLike": {"aws:PrincipalArn": "*"}}, "unknown"),
        ({"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*"}}, "unknown"),
        ({"ArnLike": {"aws:SourceArn": "*"}}, "holds"),
        # What such a request does not carry.
        ({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}, "fails"),
        ({"Null": {"aws:MultiFactorAuthAge": "true"}}, "fails"),
        ({"Bool": {"aws:MultiFactorAuthPresent": "false"}}, "holds"),
        ({"NumericGreaterThan": {"aws:MultiFactorAuthAge": "3600"}}, "holds"),
        ({"Null": {"aws:TokenIssueTime": "false"}}, "holds"),
        ({"StringNotEquals": {"aws:SourceAccount": "111122223333"}}, "fails"),
        ({"ArnNotLikeIfExists": {"aws:SourceArn": "arn:aws:s3:::x"}}, "fails"),
        ({"StringLike": {"aws:referer": "https://example.com/*"}}, "holds"),
        ({"StringNotLike": {"s3:DataAccessPointArn": "arn:aws:s3:*"}}, "fails"),
        ({"Null": {"aws:SourceIdentity": "true"}}, "fails"),
        ({"StringEquals": {"aws:FederatedProvider": "x"}}, "holds"),
        ({"ForAnyValue:StringEquals": {"aws:CalledVia": "athena.amazonaws.com"}}, "holds"),
        ({"ForAnyValue:StringEqualsIfExists": {"aws:CalledVia": "athena.amazonaws.com"}}, "holds"),
        # What it carries, with a value in a range that is assumed.
        ({"StringLike": {"aws:userid": "AROA*"}}, "holds_assuming"),
        ({"StringNotLike": {"aws:userid": ["AROAJZ45MYWZWL7SPA56W:*", "111122223333"]}}, "fails"),
        ({"StringNotLike": {"aws:userid": "AIDA*"}}, "holds_assuming"),
        ({"StringEquals": {"aws:userid": "AIDAEXAMPLE"}}, "unknown"),
        ({"StringEquals": {"s3:signatureversion": "AWS"}}, "holds_assuming"),
        ({"StringNotEquals": {"s3:authType": "REST-HEADER"}}, "holds_assuming"),
        ({"NumericLessThan": {"s3:TlsVersion": "1.2"}}, "holds_assuming"),
        ({"NumericLessThan": {"s3:TlsVersion": 1.2}, "Null": {"s3:TlsVersion": "false"}}, "holds_assuming"),
        ({"StringEquals": {"s3:TlsVersion": ["1.0", "1.1"]}}, "holds_assuming"),
        ({"NumericLessThan": {"s3:TlsVersion": "1.3"}}, "unknown"),
        ({"NumericGreaterThanEquals": {"s3:TlsVersion": "1.2"}}, "fails"),
        ({"NumericGreaterThan": {"s3:signatureAge": "600000"}}, "holds_assuming"),
        ({"NumericGreaterThan": {"s3:signatureAge": "1000"}}, "unknown"),
        # What it carries, with a value that is not documented.
        ({"StringNotLike": {"aws:UserAgent": "aws-sdk*"}}, "unknown"),
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}, "unknown"),
        ({"Null": {"aws:UserAgent": "true"}}, "holds"),
        ({"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}, "unknown"),
        ({"StringNotEquals": {"aws:ResourceAccount": "111122223333"}}, "unknown"),
        # What it may carry or not.
        ({"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, "unknown"),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, "unknown"),
        ({"StringNotEquals": {"aws:PrincipalTag/team": "data"}}, "unknown"),
        # What is known not to be the customer's.
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-abc"}}, "fails"),
        ({"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-abc"}}, "fails"),
        ({"ForAllValues:StringNotLike": {"aws:PrincipalOrgPaths": "o-abc/*"}}, "fails"),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-*"}}, "unknown"),
        ({"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}, "fails"),
        ({"StringNotEquals": {"aws:SourceVpc": ["vpc-1", "vpc-2"]}}, "fails"),
        ({"StringNotEqualsIfExists": {"aws:SourceVpce": "vpce-1"}}, "fails"),
        ({"ArnNotLike": {"aws:SourceVpcArn": "arn:aws:ec2:*:111122223333:vpc/*"}}, "fails"),
        ({"ArnNotLike": {"aws:SourceVpcArn": "arn:aws:ec2:*:*:vpc/*"}}, "unknown"),
        ({"StringNotEquals": {"aws:VpceAccount": "111122223333"}}, "fails"),
        ({"StringEquals": {"aws:VpceAccount": "744254827463"}}, "unknown"),
        ({"Null": {"aws:SourceVpce": "true"}}, "unknown"),
        ({"Null": {"aws:SourceVpce": "false"}}, "unknown"),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, "holds"),
        # The office or the endpoint: neither is Nimble's, but its address might be the office's.
        (
            {
                "NotIpAddressIfExists": {"aws:SourceIp": "203.0.113.0/24"},
                "StringNotEqualsIfExists": {"aws:SourceVpce": "vpce-1"},
            },
            "unknown",
        ),
    ],
)
def test_guardrails_get_their_verdict(condition: dict[str, Any], state: str) -> None:
    proof = prove(denying(condition))
    listing = next(each for each in proof.verdicts if each.action == "s3:ListBucket")
    assert listing.state == state
    assert proof.state == state
    if state == "unknown":
        assert listing.reasons
        assert any("statement 4 (Guard)" in each for each in listing.needs)


def test_what_is_known_of_the_target_decides() -> None:
    region = denying({"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}})
    assert prove(region, region="eu-west-1").complete
    assert prove(region, region="us-east-1").state == "fails"
    owner = denying({"StringNotEquals": {"s3:ResourceAccount": "111122223333"}})
    assert prove(owner, account="111122223333").complete


def test_head_bucket_carries_no_prefix() -> None:
    value = copy.deepcopy(DOCUMENTED_JOBS)
    value["Statement"][0]["Condition"] = {"StringLike": {"s3:prefix": "input/*"}}
    (failing,) = [each for each in prove(value).verdicts if each.state != "holds"]
    assert (failing.operation, failing.effect) == ("head_bucket", "implicitly_denied")


def test_the_listing_probe_carries_prefix_and_max_keys() -> None:
    listing = denying({"StringEquals": {"s3:prefix": ["input/", "input"]}}, Action="s3:ListBucket")
    (failing,) = [each for each in prove(listing).verdicts if each.state != "holds"]
    assert (failing.operation, failing.state) == ("list_objects", "fails")
    others = {"StringNotEquals": {"s3:prefix": ["input/", "input"]}, "Null": {"s3:prefix": "false"}}
    assert prove(denying(others, Action="s3:ListBucket")).complete
    assert prove(denying({"Null": {"s3:max-keys": "false"}}, Action="s3:ListBucket")).state == "fails"
    whole = prove(denying({"StringEquals": {"s3:prefix": "x/"}}, Action="s3:ListBucket"), prefixes={"input": ""})
    assert next(each for each in whole.verdicts if each.action == "s3:ListBucket").state == "unknown"


def test_an_acl_condition_depends() -> None:
    value = copy.deepcopy(DOCUMENTED_ASYNC)
    value["Statement"][0]["Condition"] = {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}
    value["Statement"].append({**DOCUMENTED_ASYNC["Statement"][0], "Action": "s3:GetBucketLocation", "Sid": "L"})
    verdicts = {each.action: each for each in prove(value, ASYNC).verdicts}
    assert verdicts["s3:PutObject"].state == "unknown"
    assert keys(verdicts["s3:PutObject"]) == ("s3:x-amz-acl",)
    assert "allows only if StringEquals s3:x-amz-acl: bucket-owner-full-control" in verdicts["s3:PutObject"].needs[0]
    assert verdicts["s3:GetBucketLocation"].state == "holds"


def test_a_key_of_the_service_that_an_action_never_carries_is_absent() -> None:
    value = denying({"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}})
    states = {(each.action, each.requirement.scope): each.state for each in prove(value).verdicts}
    assert states["s3:PutObject", "output"] == "unknown"
    assert states["s3:GetObject", "input"] == "fails", "a read carries no such header, and missing is not equal"


def test_a_variable_that_cannot_be_resolved_leaves_it_open() -> None:
    value = denying({}, Resource="arn:aws:s3:::bkt/output/${aws:userid}/*", Action="s3:PutObject")
    (verdict,) = [each for each in prove(value).verdicts if each.state != "holds"]
    assert (verdict.state, keys(verdict)) == ("unknown", ("aws:userid",))
    named = denying(
        {"StringEquals": {"aws:userid": "bob"}},
        Resource="arn:aws:s3:::bkt/output/${aws:userid}/*",
        Action="s3:PutObject",
    )
    assert prove(named).state == "holds_assuming", "an IAM user's id starts with AIDA"
    known = denying({}, Resource="arn:aws:s3:::bkt/output/${aws:username}/*", Action="s3:PutObject")
    assert prove(known).state == "fails"
    elsewhere = denying({}, Resource="arn:aws:s3:::bkt/output/${aws:userid}/*", Action="s3:PutObject", Effect="Allow")
    assert prove(elsewhere).complete


def test_a_variable_in_what_an_allow_leaves_out_leaves_it_open() -> None:
    statement = {key: each for key, each in DOCUMENTED_ASYNC["Statement"][0].items() if key != "Resource"}
    for prefix in ("", "out/"):
        left_out = {**statement, "NotResource": f"arn:aws:s3:::bkt/{prefix}${{aws:userid}}/*"}
        proof = prove({"Version": "2012-10-17", "Statement": [left_out]}, ASYNC, prefixes={"prefix": prefix})
        put = next(each for each in proof.verdicts if each.action == "s3:PutObject")
        assert (put.state, keys(put)) == ("unknown", ("aws:userid",))


def test_wildcards_in_a_prefix_are_characters() -> None:
    target = policies.target(ASYNC, BUCKET, prefixes={"prefix": "o*t?/${x}/"})
    generated = policies.generate(ASYNC, target)
    assert policies.prove(ASYNC, target, generated).complete
    other = policies.target(ASYNC, BUCKET, prefixes={"prefix": "out1/${x}/"})
    assert not policies.prove(ASYNC, other, generated).complete


def test_another_partition_is_another_bucket() -> None:
    value = copy.deepcopy(DOCUMENTED_ASYNC)
    value["Statement"][0]["Resource"] = ["arn:aws-cn:s3:::bkt", "arn:aws-cn:s3:::bkt/*"]
    assert {each.state for each in prove(value, ASYNC).verdicts} == {"fails"}


def test_requirements_of_prefixes_without_use_do_not_count() -> None:
    only = policies.target(JOBS, BUCKET, prefixes={"input": "in/"})
    proof = policies.prove(JOBS, only, policies.generate(JOBS, only))
    assert proof.complete
    assert {each.requirement.scope for each in proof.verdicts} == {"bucket", "input"}


def test_one_hundred_statements_are_proven() -> None:
    value = copy.deepcopy(DOCUMENTED_JOBS)
    guards = [
        denying(
            {"StringEquals": {"aws:SourceVpce": f"vpce-{at}"}},
            Sid=f"G{at}",
            Resource=f"arn:aws:s3:::bkt/*-{at}.json",
        )
        for at in range(97)
    ]
    value["Statement"] = [*(each["Statement"][-1] for each in guards), *value["Statement"]]
    assert prove(value).complete


def test_patterns_that_overlap_in_too_many_ways_leave_it_open() -> None:
    value = copy.deepcopy(DOCUMENTED_ASYNC)
    grants = [
        {
            **DOCUMENTED_ASYNC["Statement"][0],
            "Sid": f"S{a}{b}",
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::bkt/*{a}{b}*",
        }
        for a in "abcdefghijkl"
        for b in "xyz"
    ]
    value["Statement"] = [*value["Statement"], *grants]
    assert prove(value, ASYNC).state == "holds", "one Allow covers every key, whatever else is allowed"
    different = [
        {**each, "Condition": {"StringNotEquals": {"aws:UserAgent": str(at)}}} for at, each in enumerate(grants)
    ]
    open_ended = [{**DOCUMENTED_ASYNC["Statement"][0], "Action": ["s3:PutObjectAcl", "s3:GetBucketLocation"]}]
    verdicts = {each.action: each for each in prove({**value, "Statement": [*open_ended, *different]}, ASYNC).verdicts}
    assert verdicts["s3:PutObject"].state == "fails", "a key without any of the letters"
    denying = [
        {**each, "Effect": "Deny", "Condition": {"StringEquals": {"aws:UserAgent": str(at)}}}
        for at, each in enumerate(grants)
    ]
    value_with_denials = {**value, "Statement": [*value["Statement"], *denying]}
    verdicts = {each.action: each for each in prove(value_with_denials, ASYNC).verdicts}
    assert verdicts["s3:PutObject"].state == "unknown"
    assert verdicts["s3:PutObjectAcl"].state == "holds"
    conditional = {**value, "Statement": [*value["Statement"]]}
    for at, statement in enumerate(grants):
        deny = {"Effect": "Deny", "Condition": {"IpAddress": {"aws:SourceIp": f"11.{at}.0.0/16"}}}
        conditional["Statement"][at + 1] = {**statement, **deny}
    verdict = {each.action: each for each in prove(conditional, ASYNC).verdicts}["s3:PutObject"]
    assert (verdict.state, keys(verdict)) == ("unknown", ("aws:SourceIp",))
