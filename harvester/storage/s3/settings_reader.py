"""An S3 bucket's settings, read from the bucket itself.

All are read concurrently, so that an endpoint that does not answer costs one timeout. Source: Amazon S3,
S3 Control and STS API references.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harvester.sessions import StoreSettings
from harvester.storage.bucket_settings import PublicAccessBlock, S3Settings, Unread, UnreadReason, unread
from harvester.storage.s3.setting_calls import (
    ACCOUNT_BLOCK_PERMISSION,
    NO_PUBLIC_ACCESS_BLOCK,
    SETTING_CALLS,
    SettingCall,
    public_access_block,
)
from harvester.storage.service_errors import CallResult, ServiceError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class _Identity:
    caller: str | Unread
    region: str
    owner: str | Unread
    account_public_access_block: PublicAccessBlock | Unread | None


class S3SettingsReader:
    """Reads the settings of one bucket, and writes its policy."""

    def __init__(self, bucket: str, settings: StoreSettings, *, kms_profile: str | None = None) -> None:
        """Use ``kms_profile`` for the key, where that is another. Raises ConfigurationError for a missing profile."""
        # Loaded when it is used: policies on paper need no SDK.
        from harvester.storage.s3.aws_clients import AwsClients, ask
        from harvester.storage.s3.kms import KmsKeys

        self.bucket = bucket
        self.expected_owner = settings.expected_bucket_owner
        """The account the bucket must belong to, where one was named."""
        self._settings = settings
        self._ask = ask
        self._clients = AwsClients(settings)
        self.keys = KmsKeys(AwsClients(settings, profile=kms_profile) if kms_profile else self._clients)
        """The keys objects there are encrypted with."""
        self.errors: list[ServiceError] = []
        """The errors met by `read`, in no order: they show a missing bucket or bad credentials."""

    def read(self) -> S3Settings:
        """Read everything; takes as long as the slowest answer."""
        client = self._clients.s3
        with ThreadPoolExecutor(max_workers=12) as pool:
            asked = {
                name: pool.submit(self._read, getattr(client, call.operation), call)
                for name, call in SETTING_CALLS.items()
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
        policy: str | Unread | None = self._read(self._clients.s3.get_bucket_policy, SETTING_CALLS["policy"])
        return policy

    def put_policy(self, text: str) -> CallResult[dict[str, Any]]:
        """Replace the bucket's policy; takes s3:PutBucketPolicy."""
        return self._ask(self._clients.s3.put_bucket_policy, Bucket=self.bucket, Policy=text)

    def delete_policy(self) -> CallResult[dict[str, Any]]:
        """Remove the bucket's policy; takes s3:DeleteBucketPolicy."""
        return self._ask(self._clients.s3.delete_bucket_policy, Bucket=self.bucket)

    def _read(self, call: Callable[..., Any], setting: SettingCall) -> Any:
        """Return one setting of the bucket, None where it was never made, or why it is not known."""
        answer = self._ask(call, Bucket=self.bucket)
        if answer.value is None:
            if answer.error is not None and answer.error.code == setting.never_set:
                return None
            return self._refused(answer.error, setting.permission)
        try:
            return setting.parse(answer.value)
        except (KeyError, TypeError, ValueError, IndexError):
            # A server that does not know the call answers another one, such as a listing.
            return Unread(UnreadReason.NOT_OFFERED, setting.permission, request_id=answer.request_id)

    def _identify(self, client: S3Client) -> _Identity:
        """Read the account of the credentials, of the bucket, and that account's Block Public Access."""
        asked = self._ask(self._clients.sts.get_caller_identity)
        if asked.value is None:
            region = self._ask(client.head_bucket, Bucket=self.bucket).region
            unknown = self._refused(asked.error, "sts:GetCallerIdentity")
            return _Identity(unknown, region, _unasked("sts:GetCallerIdentity"), _unasked(ACCOUNT_BLOCK_PERMISSION))
        caller = str(asked.value.get("Account", ""))
        owned = self._ask(client.head_bucket, Bucket=self.bucket, ExpectedBucketOwner=caller)
        expected = self._settings.expected_bucket_owner
        if owned.error is None:
            return _Identity(caller, owned.region, caller, self._read_account_block(caller, owned.region))
        if expected and expected != caller and self._ask(client.head_bucket, Bucket=self.bucket).error is None:
            return _Identity(caller, owned.region, expected, Unread(UnreadReason.DENIED, ACCOUNT_BLOCK_PERMISSION))
        owner = self._refused(owned.error, "s3:ListBucket")
        return _Identity(caller, owned.region, owner, _unasked(ACCOUNT_BLOCK_PERMISSION))

    def _read_account_block(self, account: str, region: str) -> PublicAccessBlock | Unread | None:
        client = self._clients.s3control(region or self._clients.region)
        answer = self._ask(client.get_public_access_block, AccountId=account)
        if answer.value is None:
            if answer.error is not None and answer.error.code == NO_PUBLIC_ACCESS_BLOCK:
                return None
            return unread(answer.error, ACCOUNT_BLOCK_PERMISSION)
        try:
            return public_access_block(answer.value)
        except (KeyError, TypeError):
            return Unread(UnreadReason.NOT_OFFERED, ACCOUNT_BLOCK_PERMISSION, request_id=answer.request_id)

    def _refused(self, error: ServiceError | None, permission: str) -> Unread:
        if error is not None:
            self.errors.append(error)
        return unread(error, permission)


def _unasked(permission: str) -> Unread:
    return Unread(UnreadReason.NOT_ASKED, permission)
