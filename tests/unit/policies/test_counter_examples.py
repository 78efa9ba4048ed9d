"""The key by which the proof shows that a requirement fails, and its agreement with the evaluation."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from policies.checks.proof.scenarios import request_scenarios
from tests.unit.policies import strategies
from tests.unit.policies.proofs import ASYNC, BUCKET, DOCUMENTED_ASYNC, prove


def denying_a_public_address(resource: str) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": resource,
        "Condition": {"Null": {"aws:SourceIp": "false"}},
    }


def denying_a_private_way(resource: str) -> dict[str, Any]:
    return {**denying_a_public_address(resource), "Condition": {"Null": {"aws:SourceIp": "true"}}}


KEYS = "arn:aws:s3:::bkt/"
BOTH = ((denying_a_public_address, ("b", "zz")), (denying_a_private_way, ("a", "zz")))


@pytest.mark.parametrize(
    ("denials", "example", "reason"),
    [
        ([denying_a_public_address(f"{KEYS}*"), denying_a_private_way(f"{KEYS}a*")], f"{KEYS}a", False),
        ([denying_a_public_address(f"{KEYS}b*"), denying_a_private_way(f"{KEYS}a*")], f"{KEYS}b", True),
        # Neither way's own first example fails on the other.
        (
            [deny(f"{KEYS}{prefix}*") for deny, prefixes in BOTH for prefix in prefixes],
            f"{KEYS}zz",
            False,
        ),
    ],
)
def test_a_counter_example_fails_whichever_way_the_requests_come(
    denials: list[dict[str, Any]], example: str, reason: bool
) -> None:
    value = copy.deepcopy(DOCUMENTED_ASYNC)
    value["Statement"] += denials
    (verdict,) = (each for each in prove(value, ASYNC).verdicts if each.action == "s3:PutObject")
    assert verdict.state == "fails"
    assert verdict.example.startswith(example)
    assert ("depends on how Nimble's requests reach the bucket" in " ".join(verdict.needs)) == reason


@given(strategies.policies(4), st.text("ab1/:é", min_size=1, max_size=6))
@settings(max_examples=60)
def test_the_proof_never_contradicts_the_evaluation(policy: dict[str, Any], name: str) -> None:
    target = policies.target(ASYNC, BUCKET, prefixes={"prefix": "out/"})
    for verdict in policies.prove(ASYNC, target, policies.document(policy, kind="s3")).verdicts:
        arn = target.bucket_arn if verdict.requirement.scope == "bucket" else f"{target.bucket_arn}/out/{name}"
        effects = {
            policies.evaluate(policy, scenario.request(ASYNC.principal, verdict.action, arn)).effect
            for scenario in request_scenarios(ASYNC, target, verdict.action)
        }
        if verdict.state == "holds":
            assert effects == {"allowed"}
        if verdict.state == "fails":
            at_example = {
                policies.evaluate(policy, scenario.request(ASYNC.principal, verdict.action, verdict.example)).effect
                for scenario in request_scenarios(ASYNC, target, verdict.action)
            }
            assert at_example - {"allowed"}
            # Where no one key fails for every path of the requests, the verdict states it.
            assert "allowed" not in at_example or "depends on how Nimble's requests reach the bucket" in " ".join(
                verdict.needs
            )
