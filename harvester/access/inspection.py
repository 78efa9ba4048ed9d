"""Gather what is known of a bucket's door from the cloud itself."""

from __future__ import annotations

from dataclasses import replace

from harvester.access.bucket_snapshot import Snapshot, snapshot_of
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied
from harvester.location import Location
from harvester.sessions import GOOGLE_LOGIN, Login, StoreSettings
from harvester.storage import (
    Cause,
    Encryption,
    GcsSettingsReader,
    KmsKey,
    S3Settings,
    S3SettingsReader,
    ServiceError,
    Unread,
    harvester_error,
)

MANAGED_KEY = "alias/aws/s3"
"""The name of the key AWS makes and manages for S3 in every account."""


def inspect_bucket(
    location: Location,
    settings: StoreSettings | None = None,
    *,
    key_arn: str | None = None,
    kms_profile: str | None = None,
) -> Snapshot:
    """Read everything that decides what Nimble may do in a bucket.

    ``key_arn`` is looked at instead of the key of the bucket's default encryption; ``kms_profile`` is the AWS profile
    that may look at it. What may not be seen is a value; raises NoSuchBucket, AccessDenied for rejected credentials,
    ConnectionFailed when nothing answers, ConfigurationError without credentials.
    """
    settings = settings or StoreSettings()
    if location.scheme == "gs":
        return inspect_gcs(GcsSettingsReader(location.bucket, settings), location)
    return inspect_s3(S3SettingsReader(location.bucket, settings, kms_profile=kms_profile), location, key_arn)


def inspect_s3(reader: S3SettingsReader, location: Location, key_arn: str | None = None) -> Snapshot:
    """Read the bucket of ``reader``; see `inspect_bucket`."""
    found = reader.read()
    _raise_for(reader.errors, location, nothing_known=_knows_nothing(found))
    if reader.expected_owner and isinstance(found.owner, str) and found.owner != reader.expected_owner:
        raise AccessDenied(
            f"{location.url} belongs to account {found.owner}",
            cause=f"--expected-bucket-owner names {reader.expected_owner}",
            code=ErrorCode.BUCKET_OF_ANOTHER_ACCOUNT,
            subject=location.url,
        )
    return snapshot_of(found, inspect_key(reader, found, key_arn))


def inspect_gcs(reader: GcsSettingsReader, location: Location) -> Snapshot:
    """Read the bucket of ``reader``; see `inspect_bucket`."""
    found = reader.read()
    nothing_known = isinstance(found.policy, Unread) and isinstance(found.location, Unread)
    _raise_for(reader.errors, location, nothing_known=nothing_known)
    return snapshot_of(found, None)


def inspect_key(reader: S3SettingsReader, found: S3Settings, key_arn: str | None) -> KmsKey | None:
    """Read the key that is named, else the one new objects are encrypted with; None where there is none."""
    region = found.region if isinstance(found.region, str) else ""
    if key_arn is not None:
        return reader.keys.read(key_arn, region)
    encryption = found.encryption
    if not isinstance(encryption, Encryption) or not encryption.algorithm.startswith("aws:kms"):
        return None
    if names_managed_key(encryption.key):
        # By its name alone: an endpoint may offer the alias without knowing who manages what.
        return replace(reader.keys.read(encryption.key or MANAGED_KEY, region), managed_by_aws=True)
    return reader.keys.read(encryption.key, region)


def names_managed_key(key: str) -> bool:
    """Tell whether a default encryption's key is the one AWS manages: none named, or that alias."""
    return not key or key == MANAGED_KEY or key.endswith(f":{MANAGED_KEY}")


def _knows_nothing(found: S3Settings) -> bool:
    return all(
        isinstance(getattr(found, name), Unread)
        for name in ("policy", "region", "ownership", "encryption", "lifecycle")
    )


def _raise_for(problems: list[ServiceError], location: Location, *, nothing_known: bool) -> None:
    """Raise for what makes every other answer pointless."""
    for problem in problems:
        if problem.cause in (Cause.NO_BUCKET, Cause.CREDENTIALS, Cause.CLOCK_SKEW) or (
            location.scheme == "gs" and problem.cause is Cause.GONE
        ):
            raise _error(problem, location)
    if nothing_known:
        for problem in problems:
            if problem.cause in (Cause.NETWORK, Cause.TIMEOUT, Cause.THROTTLED, Cause.SERVER_ERROR):
                raise _error(problem, location)


def _error(problem: ServiceError, location: Location) -> Exception:
    if location.scheme == "gs" and problem.cause is Cause.GONE:
        problem = problem.with_cause(Cause.NO_BUCKET)
    login = Login("check", None) if location.scheme == "s3" else GOOGLE_LOGIN
    return harvester_error(f"cannot look at {location.url}", problem, url=location.url, login=login)
