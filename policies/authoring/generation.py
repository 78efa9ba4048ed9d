"""The documents that grant Nimble a contract at a target, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.contracts import AccessContract, ContractStatement, Target, facts
from policies.language import CONDITION_VERSION, VERSION, PolicyDocument, document
from policies.policy_errors import ContractError, PolicyErrorCode

"""The policy language's version: the one that knows variables and their escapes."""
"""The version a GCS policy must have as soon as one binding has a condition."""
ADMIN_SID = "Enable IAM User Permissions"
"""The Sid AWS gives the statement that leaves the key under the control of its own account."""


def generate(
    contract: AccessContract, target: Target, *, as_documented: bool = False, scoped: bool = True
) -> PolicyDocument:
    """Return the bucket's policy: an S3 bucket policy, or the bindings of a GCS bucket.

    ``as_documented`` gives the statements of the vendor's page to the letter. ``scoped`` limits a GCS
    binding to the prefix by a condition, which needs uniform bucket-level access. Raises ContractError
    where the vendor's page has no such document.
    """
    if contract.cloud == "gs":
        return document(_gcs_policy(contract, target, scoped=scoped), kind="gcs")
    statements = _documented(contract, target) if as_documented else contract.statements
    return document(
        {
            "Version": VERSION,
            "Statement": [_statement(contract, target, each) for each in _needed(statements, target)],
        },
        kind="s3",
    )


def generate_key_statement(contract: AccessContract, target: Target, *, as_documented: bool = False) -> PolicyDocument:
    """Return the statement to add to the policy of the bucket's key.

    Raises ContractError where the contract has none, or with ``as_documented`` where the vendor's page
    has none.
    """
    statements = contract.documented_key_statements if as_documented else contract.key_statements
    if not statements:
        raise ContractError(
            f"no key statement is documented for {contract.mode}",
            cause="the vendor's page has none; what follows from AWS's rules is not documented",
            code=PolicyErrorCode.NOT_DOCUMENTED,
        )
    return document(_statement(contract, target, statements[0]), kind="kms", fragment=True)


def generate_key_policy(contract: AccessContract, target: Target, account: str) -> PolicyDocument:
    """Return a whole key policy: the account's own admin statement, and the statement for Nimble.

    ``account`` is the key's account. Raises ContractError when it is none, or not the key's.
    """
    if len(account) != len(facts().account) or not (account.isascii() and account.isdigit()):
        raise ContractError(
            f"not an AWS account: {account!r}",
            cause="an account id has 12 digits",
            code=PolicyErrorCode.NOT_AN_ACCOUNT,
        )
    if target.key_arn and target.key_arn.split(":")[4] != account:
        raise ContractError(
            f"the key is not in account {account}",
            cause=f"its ARN names account {target.key_arn.split(':')[4]}",
            code=PolicyErrorCode.KEY_OF_ANOTHER_ACCOUNT,
            parameters={"account": target.key_arn.split(":")[4]},
        )
    admin = {
        "Sid": ADMIN_SID,
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{target.partition}:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    statement = generate_key_statement(contract, target).value
    return document({"Version": VERSION, "Statement": [admin, statement]}, kind="kms")


def condition_expression(bucket: str, prefix: str) -> str:
    """Return the CEL expression that limits a GCS binding to the objects under a prefix."""
    name = f"projects/_/buckets/{bucket}/objects/{prefix}"
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'resource.name.startsWith("{escaped}")'


def _needed(statements: Sequence[ContractStatement], target: Target) -> Sequence[ContractStatement]:
    """Leave out what concerns a prefix that the delivery does not have."""
    return [
        each
        for each in statements
        if all(scope in ("bucket", "key") or scope in target.prefixes for scope in each.scopes)
    ]


def _documented(contract: AccessContract, target: Target) -> Sequence[ContractStatement]:
    statements = contract.documented_statements
    for each in statements:
        if len(each.scopes) > 1 and any(target.prefixes.get(scope) for scope in each.scopes):
            raise ContractError(
                "the documented policy cannot be narrowed to a prefix",
                cause="S3 refuses an action on the bucket beside a resource below a prefix",
                code=PolicyErrorCode.DOCUMENTED_NOT_NARROWED,
            )
    return statements


def _statement(contract: AccessContract, target: Target, of: ContractStatement) -> dict[str, Any]:
    return {
        "Sid": of.sid,
        "Effect": "Allow",
        "Principal": {"AWS": contract.principal},
        "Action": _one_or_list(of.actions),
        "Resource": _one_or_list([resource_of(target, scope) for scope in of.scopes]),
    }


def resource_of(target: Target, scope: str) -> str:
    """Return the Resource of a scope: the bucket, the key, or every key under a prefix."""
    if scope == "key":
        # In a key policy the key itself is "*".
        return "*"
    return target.bucket_arn if scope == "bucket" else target.objects_arn(scope)


def _one_or_list(items: Sequence[str]) -> str | list[str]:
    return items[0] if len(items) == 1 else list(items)


def _gcs_policy(contract: AccessContract, target: Target, *, scoped: bool) -> Mapping[str, Any]:
    binding: dict[str, Any] = {"role": facts().gcs_role, "members": [contract.principal]}
    (prefix,) = target.prefixes.values()
    if not (scoped and prefix):
        return {"bindings": [binding]}
    binding["condition"] = {
        "title": "Nimble delivery prefix",
        "description": f"Only objects under {prefix}",
        "expression": condition_expression(target.bucket, prefix),
    }
    return {"version": CONDITION_VERSION, "bindings": [binding]}
