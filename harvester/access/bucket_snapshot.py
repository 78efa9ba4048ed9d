"""What is known of one bucket's door at one moment: its settings, its key, and both policies as documents."""

from __future__ import annotations

from dataclasses import dataclass

from harvester.access.delivery_targets import policy_errors_converted
from harvester.storage import GcsSettings, KmsKey, S3Settings, Unread
from policies import Kind, PolicyDocument, PolicyError, document, parse


@dataclass(frozen=True, slots=True)
class UnreadablePolicy:
    """A policy that is there and cannot be read as one."""

    error: PolicyError
    """What is wrong with it, and where."""


Document = PolicyDocument | Unread | UnreadablePolicy | None
"""A policy: read, not known, not readable, or not there."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One bucket's door at one moment."""

    settings: S3Settings | GcsSettings
    """The bucket's settings."""
    policy: Document
    """The bucket's policy."""
    key: KmsKey | None
    """The key of the bucket's default encryption, or the one named; None where no key is in question."""
    key_policy: Document
    """The key's policy."""

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.settings.bucket

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
        policy: Document = settings.policy if isinstance(settings.policy, Unread) else _gcs_document(settings)
        return Snapshot(settings, policy, None, None)
    return Snapshot(
        settings,
        read_document(settings.policy, "s3", f"the policy of {settings.bucket}"),
        key,
        read_document(key.policy, "kms", f"the policy of {key.arn or 'the key'}") if key is not None else None,
    )


def read_document(text: str | Unread | None, kind: Kind, source: str) -> Document:
    """Return a policy as a document; what is not one is a value too."""
    if text is None or isinstance(text, Unread):
        return text
    try:
        return parse(text, kind=kind, source=source)
    except PolicyError as error:
        return UnreadablePolicy(error)


def _gcs_document(settings: GcsSettings) -> PolicyDocument | UnreadablePolicy:
    try:
        return document(settings.policy, kind="gcs", source=f"the IAM policy of {settings.bucket}")
    except PolicyError as error:
        return UnreadablePolicy(error)


def required_document(found: Document, what: str) -> PolicyDocument | None:
    """Return the document, or None where there is none. Raises IntegrityError for what cannot be read as one."""
    if isinstance(found, UnreadablePolicy):
        with policy_errors_converted(what):
            raise found.error
    if isinstance(found, Unread):
        raise TypeError(f"{what} is not known: the caller deals with that")
    return found


def customer_key(snapshot: Snapshot) -> KmsKey | None:
    """Return the bucket's key where it is one whose policy matters: a customer's own."""
    key = snapshot.key
    if key is None or key.managed_by_aws:
        return None
    return key if is_key_arn(key.arn) or isinstance(key.policy, str) else None


def is_key_arn(arn: str) -> bool:
    """Tell whether it is the ARN of a key, not of an alias, nor nothing."""
    return ":key/" in arn


def key_document(snapshot: Snapshot) -> PolicyDocument | None:
    """Return the policy of the customer's key; None without such a key, and where it is not known."""
    found = snapshot.key_policy
    return found if isinstance(found, PolicyDocument) and customer_key(snapshot) is not None else None
