"""Findings about settings that keep Nimble out, or results from their owner, whatever the bucket's policy grants.

Sources: Amazon S3 user guide, "Blocking public access", "Controlling ownership of objects", "Default encryption FAQ",
"Using Requester Pays buckets", "Object Lock considerations", "Managing the lifecycle of objects"; AWS KMS developer
guide, "Key states"; Cloud Storage documentation, "Uniform bucket-level access", "Requester Pays". What they mean for
Nimble is inferred: Nimble documents none of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from harvester.access.bucket_snapshot import Snapshot, names_managed_key
from harvester.access.delivery_targets import DeliveryTarget
from harvester.storage import Encryption, GcsSettings, KmsKey, LifecycleRule, ObjectLock, PublicAccessBlock, S3Settings
from policies import (
    PUBLIC_MEMBERS,
    Finding,
    Fix,
    FixAction,
    PolicyDocument,
    Severity,
    SideEffect,
    document,
    is_public,
    prove,
)

HARVEST_DAYS = 7.0
"""How many days a delivered result may wait to be downloaded, by default."""
_BOTH: tuple[Literal["read", "write"], ...] = ("read", "write")
_WRITE: tuple[Literal["read", "write"], ...] = ("write",)


@dataclass(frozen=True, slots=True)
class SettingsContext:
    """What the settings are checked for."""

    target: DeliveryTarget
    """The bucket and the contract."""
    snapshot: Snapshot
    """What is known of it."""
    harvest_days: float
    """How many days a result waits to be downloaded, at most."""
    now: datetime
    """The present, for rules that name a day."""
    inherited: Sequence[PolicyDocument] | None = None
    """The policies that a bucket of Google's inherits from; None where they were not read."""


def check_settings(context: SettingsContext) -> Iterator[Finding]:
    """Yield what the settings do to Nimble and its results; settings that are not known yield nothing."""
    snapshot = context.snapshot
    if snapshot.gcs is not None:
        yield from _gcs(context, snapshot.gcs)
    if snapshot.s3 is not None:
        settings = snapshot.s3
        yield from _public_access(context, settings)
        yield from _ownership(settings)
        yield from _encryption(context, settings)
        yield from _payer(settings)
        yield from _object_lock(settings)
    yield from _lifecycle(context)


def _finding(
    code: str,
    severity: Severity,
    where: str,
    message: str,
    fix: Fix,
    *,
    blocks: tuple[Literal["read", "write"], ...] = (),
    inferred: bool = False,
) -> Finding:
    """Return a finding about a setting; ``where`` is the setting."""
    return Finding(code, severity, where, "", message, fix, blocks=blocks, inferred=inferred)


def _fix(action: FixAction, *side_effects: SideEffect, **parameters: str) -> Fix:
    return Fix(action, tuple(parameters.items()), side_effects)


_BY_HAND = Fix(FixAction.EDIT)


def _public_access(context: SettingsContext, settings: S3Settings) -> Iterator[Finding]:
    policy = context.snapshot.policy
    if not isinstance(policy, PolicyDocument):
        return
    public = [each for each in policy.statements if is_public(each)]
    if not public:
        return
    labels = " and ".join(each.label for each in public)
    names = "\n".join(each.sid or str(each.index + 1) for each in public)
    removal = _fix(FixAction.REMOVE_STATEMENT, SideEffect.STATEMENT_REMOVED, statement=names)
    blocks = {
        "Block Public Access of the bucket": settings.public_access_block,
        "Block Public Access of the account": settings.account_public_access_block,
    }
    restricting = [
        name for name, each in blocks.items() if isinstance(each, PublicAccessBlock) and each.restrict_public_buckets
    ]
    refusing = [
        name for name, each in blocks.items() if isinstance(each, PublicAccessBlock) and each.block_public_policy
    ]
    if restricting:
        yield _finding(
            "public-cuts-off-accounts",
            "error",
            restricting[0],
            f"RestrictPublicBuckets cuts off every other account while a statement is public, and {labels} is: "
            "Nimble's grant has no effect",
            removal,
            blocks=_BOTH,
            inferred=True,
        )
    if refusing:
        yield _finding(
            "public-blocks-put",
            "warning",
            refusing[0],
            f"BlockPublicPolicy refuses every new policy that is public, and {labels} makes it so",
            removal,
            inferred=True,
        )


def _ownership(settings: S3Settings) -> Iterator[Finding]:
    fix = _fix(FixAction.SET_OWNERSHIP, SideEffect.ACLS_DISABLED, bucket=settings.bucket)
    match settings.ownership:
        case "ObjectWriter":
            yield _finding(
                "objects-owned-by-writer",
                "error",
                "Object Ownership ObjectWriter",
                "what Nimble writes can belong to Nimble's account and be unreadable to you",
                fix,
                inferred=True,
            )
        case "BucketOwnerPreferred":
            yield _finding(
                "objects-may-be-owned-by-writer",
                "warning",
                "Object Ownership BucketOwnerPreferred",
                "results are yours only if Nimble sends the ACL bucket-owner-full-control, which is not documented",
                fix,
                inferred=True,
            )
        case None:
            yield _finding(
                "ownership-not-set",
                "warning",
                "Object Ownership",
                "no ownership controls are set, which means ObjectWriter on a bucket made before April 2023",
                fix,
                inferred=True,
            )


def _encryption(context: SettingsContext, settings: S3Settings) -> Iterator[Finding]:
    encryption = settings.encryption
    key = context.snapshot.key
    if not isinstance(encryption, Encryption) or not encryption.algorithm.startswith("aws:kms"):
        return
    where = "default encryption"
    name = encryption.key
    if names_managed_key(name) or (key is not None and key.managed_by_aws and _is_default(key, name)):
        yield _finding(
            "managed-key",
            "error",
            where,
            "the AWS-managed key aws/s3 cannot be used from another account: Nimble's writes are rejected",
            _fix(FixAction.ENCRYPT_WITH_SSE_S3, SideEffect.KMS_TO_SSE_S3, bucket=settings.bucket),
            blocks=_WRITE,
            inferred=True,
        )
        return
    if not (name.startswith("arn:") and ":key/" in name):
        own = key.arn if key is not None and ":key/" in key.arn else ""
        by_arn = _fix(
            FixAction.ENCRYPT_WITH_KEY,
            bucket=settings.bucket,
            key=own,
            algorithm=encryption.algorithm,
            bucket_key="true" if encryption.bucket_key else "",
        )
        yield _finding(
            "key-by-alias",
            "error",
            where,
            f"{name} resolves in the account of the requester, which is Nimble's: the key is not found there, or is "
            "another one",
            by_arn if own else _BY_HAND,
            blocks=_WRITE,
            inferred=True,
        )
    if key is not None:
        yield from _key(settings, key, where, default=name)


def _is_default(key: KmsKey, name: str) -> bool:
    return not name or name in (key.arn, key.arn.rsplit("/", 1)[-1])


def _key(settings: S3Settings, key: KmsKey, where: str, *, default: str) -> Iterator[Finding]:
    if ":key/" in default and key.arn and default != key.arn:
        message = f"new objects are encrypted with {default}, not with {key.arn}"
        yield _finding("key-not-used", "warning", where, message, _BY_HAND)
    region = _text(settings.region)
    if key.region and region and key.region != region:
        yield _finding(
            "key-in-other-region",
            "error",
            where,
            f"the key is in {key.region}, the bucket in {region}: S3 uses keys of the bucket's own region only",
            _BY_HAND,
            blocks=_WRITE,
        )
    if key.state and key.state not in _USABLE_KEY_STATES:
        yield _key_state(key)
    if key.usage and key.usage != "ENCRYPT_DECRYPT":
        message = f"the key is for {key.usage}, not for encryption"
        yield _finding("key-not-for-encryption", "error", f"key {key.arn}", message, _BY_HAND, blocks=_WRITE)
    owner = _text(settings.owner)
    if key.account and owner and key.account != owner:
        message = f"the key belongs to account {key.account}, the bucket to {owner}: its policy is changed there"
        yield _finding("key-in-other-account", "info", f"key {key.arn}", message, _BY_HAND)


# Source of both: AWS KMS developer guide, "Key states of AWS KMS keys". A multi-Region key whose primary Region is
# changed is Updating, and encrypts and decrypts as before.
_USABLE_KEY_STATES = frozenset({"Enabled", "Updating"})
_KEY_STATES = {
    "PendingImport": "its key material has not been imported yet, or has expired and was deleted",
    "Unavailable": "the custom key store that holds it is disconnected",
    "PendingDeletion": "it will be deleted after its waiting period",
    "PendingReplicaDeletion": "it will be deleted when its last replica is",
    "Disabled": "it was disabled",
    "Creating": "it is still being created",
}


def _key_state(key: KmsKey) -> Finding:
    names = {"key": key.arn.rsplit("/", 1)[-1], "region": key.region}
    code = {"PendingImport": "key-without-material", "Unavailable": "key-store-unavailable"}.get(
        key.state, "key-not-enabled"
    )
    action = {"Disabled": FixAction.ENABLE_KEY, "PendingDeletion": FixAction.RESTORE_KEY}.get(key.state)
    cause = _KEY_STATES.get(key.state, "nothing can be written or read with it")
    return _finding(
        code,
        "error",
        f"key {key.arn}",
        f"the key is in state {key.state}: {cause}; nothing can be written or read with it",
        _fix(action, SideEffect.KEY_USABLE_AGAIN, **names) if action is not None else _BY_HAND,
        blocks=_BOTH,
    )


def _payer(settings: S3Settings) -> Iterator[Finding]:
    if settings.payer == "Requester":
        yield _finding(
            "requester-pays",
            "error",
            "Requester Pays",
            "every request of another account is refused unless it agrees to pay, and Nimble documents no such header",
            _fix(FixAction.SET_PAYER, SideEffect.OWNER_PAYS, bucket=settings.bucket, cloud="s3"),
            blocks=_BOTH,
            inferred=True,
        )


def _object_lock(settings: S3Settings) -> Iterator[Finding]:
    lock = settings.object_lock
    if isinstance(lock, ObjectLock) and lock.mode:
        yield _finding(
            "object-lock",
            "warning",
            f"Object Lock {lock.mode}, {lock.days} days",
            "a write under a default retention must carry a checksum, and whether Nimble's does is not documented; "
            "results, and the file Test Connection leaves, cannot be deleted before",
            _BY_HAND,
            inferred=True,
        )


def _lifecycle(context: SettingsContext) -> Iterator[Finding]:
    rules = context.snapshot.settings.lifecycle
    if not isinstance(rules, Sequence):
        return
    for rule in rules:
        if not rule.enabled:
            continue
        for name, prefix in context.target.prefixes.items():
            if rule.prefix.startswith(prefix) or prefix.startswith(rule.prefix):
                yield from _rule(context, rule, name, context.target.resolve().url(name))


def _rule(context: SettingsContext, rule: LifecycleRule, name: str, url: str) -> Iterator[Finding]:
    where = f"lifecycle rule {rule.id}" if rule.id else "a lifecycle rule"
    what = "results" if name != "input" else "input files"
    some = "some of the " if rule.narrowed or not context.target.prefixes[name].startswith(rule.prefix) else ""
    if rule.expire_date is not None and rule.expire_date[:10] <= context.now.astimezone(UTC).date().isoformat():
        yield _finding(
            "expires-results",
            "warning",
            where,
            f"deletes {some}{what} under {url} at once: its day is {rule.expire_date}",
            _BY_HAND,
        )
    elif rule.expire_days is not None and rule.expire_days <= context.harvest_days:
        yield _finding(
            "expires-results",
            "warning",
            where,
            f"deletes {some}{what} under {url} after {_days(rule.expire_days)}; they may wait "
            f"{_days(context.harvest_days)} to be downloaded",
            _BY_HAND,
        )
    if rule.archive_days is not None and rule.archive_days <= context.harvest_days:
        yield _finding(
            "archives-results",
            "warning",
            where,
            f"moves {some}{what} under {url} to {rule.archive_class} after {_days(rule.archive_days)}, from where they "
            "must be restored before they can be read",
            _BY_HAND,
        )


def _days(number: float) -> str:
    return f"{number:g} day{'' if number == 1 else 's'}"


def _gcs(context: SettingsContext, settings: GcsSettings) -> Iterator[Finding]:
    uniform = _fix(FixAction.SET_UNIFORM_ACCESS, SideEffect.OBJECT_ACLS_DISABLED, bucket=settings.bucket)
    policy = context.snapshot.policy
    if settings.uniform_access is False:
        conditional = [
            each.label for each in (policy.bindings if isinstance(policy, PolicyDocument) else ()) if each.condition
        ]
        if conditional:
            yield _finding(
                "condition-needs-uniform-access",
                "error",
                "uniform bucket-level access is off",
                f"{conditional[0]} has a condition, which counts only with uniform bucket-level access",
                uniform,
                blocks=_WRITE,
            )
        else:
            yield _finding(
                "objects-may-be-owned-by-writer",
                "warning",
                "uniform bucket-level access is off",
                "objects have ACLs of their own, and Nimble owns the ones it writes",
                uniform,
                inferred=True,
            )
    if settings.public_access_prevention == "enforced" and _only_public(context):
        yield _finding(
            "public-access-prevented",
            "error",
            "public access prevention",
            "it takes what allUsers and allAuthenticatedUsers are granted away, and nothing else that was read grants "
            "Nimble access",
            _BY_HAND,
            blocks=_WRITE,
        )
    if settings.requester_pays is True:
        yield _finding(
            "requester-pays",
            "error",
            "Requester Pays",
            "every request must name a project that pays, and Nimble documents none",
            _fix(FixAction.SET_PAYER, SideEffect.OWNER_PAYS, bucket=settings.bucket, cloud="gs"),
            blocks=_BOTH,
            inferred=True,
        )


def _only_public(context: SettingsContext) -> bool:
    """Return whether Nimble has access only as everyone has."""
    policy, target = context.snapshot.policy, context.target
    if not isinstance(policy, PolicyDocument) or not any(
        each in PUBLIC_MEMBERS for binding in policy.bindings for each in binding.members
    ):
        return False
    named = [
        {**binding.value, "members": [each for each in binding.members if each not in PUBLIC_MEMBERS]}
        for binding in policy.bindings
    ]
    others = document({**policy.value, "bindings": named}, kind="gcs")
    granted, granted_by_name = (
        prove(target.contract, target.resolve(), each, inherited=context.inherited, at=context.now).complete
        for each in (policy, others)
    )
    return granted and not granted_by_name


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
