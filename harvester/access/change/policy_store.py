"""The stores of live policies: an S3 bucket, a KMS key, a Google bucket; read and written as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from harvester.storage import GcsSettingsReader, S3SettingsReader, ServiceError, Unread
from policies import dump_json, parse_json

if TYPE_CHECKING:
    from harvester.storage import KmsKeys

PolicyKind = Literal["s3", "kms", "gcs"]


class PolicyStore(Protocol):
    """What holds one policy."""

    @property
    def kind(self) -> PolicyKind:
        """Which kind of policy it holds."""

    @property
    def resource(self) -> str:
        """The bucket's name, or the key's ARN."""

    @property
    def name(self) -> str:
        """The policy in words."""

    def read(self) -> str | Unread | None:
        """Return the policy's text; None where there is none."""

    def write(self, text: str | None) -> ServiceError | None:
        """Replace the policy by exactly this text, or remove it; return why that was refused."""


@dataclass(frozen=True, slots=True)
class BucketPolicyStore:
    """The policy of an S3 bucket."""

    reader: S3SettingsReader
    """How the bucket is reached."""
    kind: Literal["s3"] = "s3"
    """See PolicyStore.kind."""

    @property
    def resource(self) -> str:
        """See PolicyStore.resource."""
        return self.reader.bucket

    @property
    def name(self) -> str:
        """See PolicyStore.name."""
        return f"the policy of s3://{self.resource}"

    def read(self) -> str | Unread | None:
        """See PolicyStore.read."""
        return self.reader.read_policy()

    def write(self, text: str | None) -> ServiceError | None:
        """See PolicyStore.write."""
        return (self.reader.delete_policy() if text is None else self.reader.put_policy(text)).error


@dataclass(frozen=True, slots=True)
class KeyPolicyStore:
    """The policy of a KMS key."""

    keys: KmsKeys
    """How the key is reached."""
    resource: str
    """The key's ARN."""
    kind: Literal["kms"] = "kms"
    """See PolicyStore.kind."""

    @property
    def name(self) -> str:
        """See PolicyStore.name."""
        return f"the policy of {self.resource}"

    def read(self) -> str | Unread | None:
        """See PolicyStore.read."""
        return self.keys.read_policy(self.resource)

    def write(self, text: str | None) -> ServiceError | None:
        """See PolicyStore.write."""
        if text is None:
            raise ValueError("a key cannot be without a policy")
        return self.keys.put_policy(self.resource, text).error


@dataclass(frozen=True, slots=True)
class GcsPolicyStore:
    """The IAM policy of a Google bucket; its text holds the etag it was read with, and replaces only that version."""

    reader: GcsSettingsReader
    """How the bucket is reached."""
    kind: Literal["gcs"] = "gcs"
    """See PolicyStore.kind."""

    @property
    def resource(self) -> str:
        """See PolicyStore.resource."""
        return self.reader.bucket

    @property
    def name(self) -> str:
        """See PolicyStore.name."""
        return f"the IAM policy of gs://{self.resource}"

    def read(self) -> str | Unread | None:
        """See PolicyStore.read."""
        found = self.reader.read_policy()
        return found if isinstance(found, Unread) else dump_json(found)

    def write(self, text: str | None) -> ServiceError | None:
        """See PolicyStore.write. A status of 412 means that another writer has written since."""
        return self.reader.put_policy(parse_json(text or "{}")).error
