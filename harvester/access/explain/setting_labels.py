"""Settings in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harvester.storage import Encryption, KmsKey, LifecycleRule, ObjectLock, PublicAccessBlock, Unread

SETTING_NAMES: Mapping[str, str] = {
    "region": "region",
    "location": "location",
    "owner": "owner",
    "caller": "your account",
    "policy": "bucket policy",
    "public_access_block": "Block Public Access of the bucket",
    "account_public_access_block": "Block Public Access of the account",
    "ownership": "Object Ownership",
    "encryption": "default encryption",
    "versioning": "versioning",
    "lifecycle": "lifecycle rules",
    "object_lock": "Object Lock",
    "payer": "payer of requests",
    "uniform_access": "uniform bucket-level access",
    "public_access_prevention": "public access prevention",
    "default_key": "default encryption key",
    "retention_seconds": "retention policy",
    "requester_pays": "Requester Pays",
}
"""The settings by the names of their fields."""


def words(value: Any) -> str:
    """Return the value of a setting in words."""
    match value:
        case None | ():
            return "not set"
        case bool():
            return "on" if value else "off"
        case Unread():
            return f"unknown ({value.reason}): takes {value.permission}"
        case PublicAccessBlock():
            return _block(value)
        case Encryption():
            key = f" with {value.key}" if value.key else ""
            return f"{value.algorithm}{key}{', Bucket Key' if value.bucket_key else ''}"
        case ObjectLock():
            return f"{value.mode} for {value.days} days" if value.mode else "on, without default retention"
        case tuple():
            return "; ".join(_rule(each) for each in value if isinstance(each, LifecycleRule))
        case KmsKey():
            return f"{value.arn or 'unknown'}, {value.state or 'state unknown'}"
        case _:
            return str(value)


def _block(block: PublicAccessBlock) -> str:
    switches = {
        "BlockPublicAcls": block.block_public_acls,
        "IgnorePublicAcls": block.ignore_public_acls,
        "BlockPublicPolicy": block.block_public_policy,
        "RestrictPublicBuckets": block.restrict_public_buckets,
    }
    on = [name for name, is_on in switches.items() if is_on]
    if len(on) == len(switches):
        return "all on"
    return ", ".join(on) + " on" if on else "all off"


def _rule(rule: LifecycleRule) -> str:
    what = f"{rule.id or 'rule'} ({rule.prefix or 'all keys'})"
    if not rule.enabled:
        return f"{what} off"
    done = []
    if rule.expire_days is not None:
        done.append(f"deletes after {rule.expire_days} d")
    if rule.expire_date is not None:
        done.append(f"deletes from {rule.expire_date}")
    if rule.archive_days is not None:
        done.append(f"to {rule.archive_class} after {rule.archive_days} d")
    return f"{what} {', '.join(done) or 'deletes and archives nothing current'}"
