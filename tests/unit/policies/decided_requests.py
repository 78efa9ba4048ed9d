"""Decisions of single requests, for the tests of the evaluation."""

from __future__ import annotations

from typing import Any

import policies
from policies import Constraint, Request, evaluate
from tests.unit.policies.strategies import NIMBLE

ROOT = "arn:aws:iam::744254827463:root"
OBJECT = "arn:aws:s3:::bkt/out/1.json"
TEAM_ROOT = "arn:aws:iam::111122223333:root"
TEAM = "arn:aws:iam::111122223333:role/team"
SESSION = "arn:aws:sts::111122223333:assumed-role/team/s"


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
