"""Read and write the settings of a Google Cloud Storage bucket that decide about access.

Source: Cloud Storage JSON API reference, "Buckets" resource, "Buckets: getIamPolicy" and "setIamPolicy".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harvester.sessions import FULL_CONTROL_SCOPE, GoogleSession, StoreSettings
from harvester.storage.bucket_settings import LifecycleRule, Unread, UnreadReason, unread
from harvester.storage.gcs.sdk_calls import GcsCalls, bucket_resource, settings_calls
from harvester.storage.service_errors import CallResult, ServiceError

POLICY_VERSION = 3
"""The version that shows conditions; asked for in every read, so that a write can lose none."""
_GET_BUCKET = "storage.buckets.get"
_GET_POLICY = "storage.buckets.getIamPolicy"


def permission_of(setting: str) -> str:
    """Return the permission it takes to read a field of `GcsSettings`."""
    return _GET_POLICY if setting == "policy" else _GET_BUCKET


@dataclass(frozen=True, slots=True)
class GcsSettings:
    """The settings of one Google Cloud Storage bucket."""

    bucket: str
    """The bucket's name."""
    location: str | Unread
    """Its location: ``EU``, ``US-EAST1`` …"""
    policy: Mapping[str, Any] | Unread
    """Its IAM policy, etag included."""
    uniform_access: bool | Unread
    """Whether uniform bucket-level access is on: IAM alone decides, and conditions are possible."""
    public_access_prevention: str | Unread
    """``enforced`` or ``inherited``."""
    default_key: str | Unread | None
    """The Cloud KMS key new objects are encrypted with."""
    versioning: bool | Unread
    """Whether overwritten and deleted objects are kept as noncurrent versions."""
    lifecycle: tuple[LifecycleRule, ...] | Unread | None
    """Its lifecycle rules that delete."""
    retention_seconds: int | Unread | None
    """How long objects must be kept."""
    requester_pays: bool | Unread
    """Whether requests must name a project that pays."""


class GcsSettingsReader:
    """Reads the settings of one bucket, and writes its IAM policy."""

    def __init__(self, bucket: str, settings: StoreSettings) -> None:
        """Ask for no credentials yet."""
        limited = settings_calls(settings)
        self.bucket = bucket
        self._calls = GcsCalls(bucket, GoogleSession(bucket, limited, FULL_CONTROL_SCOPE), limited.retry)
        self.errors: list[ServiceError] = []
        """The errors met by `read`: they show a missing bucket or bad credentials."""

    def read(self) -> GcsSettings:
        """Read everything. Raises ConfigurationError without credentials."""
        policy = self.read_policy()
        # Parsed within the call: a setting of another type than documented is an answer that cannot be read.
        answer = self._calls.call(
            "buckets.get", lambda bucket: self._parsed(bucket_resource(self._calls, bucket), policy)
        )
        if answer.value is None:
            unread_setting = self._unread(answer, _GET_BUCKET)
            return GcsSettings(self.bucket, unread_setting, policy, *[unread_setting] * 7)
        return answer.value

    def _parsed(self, resource: Mapping[str, Any], policy: Mapping[str, Any] | Unread) -> GcsSettings:
        access: Mapping[str, Any] = resource.get("iamConfiguration") or {}
        uniform: Mapping[str, Any] = access.get("uniformBucketLevelAccess") or {}
        retention: Mapping[str, Any] = resource.get("retentionPolicy") or {}
        return GcsSettings(
            bucket=self.bucket,
            location=str(resource.get("location", "")) or Unread(UnreadReason.NOT_OFFERED, _GET_BUCKET),
            policy=policy,
            # An emulator that does not send it has no such setting, which is not the same as "off".
            uniform_access=bool(uniform.get("enabled"))
            if "iamConfiguration" in resource
            else Unread(UnreadReason.NOT_OFFERED, _GET_BUCKET),
            public_access_prevention=str(access.get("publicAccessPrevention", "inherited"))
            if "iamConfiguration" in resource
            else Unread(UnreadReason.NOT_OFFERED, _GET_BUCKET),
            default_key=(resource.get("encryption") or {}).get("defaultKmsKeyName"),
            versioning=bool((resource.get("versioning") or {}).get("enabled")),
            lifecycle=_lifecycle(resource.get("lifecycle") or {}),
            retention_seconds=int(retention["retentionPeriod"]) if "retentionPeriod" in retention else None,
            requester_pays=bool((resource.get("billing") or {}).get("requesterPays")),
        )

    def read_policy(self) -> Mapping[str, Any] | Unread:
        """Read the bucket's IAM policy, with its conditions and its etag."""
        calls = self._calls
        answer = calls.call(
            "getIamPolicy",
            lambda bucket: bucket.get_iam_policy(
                requested_policy_version=POLICY_VERSION, retry=calls.retry, timeout=calls.timeout
            ).to_api_repr(),
        )
        return answer.value if answer.value is not None else self._unread(answer, _GET_POLICY)

    def put_policy(self, policy: Mapping[str, Any]) -> CallResult[dict[str, Any]]:
        """Replace the IAM policy; takes storage.buckets.setIamPolicy.

        The policy's etag is what it replaces: status 412 means that another client has written since.
        """
        from google.api_core.iam import Policy

        calls = self._calls
        return calls.call(
            "setIamPolicy",
            lambda bucket: bucket.set_iam_policy(
                Policy.from_api_repr(dict(policy)),  # type: ignore[no-untyped-call]  # published without types
                retry=None,
                timeout=calls.timeout,
            ).to_api_repr(),
        )

    def _unread(self, answer: CallResult[Any], permission: str) -> Unread:
        if answer.error is not None:
            self.errors.append(answer.error)
        return unread(answer.error, permission)


def _lifecycle(lifecycle: Mapping[str, Any]) -> tuple[LifecycleRule, ...] | None:
    rules = [rule for rule in lifecycle.get("rule", ()) if (rule.get("action") or {}).get("type") == "Delete"]
    return tuple(each for index, rule in enumerate(rules) for each in _rule(index, rule["condition"])) or None


def _rule(index: int, condition: Mapping[str, Any]) -> tuple[LifecycleRule, ...]:
    """Return one rule per prefix: Cloud Storage takes a list of them."""
    if condition.get("isLive") is False or not ({"age", "createdBefore"} & condition.keys()):
        return ()  # only noncurrent versions, or by something else than age
    narrowed = bool({"matchesSuffix", "matchesStorageClass"} & condition.keys())
    return tuple(
        LifecycleRule(
            id=f"rule {index + 1}",
            enabled=True,
            prefix=prefix,
            narrowed=narrowed,
            expire_days=condition.get("age"),
            expire_date=condition.get("createdBefore"),
            archive_days=None,
            archive_class="",
        )
        for prefix in condition.get("matchesPrefix") or ("",)
    )
