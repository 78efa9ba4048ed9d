"""The snapshot of a bucket: its settings, its key, and both policies as documents, read from the cloud."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied
from harvester.location import Location
from harvester.sessions import GOOGLE_LOGIN, Login, StoreSettings
from harvester.storage import (
    Encryption,
    GcsSettings,
    GcsSettingsReader,
    KmsKey,
    S3Settings,
    S3SettingsReader,
    ServiceError,
    Unread,
    harvester_error,
)
from policies import DocumentKind, PolicyDocument, PolicyError, UnknownReason, document, parse

MANAGED_KEY = "alias/aws/s3"
"""The alias of the key that AWS creates and manages for S3 in every account."""


@dataclass(frozen=True, slots=True)
class UnreadablePolicy:
    """A policy that is there and cannot be read as one."""

    error: PolicyError
    """What is wrong with it, and where."""


PolicyReading = PolicyDocument | Unread | UnreadablePolicy | None
"""A policy: a document, not read, not a policy, or none."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The settings of one bucket as read, with its key and both policies."""

    settings: S3Settings | GcsSettings
    """The bucket's settings."""
    policy: PolicyReading
    """The bucket's policy."""
    key: KmsKey | None
    """The key of the bucket's default encryption, or the one named; None where no key is in question."""
    key_policy: PolicyReading
    """The key's policy."""

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.settings.bucket

    def with_policy(self, kind: DocumentKind, policy: PolicyReading) -> Snapshot:
        """Return the snapshot with another policy of the bucket, or with ``kms`` of its key."""
        return replace(self, key_policy=policy) if kind == "kms" else replace(self, policy=policy)

    @property
    def s3(self) -> S3Settings | None:
        """The settings, when the bucket is S3's."""
        return self.settings if isinstance(self.settings, S3Settings) else None

    @property
    def gcs(self) -> GcsSettings | None:
        """The settings, when the bucket is Google's."""
        return self.settings if isinstance(self.settings, GcsSettings) else None


def snapshot_of(settings: S3Settings | GcsSettings, key: KmsKey | None) -> Snapshot:
    """Return the snapshot of settings as they were read."""
    if isinstance(settings, GcsSettings):
        policy: PolicyReading = settings.policy if isinstance(settings.policy, Unread) else _gcs_document(settings)
        return Snapshot(settings, policy, None, None)
    return Snapshot(
        settings,
        read_document(settings.policy, "s3", f"the policy of {settings.bucket}", settings.bucket),
        key,
        read_document(key.policy, "kms", f"the policy of {key.arn or 'the key'}") if key is not None else None,
    )


def read_document(text: str | Unread | None, kind: DocumentKind, source: str, bucket: str = "") -> PolicyReading:
    """Return a policy as a document; what is not one is a value too.

    Of several policies in what a tool printed, that for ``bucket`` is taken.
    """
    if text is None or isinstance(text, Unread):
        return text
    try:
        return parse(text, kind=kind, source=source, fragment=True, bucket=bucket)
    except PolicyError as error:
        return UnreadablePolicy(error)


def _gcs_document(settings: GcsSettings) -> PolicyDocument | UnreadablePolicy:
    try:
        return document(settings.policy, kind="gcs", source=f"the IAM policy of {settings.bucket}")
    except PolicyError as error:
        return UnreadablePolicy(error)


def customer_key(snapshot: Snapshot) -> KmsKey | None:
    """Return the bucket's key where it is one whose policy matters: a customer's own."""
    key = snapshot.key
    if key is None or key.managed_by_aws:
        return None
    return key if is_key_arn(key.arn) or isinstance(key.policy, str) else None


def is_key_arn(arn: str) -> bool:
    """Return whether it is the ARN of a key; that of an alias is none."""
    return ":key/" in arn


def read_snapshot(
    location: Location,
    settings: StoreSettings | None = None,
    *,
    key_arn: str | None = None,
    kms_profile: str | None = None,
) -> Snapshot:
    """Read everything that decides what Nimble may do in a bucket.

    ``key_arn`` is read instead of the key of the bucket's default encryption; ``kms_profile`` is the AWS profile
    that may read it. What may not be read is a value; raises NoSuchBucket, AccessDenied for rejected credentials,
    ConnectionFailed when nothing answers, ConfigurationError without credentials.
    """
    settings = settings or StoreSettings()
    if location.scheme == "gs":
        return read_gcs_snapshot(GcsSettingsReader(location.bucket, settings), location)
    return read_s3_snapshot(S3SettingsReader(location.bucket, settings, kms_profile=kms_profile), location, key_arn)


def read_s3_snapshot(reader: S3SettingsReader, location: Location, key_arn: str | None = None) -> Snapshot:
    """Read the bucket of ``reader``; see `read_snapshot`."""
    found = reader.read()
    _raise_for(reader.errors, location, nothing_known=_knows_nothing(found))
    if reader.expected_owner and isinstance(found.owner, str) and found.owner != reader.expected_owner:
        raise AccessDenied(
            f"{location.url} belongs to account {found.owner}",
            cause=f"the expected owner is {reader.expected_owner}",
            code=ErrorCode.BUCKET_OF_ANOTHER_ACCOUNT,
            subject=location.url,
        )
    return snapshot_of(found, read_key(reader, found, key_arn))


def read_gcs_snapshot(reader: GcsSettingsReader, location: Location) -> Snapshot:
    """Read the bucket of ``reader``; see `read_snapshot`."""
    found = reader.read()
    nothing_known = isinstance(found.policy, Unread) and isinstance(found.location, Unread)
    _raise_for(reader.errors, location, nothing_known=nothing_known)
    return snapshot_of(found, None)


def read_key(reader: S3SettingsReader, found: S3Settings, key_arn: str | None) -> KmsKey | None:
    """Read the key that is named, else the one new objects are encrypted with; None where there is none."""
    region = found.region if isinstance(found.region, str) else ""
    if key_arn is not None:
        return reader.keys.read(key_arn, region)
    encryption = found.encryption
    if not isinstance(encryption, Encryption) or not encryption.algorithm.startswith("aws:kms"):
        return None
    if names_managed_key(encryption.key):
        # By its name alone: an endpoint may offer the alias without stating which account manages it.
        return replace(reader.keys.read(encryption.key or MANAGED_KEY, region), managed_by_aws=True)
    return reader.keys.read(encryption.key, region)


def names_managed_key(key: str) -> bool:
    """Return whether a default encryption uses the key that AWS manages: it names none, or that alias."""
    return not key or key == MANAGED_KEY or key.endswith(f":{MANAGED_KEY}")


def _knows_nothing(found: S3Settings) -> bool:
    return all(
        isinstance(getattr(found, name), Unread)
        for name in ("policy", "region", "ownership", "encryption", "lifecycle")
    )


_DECISIVE = frozenset(
    {Cause.NO_BUCKET, Cause.CREDENTIALS, Cause.EXPIRED, Cause.CLOCK_SKEW, Cause.PROXY_LOGIN, Cause.CERTIFICATE}
)


def _raise_for(problems: list[ServiceError], location: Location, *, nothing_known: bool) -> None:
    """Raise for what makes every other answer pointless."""
    for problem in problems:
        if problem.cause in _DECISIVE or (location.scheme == "gs" and problem.cause is Cause.GONE):
            raise _error(problem, location)
    if nothing_known:
        for problem in problems:
            if problem.cause in (Cause.NETWORK, Cause.TIMEOUT, Cause.THROTTLED, Cause.SERVER_ERROR):
                raise _error(problem, location)


def _error(problem: ServiceError, location: Location) -> Exception:
    if location.scheme == "gs" and problem.cause is Cause.GONE:
        problem = problem.with_cause(Cause.NO_BUCKET)
    login = Login("check", None) if location.scheme == "s3" else GOOGLE_LOGIN
    return harvester_error(f"cannot read the settings of {location.url}", problem, url=location.url, login=login)


def known_or_reason(reading: PolicyReading, name: str, permission: str) -> PolicyDocument | UnknownReason | None:
    """Return a policy as `policies.check` takes it: the document, the reason why it is not known, or None."""
    if isinstance(reading, Unread):
        return UnknownReason("unread", name, permission=reading.permission, detail=reading.code or reading.reason)
    if isinstance(reading, UnreadablePolicy):
        return UnknownReason("unread", name, permission=permission, detail=str(reading.error))
    return reading
