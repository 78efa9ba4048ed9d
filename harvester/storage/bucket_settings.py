"""The settings of a bucket and its key that decide about access, as values.

A setting that was never made is None; one that these credentials may not read, or this endpoint does not offer, is an
`Unread` with the permission it takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harvester.causes import Cause
from harvester.storage.service_errors import ServiceError

_DENIED = frozenset(
    {
        Cause.OBJECT_DENIED,
        Cause.POLICY_LIMIT,
        Cause.PERIMETER,
        Cause.ACCOUNT,
        Cause.KMS_DENIED,
        Cause.CREDENTIALS,
        Cause.EXPIRED,
        Cause.CLOCK_SKEW,
        Cause.REQUESTER_PAYS,
        Cause.PAYER_REFUSED,
    }
)
_UNREACHABLE = frozenset({Cause.NETWORK, Cause.TIMEOUT, Cause.THROTTLED, Cause.CERTIFICATE})


class UnreadReason(StrEnum):
    """Why a setting is not known."""

    DENIED = "denied"
    """These credentials may not read it."""
    NOT_OFFERED = "not offered"
    """The endpoint does not know the call, or answers something else."""
    UNREACHABLE = "unreachable"
    """There was no answer in time."""
    NOT_ASKED = "not asked"
    """No request was made: it depends on another that failed, or the setting is not in a saved file."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A setting that is not known."""

    reason: UnreadReason
    """Why."""
    permission: str
    """The IAM action it takes to read it."""
    code: str = ""
    """The service's error code."""
    request_id: str = ""
    """The service's id of the refused request."""


@dataclass(frozen=True, slots=True)
class PublicAccessBlock:
    """The four switches of Block Public Access."""

    block_public_acls: bool
    """Refuse new public ACLs."""
    ignore_public_acls: bool
    """Treat public ACLs as if they were not there."""
    block_public_policy: bool
    """Refuse to store a public bucket policy."""
    restrict_public_buckets: bool
    """Cut every other account off while the bucket's policy is public."""


@dataclass(frozen=True, slots=True)
class Encryption:
    """What new objects are encrypted with by default."""

    algorithm: str
    """``AES256``, ``aws:kms`` or ``aws:kms:dsse``."""
    key: str
    """The key as the setting names it: an ARN, an id, an alias; empty for the AWS-managed key or none."""
    bucket_key: bool
    """Whether S3 Bucket Keys are on."""


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """One rule that does something to objects as they age."""

    id: str
    """Its id; may be empty."""
    enabled: bool
    """Whether it acts."""
    prefix: str
    """What the keys start with; empty for all."""
    narrowed: bool
    """Whether tags or sizes narrow it further, so that it may pass over some objects."""
    expire_days: int | None
    """Deletes objects at this age, in days."""
    expire_date: str | None
    """Deletes objects from this day on, ISO 8601."""
    archive_days: int | None
    """Moves objects into a class that must be restored before it can be read, at this age in days."""
    archive_class: str
    """That class."""


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """Object Lock, which keeps versions from being deleted."""

    mode: str
    """``GOVERNANCE`` or ``COMPLIANCE``; empty without a default retention."""
    days: int
    """Default retention in days; a year counts 365."""


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A KMS key, as far as it can be read."""

    arn: str
    """Its ARN; empty when even that is not known."""
    account: str
    """The account it belongs to."""
    region: str
    """The region it is in."""
    managed_by_aws: bool | None
    """Whether AWS manages it, so that its policy cannot be changed; None when not known."""
    state: str
    """``Enabled``, ``Disabled``, ``PendingDeletion`` …; empty when not known."""
    usage: str
    """``ENCRYPT_DECRYPT``, ``SIGN_VERIFY`` …; empty when not known."""
    policy: str | Unread
    """The text of its policy."""
    description: Unread | None = None
    """Why account, manager, state and usage are not known; None when they are."""


@dataclass(frozen=True, slots=True)
class S3Settings:
    """The settings of one S3 bucket."""

    bucket: str
    """The bucket's name."""
    region: str | Unread
    """The region it is in."""
    owner: str | Unread
    """The account that owns it."""
    caller: str | Unread
    """The account of the credentials in use."""
    policy: str | Unread | None
    """The text of its policy, as stored."""
    public_access_block: PublicAccessBlock | Unread | None
    """Its own Block Public Access."""
    account_public_access_block: PublicAccessBlock | Unread | None
    """Its account's Block Public Access."""
    ownership: str | Unread | None
    """``BucketOwnerEnforced``, ``BucketOwnerPreferred`` or ``ObjectWriter``."""
    encryption: Encryption | Unread | None
    """Its default encryption."""
    versioning: str | Unread | None
    """``Enabled`` or ``Suspended``."""
    lifecycle: tuple[LifecycleRule, ...] | Unread | None
    """Its lifecycle rules."""
    object_lock: ObjectLock | Unread | None
    """Its Object Lock."""
    payer: str | Unread
    """``BucketOwner`` or ``Requester``."""


def unread(error: ServiceError | None, permission: str) -> Unread:
    """Return why a setting is not known; ``error`` is None for an answer that does not hold it."""
    if error is None:
        return Unread(UnreadReason.NOT_OFFERED, permission)
    if error.cause in _DENIED:
        reason = UnreadReason.DENIED
    elif error.cause in _UNREACHABLE:
        reason = UnreadReason.UNREACHABLE
    else:
        reason = UnreadReason.NOT_OFFERED
    return Unread(reason, permission, error.code, error.request_id)
