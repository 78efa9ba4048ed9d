"""Policies to change, and the changes planned for them."""

from __future__ import annotations

import copy
from typing import Any

import policies
from policies import DesiredState, PlannedChange, plan_change

ASYNC = policies.contract("async")
GCS = policies.contract("async", "gs")
TEAM = {
    "Sid": "Team Read",
    "Effect": "Allow",
    "Principal": {"AWS": ["arn:aws:iam::111122223333:role/team"]},
    "Action": ["s3:GetObject", "s3:ListBucket"],
    "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
}
GUARD = {
    "Sid": "OrgOnly",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::bkt", "arn:aws:s3:::bkt/*"],
    "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-abc"}},
}


def target(contract: policies.AccessContract = ASYNC, prefix: str | None = "out/") -> policies.Target:
    given_prefixes = {contract.prefixes[-1].name: prefix, contract.prefixes[0].name: prefix}
    return policies.target(contract, "bkt", prefixes=given_prefixes)


def bucket_policy(*statements: dict[str, Any], **fields: Any) -> policies.PolicyDocument:
    value = {"Version": "2012-10-17", "Id": "mine", "Statement": list(statements), **fields}
    return policies.document(copy.deepcopy(value), kind="s3", source="policy.json")


def merge(
    policy: policies.PolicyDocument, contract: policies.AccessContract, wanted: policies.Target, **options: Any
) -> PlannedChange:
    return plan_change(policy, DesiredState(contract, wanted, **options))


def merged(*statements: dict[str, Any], prefix: str | None = "out/", **options: Any) -> PlannedChange:
    return merge(bucket_policy(*statements), ASYNC, target(prefix=prefix), **options)


def ours(prefix: str = "out/") -> list[dict[str, Any]]:
    return [copy.deepcopy(each) for each in policies.generate(ASYNC, target(prefix=prefix)).value["Statement"]]
