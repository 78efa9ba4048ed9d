"""The policy of the customer's own reader: the permissions that each verb uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.contracts import AccessContract, Target
from policies.language import VERSION, caller
from policies.policy_errors import ContractError, PolicyErrorCode

ABILITIES = ("sync", "test", "explain", "apply", "backfill")
"""What a reader can be given: the verbs that ask the cloud for something."""
MEMBER = "serviceAccount:READER@PROJECT.iam.gserviceaccount.com"
"""Stands for the reader on Google Cloud Storage when it is not named."""
_ANY_KEY = "KEY_ARN"


@dataclass(frozen=True, slots=True)
class _Need:
    sid: str
    abilities: frozenset[str]
    actions: tuple[str, ...]
    scope: str


def _need(sid: str, abilities: str, actions: str, scope: str) -> _Need:
    return _Need(sid, frozenset(abilities.split()), tuple(actions.split()), scope)


_BUCKET_SETTINGS = (
    "s3:GetBucketPolicy s3:GetBucketPolicyStatus s3:GetBucketPublicAccessBlock s3:GetBucketOwnershipControls"
    " s3:GetEncryptionConfiguration s3:GetBucketLocation s3:GetBucketVersioning s3:GetLifecycleConfiguration"
    " s3:GetBucketRequestPayment s3:GetBucketObjectLockConfiguration"
)
_NEEDS = (
    _need("List", "sync test backfill", "s3:ListBucket", "bucket"),
    _need("ListUploads", "backfill", "s3:ListBucketMultipartUploads", "bucket"),
    _need("Locate", "sync test backfill", "s3:GetBucketLocation", "bucket"),
    _need("Read", "sync backfill", "s3:GetObject", "prefixes"),
    _need("Probe", "test", "s3:GetObject s3:PutObject s3:AbortMultipartUpload", "prefixes"),
    _need("Inspect", "explain apply", _BUCKET_SETTINGS, "bucket"),
    _need("InspectAccount", "explain apply", "s3:GetAccountPublicAccessBlock", "account"),
    _need("ChangePolicy", "apply", "s3:PutBucketPolicy s3:DeleteBucketPolicy", "bucket"),
    _need("Decrypt", "sync backfill", "kms:Decrypt", "key"),
    _need("UseKey", "test", "kms:Decrypt kms:GenerateDataKey", "key"),
    _need("InspectKey", "explain apply", "kms:DescribeKey kms:GetKeyPolicy", "key"),
    _need("ChangeKeyPolicy", "apply", "kms:PutKeyPolicy", "key"),
)
_ROLES: Mapping[str, Sequence[str]] = {
    "sync": ("roles/storage.objectViewer",),
    "test": ("roles/storage.objectViewer", "roles/storage.objectCreator"),
    "explain": ("roles/storage.legacyBucketOwner",),
    "apply": ("roles/storage.legacyBucketOwner",),
    "backfill": ("roles/storage.objectViewer",),
}
"""The smallest predefined roles per ability; only legacyBucketOwner and roles above it read a bucket's
IAM policy."""


def reader_documents(
    contract: AccessContract,
    target: Target,
    can: Sequence[str],
    *,
    reader: str | None = None,
    account: str | None = None,
) -> dict[str, Any]:
    """Return the documents a reader needs, by name: ``identity``, and in another account ``bucket`` and
    ``key``.

    ``can`` are some of `ABILITIES`, ``reader`` the ARN of the role or user that runs the program (a
    member on GCS), ``account`` the account that owns the bucket. On GCS there is one document,
    ``bindings``. Raises ContractError for an ability or a reader that cannot be.
    """
    for each in can:
        if each not in ABILITIES:
            raise ContractError(
                f"no ability: {each!r}",
                cause=f"known are {', '.join(ABILITIES)}",
                code=PolicyErrorCode.UNKNOWN_ABILITY,
                parameters={"known": ",".join(ABILITIES)},
            )
    if not can:
        raise ContractError(
            "no ability was asked for",
            code=PolicyErrorCode.UNKNOWN_ABILITY,
            parameters={"known": ",".join(ABILITIES)},
        )
    if contract.cloud == "gs":
        return {"bindings": {"bindings": _bindings(can, reader or MEMBER)}}
    needs = [each for each in _NEEDS if each.abilities & set(can) and (each.scope != "key" or target.key_arn)]
    identity = {"Version": VERSION, "Statement": list(_statements(_without_doubles(needs), target, {}))}
    if reader is None:
        return {"identity": identity}
    user = caller(reader)
    if user.kind != "aws" or user.session or "*" in reader:
        raise ContractError(
            f"no role or user: {reader!r}",
            cause="the reader is written arn:aws:iam::ACCOUNT:role/NAME",
            code=PolicyErrorCode.NOT_A_READER,
        )
    documents: dict[str, Any] = {"identity": identity}
    key_account = target.key_arn.split(":")[4] if target.key_arn else None
    principal = {"Principal": {"AWS": user.text}}
    if account is not None and user.account != account:
        ours = [each for each in needs if each.scope in ("bucket", "prefixes")]
        documents["bucket"] = {
            "Version": VERSION,
            "Statement": list(_statements(_without_doubles(ours), target, principal)),
        }
    if key_account is not None and user.account != key_account:
        on_key = [each for each in needs if each.scope == "key"]
        statements = [{**each, "Resource": "*"} for each in _statements(_without_doubles(on_key), target, principal)]
        documents["key"] = {"Statement": statements}
    return documents


def _without_doubles(needs: Sequence[_Need]) -> Iterator[_Need]:
    """Leave out an action that an earlier need on the same resource has."""
    seen: set[tuple[str, str]] = set()
    for each in sorted(needs, key=lambda need: -len(need.actions)):
        actions = tuple(action for action in each.actions if (each.scope, action) not in seen)
        seen.update((each.scope, action) for action in actions)
        if actions:
            yield _Need(each.sid, each.abilities, actions, each.scope)


def _statements(needs: Iterator[_Need], target: Target, principal: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for each in needs:
        resources = _resources(each.scope, target)
        yield {
            "Sid": f"NimbleHarvester{each.sid}",
            "Effect": "Allow",
            **principal,
            "Action": each.actions[0] if len(each.actions) == 1 else list(each.actions),
            "Resource": resources[0] if len(resources) == 1 else resources,
        }


def _resources(scope: str, target: Target) -> list[str]:
    if scope == "bucket":
        return [target.bucket_arn]
    if scope == "prefixes":
        return [target.objects_arn(name) for name in target.prefixes]
    # Account settings have no resource of their own.
    return [target.key_arn or _ANY_KEY] if scope == "key" else ["*"]


def _bindings(can: Sequence[str], member: str) -> list[dict[str, Any]]:
    # Without conditions: listing is authorised on the bucket, and a condition on object names would deny it.
    roles = dict.fromkeys(role for ability in can for role in _ROLES[ability])
    return [{"role": role, "members": [member]} for role in roles]
