"""The evaluation and the proof, judged by an evaluator that shares no code with them, on random documents."""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime
from typing import Any

import pytest

import policies
from policies import Request, evaluate
from tests.unit.policies import judge

PAIRS = 20_000
"""Documents and requests a run."""
PROOFS = 400
"""Documents proved a run, each with `SAMPLES` requests a requirement."""
SAMPLES = 12
NIMBLE = "arn:aws:iam::744254827463:user/webit-uploader"
PRINCIPALS = (
    NIMBLE,
    NIMBLE,
    "arn:aws:iam::744254827463:root",
    "arn:aws:iam::111122223333:user/path/ann",
    "arn:aws:iam::111122223333:role/path/team",
    "arn:aws:sts::111122223333:assumed-role/team/session",
    "s3.amazonaws.com",
    "*",
)
ACTIONS = ("s3:PutObject", "s3:GetObject", "s3:PutObjectAcl", "s3:ListBucket", "s3:GetBucketLocation", "kms:Decrypt")
RESOURCES = (
    "arn:aws:s3:::bkt",
    "arn:aws:s3:::bkt/out/1",
    "arn:aws:s3:::bkt/out/a:b/$",
    "arn:aws:s3:::bkt/out/secret/${aws:username}",
    "arn:aws:s3:::bkt/in/*",
    "arn:aws:kms:eu-west-1:111122223333:key/1",
)
NAMED = (
    "*",
    {"AWS": "*"},
    {"AWS": NIMBLE},
    {"AWS": "744254827463"},
    {"AWS": ["arn:aws:iam::744254827463:root", NIMBLE]},
    {"AWS": ["arn:aws:iam::111122223333:root", NIMBLE]},
    {"AWS": ["arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:role/path/team"]},
    {
        "AWS": [
            "111122223333",
            "arn:aws:iam::111122223333:role/path/team",
            "arn:aws:sts::111122223333:assumed-role/team/session",
        ]
    },
    {"AWS": "arn:aws:iam::111122223333:user/ann", "Service": "s3.amazonaws.com"},
    {"CanonicalUser": "a" * 64},
    {"CanonicalUser": ["a" * 64, "b" * 64], "AWS": "AIDAXYZABCDEF12345678"},
)
ACTION_PATTERNS = ("*", "s3:*", "s3:PutObject", "S3:putobject", "s3:Put*", "s3:?utObject*", "kms:*", "s?:GetObject")
RESOURCE_PATTERNS = (
    "*",
    "arn:aws:s3:::bkt",
    "arn:aws:s3:::bkt/*",
    "arn:aws:s3:::bkt/out/*",
    "arn:aws:s3:::bkt/out/se?ret/*",
    "arn:aws:s3:::*/1",
    "arn:aws:s3:*",
    "arn:aws:s3*",
    "arn:*:s3:::bkt/in/${*}",
    "arn:aws:s3:::bkt/${aws:username}/*",
    "arn:aws:s3:::bkt/${aws:username, 'out'}/*",
    "arn:aws:s3:::bkt/out/secret/${aws:username}",
    "arn:aws:s3:::bkt/out/a:b/${$}",
    "arn:aws:kms:*:*:key/*",
)
TEXTS = ("out", "OUT", "vpce-1", "vpce-*", "*", "?ut", "${aws:username}", "${aws:userid, 'out'}", "${*}", "a*b", "")
ARNS = (
    NIMBLE,
    "arn:aws:iam::744254827463:user/*",
    "arn:aws:iam::*:role/*",
    "arn:*:iam::744254827463:user/${aws:username}",
    "arn:aws:iam::111122223333:*",
    "arn:aws:*",
    "*",
)
NUMBERS = ("1.2", "5", "7", 10, "x", "-1")
DATES = ("2026-06-30T00:00:00Z", "2026-06-30", "1782777600", "2027-01-01T00:00:00+02:00", "never")
NETWORKS = ("10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "0.0.0.0/0", "office")
TRUTHS = ("true", "false", True, False, "TRUE", "yes")
BYTES = ("b3V0", "bm8=", "!")
VALUES: dict[str, tuple[Any, ...]] = {
    "aws:username": ("out", "bob", "vpce-1", "OUT", "*", "secret"),
    "aws:SourceVpce": ("vpce-1", "vpce-2", "vpce-*", "out", "axb", "a*b", ""),
    "aws:userid": ("out", "AIDAX", "bob"),
    "aws:PrincipalArn": (NIMBLE, "arn:aws:iam::111122223333:role/team", "arn:aws:iam::1:user/a:b", "out"),
    "aws:TagKeys": ("out", ["out", "vpce-1"], ["vpce-1", "vpce-2", "x"], []),
    "s3:max-keys": ("1.2", "5", "6", "10", "11", "x"),
    "s3:TlsVersion": ("1.2", "1.3", "1.0"),
    "aws:CurrentTime": ("2026-06-29T23:59:59Z", "2026-06-30T00:00:00Z", "2026-12-01T00:00:00Z", "2027-06-01"),
    "aws:SourceIp": ("10.1.2.3", "10.200.0.1", "192.0.2.1", "2001:db8::1", "2001:db9::1", "10.0.0.0/8"),
    "aws:SecureTransport": ("true", "false", "True", "x"),
    "s3:x-amz-meta": ("b3V0", "bm8=", "!"),
}
KEYS = tuple(VALUES)


def _operators() -> list[tuple[str, tuple[str, ...], tuple[Any, ...]]]:
    texts = ("aws:username", "AWS:sourcevpce", "aws:userid", "aws:TagKeys", "aws:PrincipalArn")
    found: list[tuple[str, tuple[str, ...], tuple[Any, ...]]] = [
        (f"String{name}", texts, TEXTS)
        for name in ("Equals", "NotEquals", "Like", "NotLike", "EqualsIgnoreCase", "NotEqualsIgnoreCase")
    ]
    found += [(f"Arn{name}", ("aws:PrincipalArn",), ARNS) for name in ("Equals", "Like", "NotEquals", "NotLike")]
    for name in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"):
        found.append((f"Numeric{name}", ("s3:max-keys", "s3:TlsVersion"), NUMBERS))
        found.append((f"Date{name}", ("aws:CurrentTime",), DATES))
    found += [
        ("IpAddress", ("aws:SourceIp",), NETWORKS),
        ("NotIpAddress", ("aws:SourceIp",), NETWORKS),
        ("Bool", ("aws:SecureTransport",), TRUTHS),
        ("BinaryEquals", ("s3:x-amz-meta",), BYTES),
    ]
    return found


OPERATORS = _operators()


class Author:
    """Draws documents and requests from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # no secret

    def one(self, values: Any) -> Any:
        return self.random.choice(values)

    def some(self, values: Any, most: int) -> Any:
        chosen = [self.one(values) for _ in range(self.random.randint(1, most))]
        return chosen[0] if len(chosen) == 1 and self.random.random() < 0.5 else chosen

    def policy(self, statements: int = 4, resources: Any = RESOURCE_PATTERNS) -> dict[str, Any]:
        found = [self.statement(resources) for _ in range(self.random.randint(1, statements))]
        version = self.one(["2012-10-17", "2012-10-17", "2008-10-17", None])
        return {**({"Version": version} if version else {}), "Statement": found}

    def statement(self, resources: Any) -> dict[str, Any]:
        each: dict[str, Any] = {"Effect": self.one(["Allow", "Deny"])}
        each["NotPrincipal" if self.random.random() < 0.2 else "Principal"] = self.one(NAMED)
        each["NotAction" if self.random.random() < 0.2 else "Action"] = self.some(ACTION_PATTERNS, 3)
        each["NotResource" if self.random.random() < 0.2 else "Resource"] = self.some(resources, 3)
        conditions: dict[str, dict[str, Any]] = {}
        for _ in range(self.one([0, 0, 1, 1, 2])):
            operator, key, values = self.condition()
            conditions.setdefault(operator, {})[key] = values
        if conditions:
            each["Condition"] = conditions
        return each

    def condition(self) -> tuple[str, str, Any]:
        if self.random.random() < 0.1:
            return "Null", self.one(KEYS), self.some(TRUTHS[:4], 2)
        operator, keys, values = self.one(OPERATORS)
        key = self.one(keys)
        several = 0.9 if key == "aws:TagKeys" else 0.05
        if self.random.random() < several:
            operator = self.one(["ForAllValues:", "ForAnyValue:"]) + operator
        if self.random.random() < 0.25:
            operator += "IfExists"
        return operator, key, self.some(values, 3)

    def context(self) -> dict[str, Any]:
        return {key: self.one(VALUES[key]) for key in KEYS if self.random.random() < 0.6}


@pytest.fixture
def author(capsys: pytest.CaptureFixture[str]) -> Author:
    seed = int(os.environ.get("POLICY_SEED") or random.SystemRandom().randrange(2**32))
    with capsys.disabled():
        print(f"\nPOLICY_SEED={seed}")  # to repeat a run
    return Author(seed)


def test_the_evaluation_agrees_with_the_judge(author: Author) -> None:
    reached: dict[str, int] = {}
    for _ in range(PAIRS):
        policy, context = author.policy(), author.context()
        principal, action, resource = author.one(PRINCIPALS), author.one(ACTIONS), author.one(RESOURCES)
        expected = judge.effects(policy, principal, action, resource, context)
        found = evaluate(policy, Request(principal, action, resource, context)).effect
        shown = json.dumps([policy, principal, action, resource, context])
        if "allowed" in expected and len(expected) > 1:
            # A known value is compared to the letter with an ARN pattern of too few segments.
            assert found == "unknown" or (found in expected and _has_short_arn(policy)), shown
        elif len(expected) > 1:
            # Denied either way, explicitly or implicitly.
            assert found in expected, shown
        else:
            assert {found} == expected, shown
        reached[found] = reached.get(found, 0) + 1
    assert min(reached.get(each, 0) for each in ("allowed", "explicitly_denied", "implicitly_denied")) > PAIRS // 50
    assert reached["unknown"] > PAIRS // 500


def _has_short_arn(policy: dict[str, Any]) -> bool:
    operators = (one for each in policy["Statement"] for one in each.get("Condition", {}).items())
    return any("Arn" in name and judge.short_arns(keys) for name, keys in operators)


# Proofs


ASYNC = policies.contract("async", "s3")
TARGET = policies.target(ASYNC, "bkt", prefixes={"prefix": "out/"}, region="eu-west-1", account="111122223333")
AT = datetime(2026, 6, 30, 12, tzinfo=UTC)
SCOPED = (
    "*",
    "arn:aws:s3:::bkt",
    "arn:aws:s3:::bkt",
    "arn:aws:s3:::bkt/*",
    "arn:aws:s3:::bkt/*",
    "arn:aws:s3:::bkt/out/*",
    "arn:aws:s3:::bkt/out/a*",
    "arn:aws:s3:::bkt/*/b?",
    "arn:aws:s3:::bkt/out/${aws:username}/*",
    "arn:aws:s3:::bkt/out/${aws:userid, 'x'}*",
    "arn:aws:s3:::bkt/out/${aws:PrincipalTag/team}/*",
    "arn:aws:s3:::bkt/o?t/[abc]*",
)
RULES: tuple[tuple[str, str, Any], ...] = (
    ("Bool", "aws:SecureTransport", "false"),
    ("Bool", "aws:SecureTransport", "true"),
    ("NumericLessThan", "s3:TlsVersion", "1.2"),
    ("NumericLessThan", "s3:TlsVersion", "1.3"),
    ("StringNotEquals", "s3:signatureversion", "AWS4-HMAC-SHA256"),
    ("StringEquals", "s3:authType", "REST-QUERY-STRING"),
    ("NumericGreaterThan", "s3:signatureAge", "600000"),
    ("Null", "s3:x-amz-server-side-encryption-customer-algorithm", "false"),
    ("StringNotLike", "aws:userid", ["AROAXYZ:*", "111122223333"]),
    ("StringLike", "aws:userid", "AIDA*"),
    ("StringNotEquals", "aws:SourceVpce", "vpce-1"),
    ("StringNotEqualsIfExists", "aws:PrincipalOrgID", "o-abc123"),
    ("NotIpAddress", "aws:SourceIp", "203.0.113.0/24"),
    ("IpAddressIfExists", "aws:SourceIp", "203.0.113.0/24"),
    ("StringNotEquals", "s3:x-amz-server-side-encryption", "aws:kms"),
    ("Null", "s3:x-amz-server-side-encryption", "true"),
    ("StringEqualsIfExists", "s3:x-amz-acl", "bucket-owner-full-control"),
    ("DateLessThan", "aws:CurrentTime", "2026-06-30T00:00:00Z"),
    ("DateGreaterThanEquals", "aws:CurrentTime", "2026-06-30T00:00:00Z"),
    ("StringEquals", "aws:PrincipalTag/team", "data"),
    ("StringEquals", "aws:PrincipalAccount", "744254827463"),
    ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::744254827463:user/*"),
    ("ForAnyValue:StringEqualsIfExists", "aws:CalledVia", "athena.amazonaws.com"),
    ("StringNotEquals", "aws:RequestedRegion", "eu-west-1"),
)


class Prover(Author):
    """Draws bucket policies about Nimble, and requests of Nimble's."""

    def statement(self, resources: Any) -> dict[str, Any]:
        each = super().statement(resources)
        each.pop("NotPrincipal", None)
        each["Principal"] = self.one(["*", {"AWS": NIMBLE}, {"AWS": NIMBLE}, {"AWS": "744254827463"}])
        if "NotAction" not in each:
            each["Action"] = self.one(["s3:*", "*", ["s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketLocation"]])
        each.pop("Condition", None)
        if each["Effect"] == "Allow" and self.random.random() < 0.6:
            return each
        conditions: dict[str, dict[str, Any]] = {}
        for _ in range(self.one([1, 1, 2])):
            operator, key, values = self.one(RULES)
            conditions.setdefault(operator, {})[key] = values
        return {**each, "Condition": conditions}

    def request_context(self, action: str) -> dict[str, Any]:
        """Return a context that a request of Nimble's may have, by the data file and its assumptions."""
        context: dict[str, Any] = {
            "aws:PrincipalArn": NIMBLE,
            "aws:PrincipalAccount": "744254827463",
            "aws:PrincipalType": "User",
            "aws:username": "webit-uploader",
            "aws:SecureTransport": "true",
            "aws:ViaAWSService": "false",
            "aws:PrincipalIsAWSService": "false",
            "aws:RequestedRegion": "eu-west-1",
            "aws:ResourceAccount": "111122223333",
            "s3:ResourceAccount": "111122223333",
            "aws:CurrentTime": "2026-06-30T12:00:00Z",
            "aws:EpochTime": "1782820800",
            "aws:userid": self.one(["AIDAEXAMPLE", "AIDAOTHER"]),
            "aws:UserAgent": self.one(["python", "aws-sdk-go"]),
            "s3:TlsVersion": self.one(["1.2", "1.3"]),
            "s3:signatureversion": "AWS4-HMAC-SHA256",
            "s3:authType": "REST-HEADER",
        }
        if self.random.random() < 0.5:
            context["aws:SourceIp"] = self.one(["203.0.113.7", "198.51.100.9", "2001:db8::1"])
        else:
            context |= {"aws:SourceVpce": "vpce-0theirs", "aws:SourceVpc": "vpc-0theirs"}
        maybe: dict[str, tuple[str, ...]] = {
            "aws:PrincipalOrgID": ("o-theirs",),
            "aws:PrincipalTag/team": ("data", "x", "out"),
            "s3:signatureAge": ("0", "59000"),
        }
        if action == "s3:PutObject":
            maybe |= {"s3:x-amz-server-side-encryption": ("aws:kms", "AES256")}
        if action in ("s3:PutObject", "s3:PutObjectAcl"):
            maybe |= {"s3:x-amz-acl": ("bucket-owner-full-control", "private")}
        context |= {key: self.one(values) for key, values in maybe.items() if self.random.random() < 0.5}
        return context

    def resource(self, scope: str) -> str:
        if scope == "bucket":
            return "arn:aws:s3:::bkt"
        name = "".join(self.one("ab1/") for _ in range(self.random.randint(1, 4)))
        start = self.one(["", "", "a", "x", "webit-uploader/", "AIDAEXAMPLE", "data/"])
        return f"arn:aws:s3:::bkt/out/{start}{name}"


def test_the_proof_agrees_with_the_judge(author: Author) -> None:
    drawn = Prover(author.random.randrange(2**32))
    states: dict[str, int] = {}
    for _ in range(PROOFS):
        policy = {"Version": "2012-10-17", "Statement": drawn.policy(5, SCOPED)["Statement"]}
        for verdict in policies.prove(ASYNC, TARGET, policies.document(policy, kind="s3"), at=AT).verdicts:
            states[verdict.state] = states.get(verdict.state, 0) + 1
            paths_differ = any("how Nimble's requests reach the bucket" in each for each in verdict.needs)
            for _ in range(SAMPLES):
                context = drawn.request_context(verdict.action)
                failing = verdict.state == "fails"
                resource = verdict.example if failing else drawn.resource(verdict.requirement.scope)
                expected = judge.effects(policy, NIMBLE, verdict.action, resource, context)
                shown = json.dumps([policy, verdict.action, resource, context, verdict.state])
                if verdict.granted:
                    assert expected == {"allowed"}, shown
                elif failing and not paths_differ:
                    assert "allowed" not in expected, shown
            assert (verdict.state == "unknown") is bool(verdict.reasons)
            assert verdict.assumptions or verdict.state != "holds_assuming"
    assert set(states) == {"holds", "holds_assuming", "unknown", "fails"}
