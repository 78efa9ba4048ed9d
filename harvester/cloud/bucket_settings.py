"""The settings of an S3 bucket and its KMS key that decide what somebody else may do there: read and written.

A setting that nobody made is None; one that these credentials may not see, or this endpoint does not offer, is an
`Unread` with the permission it takes. All are read side by side, so an endpoint that does not answer costs one timeout.
Source: Amazon S3, S3 Control and KMS API references; the permission of each call is the Service Authorization
Reference's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from harvester.cloud.answers import Answer
from harvester.cloud.interface import Cause, StoreSettings
from harvester.cloud.problems import Problem

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_T = TypeVar("_T")
_DEFAULT_POLICY = "default"  # the only name a key policy can have


class UnreadReason(StrEnum):
    """Why a setting is not known."""

    DENIED = "denied"
    """These credentials may not read it."""
    NOT_OFFERED = "not offered"
    """The endpoint does not know the question, or answers something else."""
    UNREACHABLE = "unreachable"
    """There was no answer in time."""
    NOT_ASKED = "not asked"
    """Nothing was asked: the question depends on another that has no answer, or the setting is not in a saved file."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A setting that is not known, never guessed."""

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
    """What new objects are encrypted with when the request does not say."""

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
    """A KMS key, as far as it can be seen."""

    arn: str
    """Its ARN; empty when even that is not known."""
    account: str
    """The account it belongs to."""
    region: str
    """The region it lives in."""
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
    """The region it lives in."""
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


_ACCOUNT_BLOCK = "s3:GetAccountPublicAccessBlock"
_NO_PUBLIC_ACCESS_BLOCK = "NoSuchPublicAccessBlockConfiguration"
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_DENIED = frozenset({Cause.OBJECT_DENIED, Cause.KMS_DENIED, Cause.CREDENTIALS, Cause.CLOCK_SKEW})
_UNREACHABLE = frozenset({Cause.NETWORK, Cause.TIMEOUT, Cause.THROTTLED})


def _unasked(permission: str) -> Unread:
    return Unread(UnreadReason.NOT_ASKED, permission)


@dataclass(frozen=True, slots=True)
class _Identity:
    caller: str | Unread
    region: str
    owner: str | Unread
    account_public_access_block: PublicAccessBlock | Unread | None


class S3SettingsReader:
    """Reads and writes the settings of one bucket."""

    def __init__(self, bucket: str, settings: StoreSettings, *, kms_profile: str | None = None) -> None:
        """Use ``kms_profile`` for the key, where that is another. Raises ConfigurationError for a missing profile."""
        from harvester.cloud.aws_clients import AwsClients, ask

        self.bucket = bucket
        self.expected_owner = settings.expected_bucket_owner
        """The account the bucket must belong to, where one was named."""
        self._settings = settings
        self._ask = ask
        self._clients = AwsClients(settings)
        self._kms_clients = AwsClients(settings, profile=kms_profile) if kms_profile else self._clients
        self.problems: list[Problem] = []
        """The refusals met by `read`, in no order: what tells a missing bucket or bad credentials from a gap."""

    def read(self) -> S3Settings:
        """Read everything; takes as long as the slowest answer."""
        client = self._clients.s3
        with ThreadPoolExecutor(max_workers=12) as pool:
            asked = {
                name: pool.submit(self._read, getattr(client, operation), permission, missing, parse)
                for name, (operation, permission, missing, parse) in _QUESTIONS.items()
            }
            identified = pool.submit(self._identify, client)
            found: dict[str, Any] = {name: future.result() for name, future in asked.items()}
            identity = identified.result()
        if isinstance(found["region"], Unread) and identity.region:
            found["region"] = identity.region
        return S3Settings(
            bucket=self.bucket,
            caller=identity.caller,
            owner=identity.owner,
            account_public_access_block=identity.account_public_access_block,
            **found,
        )

    def read_policy(self) -> str | Unread | None:
        """Read the bucket's policy alone."""
        policy: str | Unread | None = self._read(self._clients.s3.get_bucket_policy, *_QUESTIONS["policy"][1:])
        return policy

    def put_policy(self, text: str) -> Answer[dict[str, Any]]:
        """Replace the bucket's policy; takes s3:PutBucketPolicy."""
        return self._ask(self._clients.s3.put_bucket_policy, Bucket=self.bucket, Policy=text)

    def delete_policy(self) -> Answer[dict[str, Any]]:
        """Remove the bucket's policy; takes s3:DeleteBucketPolicy."""
        return self._ask(self._clients.s3.delete_bucket_policy, Bucket=self.bucket)

    def read_key(self, key: str, region: str) -> KmsKey:
        """Read the key that ``key`` names: an ARN, an id or an alias, the latter two in ``region``."""
        region = _region_of(key) or region
        client = self._kms_clients.kms(region)
        described = self._ask(client.describe_key, KeyId=key)
        if described.value is None:
            policy = self.read_key_policy(key) if _is_key_arn(key) else _unasked("kms:GetKeyPolicy")
            account = key.split(":")[4] if _is_arn(key) else ""
            return KmsKey(
                arn=key if _is_key_arn(key) else "",
                account=account,
                region=region,
                managed_by_aws=None,
                state="",
                usage="",
                policy=policy,
                description=_unread(described.problem, "kms:DescribeKey"),
            )
        metadata: Mapping[str, Any] = described.value.get("KeyMetadata", {})
        arn = str(metadata.get("Arn", ""))
        return KmsKey(
            arn=arn,
            account=str(metadata.get("AWSAccountId", "")),
            region=_region_of(arn) or region,
            managed_by_aws=metadata.get("KeyManager") == "AWS",
            state=str(metadata.get("KeyState", "")),
            usage=str(metadata.get("KeyUsage", "")),
            policy=self.read_key_policy(arn),
        )

    def read_key_policy(self, arn: str) -> str | Unread:
        """Read the policy of the key with this ARN."""
        answer = self._ask(self._kms_clients.kms(_region_of(arn)).get_key_policy, KeyId=arn, PolicyName=_DEFAULT_POLICY)
        if answer.value is None:
            return _unread(answer.problem, "kms:GetKeyPolicy")
        text = answer.value.get("Policy")
        return text if isinstance(text, str) else Unread(UnreadReason.NOT_OFFERED, "kms:GetKeyPolicy")

    def put_key_policy(self, arn: str, text: str) -> Answer[dict[str, Any]]:
        """Replace the key's policy; takes kms:PutKeyPolicy. KMS itself refuses one that locks the caller out."""
        client = self._kms_clients.kms(_region_of(arn))
        return self._ask(client.put_key_policy, KeyId=arn, PolicyName=_DEFAULT_POLICY, Policy=text)

    def _read(
        self,
        call: Callable[..., Any],
        permission: str,
        missing: str,
        parse: Callable[[Mapping[str, Any]], _T | None],
    ) -> _T | Unread | None:
        """Ask one question about the bucket; the error code ``missing`` means that the setting was never made."""
        answer = self._ask(call, Bucket=self.bucket)
        if answer.value is None:
            if answer.problem is not None and answer.problem.code == missing:
                return None
            return self._refused(answer.problem, permission)
        try:
            return parse(answer.value)
        except (KeyError, TypeError, ValueError, IndexError):
            # A server that does not know the question answers another one, such as a listing.
            return Unread(UnreadReason.NOT_OFFERED, permission, request_id=answer.request_id)

    def _identify(self, client: S3Client) -> _Identity:
        """Find out whose credentials these are, whose bucket it is, and that account's Block Public Access."""
        asked = self._ask(self._clients.sts.get_caller_identity)
        if asked.value is None:
            region = self._ask(client.head_bucket, Bucket=self.bucket).region
            caller_unread = self._refused(asked.problem, "sts:GetCallerIdentity")
            return _Identity(caller_unread, region, _unasked("sts:GetCallerIdentity"), _unasked(_ACCOUNT_BLOCK))
        caller = str(asked.value.get("Account", ""))
        owned = self._ask(client.head_bucket, Bucket=self.bucket, ExpectedBucketOwner=caller)
        expected = self._settings.expected_bucket_owner
        if owned.problem is None:
            return _Identity(caller, owned.region, caller, self._read_account_block(caller, owned.region))
        if expected and expected != caller and self._ask(client.head_bucket, Bucket=self.bucket).problem is None:
            return _Identity(caller, owned.region, expected, Unread(UnreadReason.DENIED, _ACCOUNT_BLOCK))
        owner = self._refused(owned.problem, "s3:ListBucket")
        return _Identity(caller, owned.region, owner, _unasked(_ACCOUNT_BLOCK))

    def _read_account_block(self, account: str, region: str) -> PublicAccessBlock | Unread | None:
        client = self._clients.s3control(region or self._clients.region)
        answer = self._ask(client.get_public_access_block, AccountId=account)
        if answer.value is None:
            if answer.problem is not None and answer.problem.code == _NO_PUBLIC_ACCESS_BLOCK:
                return None
            return _unread(answer.problem, _ACCOUNT_BLOCK)
        try:
            return _public_access_block(answer.value)
        except (KeyError, TypeError):
            return Unread(UnreadReason.NOT_OFFERED, _ACCOUNT_BLOCK, request_id=answer.request_id)

    def _refused(self, problem: Problem | None, permission: str) -> Unread:
        if problem is not None:
            self.problems.append(problem)
        return _unread(problem, permission)


def _unread(problem: Problem | None, permission: str) -> Unread:
    if problem is None:
        return Unread(UnreadReason.NOT_OFFERED, permission)
    if problem.cause in _DENIED:
        reason = UnreadReason.DENIED
    elif problem.cause in _UNREACHABLE:
        reason = UnreadReason.UNREACHABLE
    else:
        reason = UnreadReason.NOT_OFFERED
    return Unread(reason, permission, problem.code, problem.request_id)


def _is_arn(key: str) -> bool:
    return key.startswith("arn:") and len(key.split(":")) >= 6


def _is_key_arn(key: str) -> bool:
    return _is_arn(key) and key.split(":")[5].startswith("key/")


def _region_of(key: str) -> str:
    return key.split(":")[3] if _is_arn(key) else ""


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _region(answer: Mapping[str, Any]) -> str:
    # Source: GetBucketLocation: no constraint is us-east-1, "EU" is eu-west-1.
    constraint = answer.get("LocationConstraint")
    return {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(constraint) or _text(constraint)


def _public_access_block(answer: Mapping[str, Any]) -> PublicAccessBlock:
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


# The setting's name to: the client's method, the permission it takes, the code that means "never set", and the reading.
_QUESTIONS: Mapping[str, tuple[str, str, str, Callable[[Mapping[str, Any]], Any]]] = {
    "region": ("get_bucket_location", "s3:GetBucketLocation", "", _region),
    "policy": (
        "get_bucket_policy",
        "s3:GetBucketPolicy",
        "NoSuchBucketPolicy",
        lambda answer: _text(answer["Policy"]),
    ),
    "public_access_block": (
        "get_public_access_block",
        "s3:GetBucketPublicAccessBlock",
        _NO_PUBLIC_ACCESS_BLOCK,
        _public_access_block,
    ),
    "ownership": (
        "get_bucket_ownership_controls",
        "s3:GetBucketOwnershipControls",
        "OwnershipControlsNotFoundError",
        lambda answer: _text(answer["OwnershipControls"]["Rules"][0]["ObjectOwnership"]),
    ),
    "encryption": (
        "get_bucket_encryption",
        "s3:GetEncryptionConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
        _encryption,
    ),
    "versioning": ("get_bucket_versioning", "s3:GetBucketVersioning", "", _versioning),
    "lifecycle": (
        "get_bucket_lifecycle_configuration",
        "s3:GetLifecycleConfiguration",
        "NoSuchLifecycleConfiguration",
        _lifecycle,
    ),
    "object_lock": (
        "get_object_lock_configuration",
        "s3:GetBucketObjectLockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        _object_lock,
    ),
    "payer": (
        "get_bucket_request_payment",
        "s3:GetBucketRequestPayment",
        "",
        lambda answer: _text(answer["Payer"]),
    ),
}

PERMISSIONS: Mapping[str, str] = {
    **{name: permission for name, (_, permission, _, _) in _QUESTIONS.items()},
    "owner": "s3:ListBucket",
    "caller": "sts:GetCallerIdentity",
    "account_public_access_block": _ACCOUNT_BLOCK,
}
"""The permission it takes to read each setting, by the names of the fields of `S3Settings`."""
