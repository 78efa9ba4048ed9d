"""The calls that read one setting of an S3 bucket each: permission, and how the answer is read.

Source: Amazon S3 API reference; the permission of each call is the Service Authorization Reference's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from harvester.storage.bucket_settings import Encryption, LifecycleRule, ObjectLock, PublicAccessBlock

ACCOUNT_BLOCK_PERMISSION = "s3:GetAccountPublicAccessBlock"
NO_PUBLIC_ACCESS_BLOCK = "NoSuchPublicAccessBlockConfiguration"
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class SettingCall(NamedTuple):
    """How one setting is read."""

    operation: str
    """The method of boto3's client."""
    permission: str
    """The IAM action it takes."""
    never_set: str
    """The error code for a setting that was never made; empty where there is none."""
    parse: Callable[[Mapping[str, Any]], Any]
    """Takes the setting out; raises KeyError, TypeError, ValueError or IndexError for the answer to another call."""


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _region(answer: Mapping[str, Any]) -> str:
    # Source: GetBucketLocation: no constraint is us-east-1, "EU" is eu-west-1.
    constraint = answer.get("LocationConstraint")
    return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(constraint) or _text(constraint)


def public_access_block(answer: Mapping[str, Any]) -> PublicAccessBlock:
    """Return the switches, of a bucket or of an account. Raises KeyError and TypeError for another answer."""
    switches = answer["PublicAccessBlockConfiguration"]
    return PublicAccessBlock(
        block_public_acls=bool(switches.get("BlockPublicAcls")),
        ignore_public_acls=bool(switches.get("IgnorePublicAcls")),
        block_public_policy=bool(switches.get("BlockPublicPolicy")),
        restrict_public_buckets=bool(switches.get("RestrictPublicBuckets")),
    )


def _encryption(answer: Mapping[str, Any]) -> Encryption:
    rule = answer["ServerSideEncryptionConfiguration"]["Rules"][0]
    default = rule["ApplyServerSideEncryptionByDefault"]
    return Encryption(
        _text(default["SSEAlgorithm"]), str(default.get("KMSMasterKeyID") or ""), bool(rule.get("BucketKeyEnabled"))
    )


def _versioning(answer: Mapping[str, Any]) -> str | None:
    return _text(answer["Status"]) if "Status" in answer else None


def _lifecycle(answer: Mapping[str, Any]) -> tuple[LifecycleRule, ...]:
    return tuple(_lifecycle_rule(rule) for rule in answer["Rules"])


def _lifecycle_rule(rule: Mapping[str, Any]) -> LifecycleRule:
    chosen: Mapping[str, Any] = rule.get("Filter") or {}
    both: Mapping[str, Any] = chosen.get("And") or chosen
    expiration = rule.get("Expiration") or {}
    date = expiration.get("Date")
    archives = sorted(
        (each["Days"], each["StorageClass"])
        for each in rule.get("Transitions", ())
        if each.get("StorageClass") in _ARCHIVES and "Days" in each
    )
    return LifecycleRule(
        id=str(rule.get("ID", "")),
        enabled=rule["Status"] == "Enabled",
        prefix=str(both.get("Prefix") or rule.get("Prefix") or ""),
        narrowed=any(name in both for name in ("Tag", "Tags", "ObjectSizeGreaterThan", "ObjectSizeLessThan")),
        expire_days=expiration.get("Days"),
        expire_date=None if date is None else (date if isinstance(date, str) else date.date().isoformat()),
        archive_days=archives[0][0] if archives else None,
        archive_class=archives[0][1] if archives else "",
    )


def _object_lock(answer: Mapping[str, Any]) -> ObjectLock:
    retention = (answer["ObjectLockConfiguration"].get("Rule") or {}).get("DefaultRetention") or {}
    days = int(retention.get("Days") or 0) + 365 * int(retention.get("Years") or 0)
    return ObjectLock(str(retention.get("Mode", "")), days)


SETTING_CALLS: Mapping[str, SettingCall] = {
    "region": SettingCall("get_bucket_location", "s3:GetBucketLocation", "", _region),
    "policy": SettingCall(
        "get_bucket_policy",
        "s3:GetBucketPolicy",
        "NoSuchBucketPolicy",
        lambda answer: _text(answer["Policy"]),
    ),
    "public_access_block": SettingCall(
        "get_public_access_block",
        "s3:GetBucketPublicAccessBlock",
        NO_PUBLIC_ACCESS_BLOCK,
        public_access_block,
    ),
    "ownership": SettingCall(
        "get_bucket_ownership_controls",
        "s3:GetBucketOwnershipControls",
        "OwnershipControlsNotFoundError",
        lambda answer: _text(answer["OwnershipControls"]["Rules"][0]["ObjectOwnership"]),
    ),
    "encryption": SettingCall(
        "get_bucket_encryption",
        "s3:GetEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        _encryption,
    ),
    "versioning": SettingCall("get_bucket_versioning", "s3:GetBucketVersioning", "", _versioning),
    "lifecycle": SettingCall(
        "get_bucket_lifecycle_configuration",
        "s3:GetLifecycleConfiguration",
        "NoSuchLifecycleConfiguration",
        _lifecycle,
    ),
    "object_lock": SettingCall(
        "get_object_lock_configuration",
        "s3:GetBucketObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        _object_lock,
    ),
    "payer": SettingCall(
        "get_bucket_request_payment",
        "s3:GetBucketRequestPayment",
        "",
        lambda answer: _text(answer["Payer"]),
    ),
}
"""By the names of the fields of `S3Settings`."""

PERMISSIONS: Mapping[str, str] = {
    **{name: call.permission for name, call in SETTING_CALLS.items()},
    "owner": "s3:ListBucket",
    "caller": "sts:GetCallerIdentity",
    "account_public_access_block": ACCOUNT_BLOCK_PERMISSION,
}
"""The permission it takes to read each setting, by the names of the fields of `S3Settings`."""
