"""Policies to check, and the codes of what is found in them."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import policies

ASYNC = policies.contract("async")
JOBS = policies.contract("jobs")
GCS = policies.contract("async", "gs")
NOW = datetime(2026, 10, 1, tzinfo=UTC)


def target(contract: policies.AccessContract = ASYNC, **options: Any) -> policies.Target:
    prefixes = {"prefix": "out/"} if contract.mode == "async" else None
    return policies.target(contract, "bkt", prefixes=prefixes, **options)


def report(
    value: Any, contract: policies.AccessContract = ASYNC, kind: Any = None, **options: Any
) -> policies.CheckReport:
    where = options.pop("target", target(contract))
    document = policies.document(value, kind=kind, fragment=True)
    return policies.check(contract, where, document, at=NOW, **options)


def codes(value: Any, contract: policies.AccessContract = ASYNC, **options: Any) -> list[str]:
    return [each.code for each in report(value, contract, **options).findings]


def generated(contract: policies.AccessContract = ASYNC) -> dict[str, Any]:
    return copy.deepcopy(dict(policies.generate(contract, target(contract)).value))


def with_statement(contract: policies.AccessContract = ASYNC, **fields: Any) -> dict[str, Any]:
    value = generated(contract)
    statement: dict[str, Any] = {
        "Sid": "Mine",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::111122223333:role/team"},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::bkt/*",
    }
    for name in fields:
        statement.pop(name.removeprefix("Not"), None)
    value["Statement"].append({**statement, **fields})
    return value
