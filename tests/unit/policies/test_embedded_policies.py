"""Policies in documents of an unknown form: which objects are one, and how deep texts are opened."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies.language.embedded_policies import embedded_policies

STATEMENT = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
POLICY = {"Statement": [STATEMENT]}


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {"Statement": [{name: value for name, value in STATEMENT.items() if name not in names} | more]}


@pytest.mark.parametrize(
    "policy",
    [
        POLICY,
        {"Statement": STATEMENT},
        without("Principal", NotPrincipal={"AWS": "111122223333"}),
        without("Resource", NotResource="*"),
    ],
)
def test_a_policy_of_a_resource_is_found(policy: dict[str, Any]) -> None:
    assert embedded_policies({"items": [1, {"of": policy}]}) == [policy]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"Statement": []},
        {"Statement": "x"},
        {"Statement": [STATEMENT, 1]},
        without("Effect"),
        without("Principal"),
        without("Resource"),
    ],
)
def test_what_is_no_policy_of_a_resource_is_not_found(value: dict[str, Any]) -> None:
    assert embedded_policies({"items": [value]}) == []


def test_texts_are_opened_twice() -> None:
    once = {"description": json.dumps(POLICY)}
    twice = {"answer": json.dumps(once)}
    assert embedded_policies(once) == embedded_policies(twice) == [POLICY]
    assert embedded_policies({"log": json.dumps(twice)}) == []


def test_a_text_that_is_no_json_does_not_end_the_search() -> None:
    assert embedded_policies([POLICY, '{"unfinished": ', "{x}"]) == [POLICY]


def test_equal_policies_are_found_once() -> None:
    other = {"Statement": [{**STATEMENT, "Effect": "Allow"}]}
    assert embedded_policies([POLICY, json.dumps(POLICY), other]) == [other, POLICY]
