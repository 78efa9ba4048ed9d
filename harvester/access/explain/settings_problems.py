"""Settings that keep Nimble out, or its results from their owner, whatever the bucket's policy grants.

Sources: Amazon S3 user guide, "Blocking public access", "Controlling ownership of objects", "Default encryption FAQ",
"Using Requester Pays buckets", "Object Lock considerations", "Managing the lifecycle of objects"; AWS KMS developer
guide, "Key states"; Cloud Storage documentation, "Uniform bucket-level access", "Requester Pays". What they mean for
Nimble is inferred: Nimble documents none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from harvester.access.bucket_snapshot import Snapshot
from harvester.access.delivery_targets import DeliveryTarget, shown
from harvester.access.explain.problem import Gap
from harvester.access.inspection import names_managed_key
from harvester.storage import Encryption, GcsSettings, KmsKey, LifecycleRule, ObjectLock, PublicAccessBlock, S3Settings
from policies import PolicyDocument, is_public

HARVEST_DAYS = 7.0
"""How many days a delivered result may wait to be brought home, unless told otherwise."""
_ENFORCED = "BucketOwnerEnforced"
_BOTH = ("read", "write")


@dataclass(frozen=True, slots=True)
class SettingsContext:
    """What setting_findings are looked for in."""

    target: DeliveryTarget
    """The bucket and what is to hold there."""
    snapshot: Snapshot
    """What is known of it."""
    harvest_days: float
    """How many days a result waits to be brought home, at most."""
    now: datetime
    """The present, for rules that name a day."""


def check_settings(context: SettingsContext) -> Iterator[Gap]:
    """Yield what the settings do to Nimble and its results; settings that are not known yield nothing."""
    snapshot = context.snapshot
    if snapshot.gcs is not None:
        yield from _gcs(context, snapshot.gcs)
    if snapshot.s3 is not None:
        settings = snapshot.s3
        yield from _region(settings)
        yield from _public_access(context, settings)
        yield from _ownership(settings)
        yield from _encryption(context, settings)
        yield from _payer(settings)
        yield from _object_lock(settings)
    yield from _lifecycle(context)


def _region(settings: S3Settings) -> Iterator[Gap]:
    if isinstance(settings.region, str) and settings.region.startswith(("cn-", "us-gov-", "us-iso", "eu-isoe-")):
        yield Gap(
            "other-partition",
            "error",
            f"region {settings.region}",
            "principals do not cross AWS partitions, so no policy here can admit Nimble",
            "Deliver into a bucket of a commercial AWS region.",
            keeps_out=_BOTH,
            inferred=True,
        )


def _public_access(context: SettingsContext, settings: S3Settings) -> Iterator[Gap]:
    policy = context.snapshot.policy
    if not isinstance(policy, PolicyDocument):
        return
    public = [each for each in policy.statements if is_public(each)]
    if not public:
        return
    labels = " and ".join(each.label for each in public)
    flags = tuple(f"--without-statement {shown(each.sid or str(each.index + 1))}" for each in public)
    command = context.target.apply_command(flags)
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
        yield Gap(
            "public-cuts-off-accounts",
            "error",
            restricting[0],
            f"RestrictPublicBuckets cuts off every other account while a statement is public, and {labels} is: "
            "Nimble's grant counts for nothing",
            "Remove the public statement, or bind it to an organisation, VPC endpoint or address range; never loosen "
            "Block Public Access.",
            (command,),
            apply_flags=flags,
            keeps_out=_BOTH,
            inferred=True,
        )
    if refusing:
        yield Gap(
            "public-blocks-put",
            "warning",
            refusing[0],
            f"BlockPublicPolicy refuses every new policy that is public, and {labels} makes it so",
            "Remove the public statement before, or together with, any other change.",
            (command,),
            apply_flags=flags,
            inferred=True,
        )


def _ownership(settings: S3Settings) -> Iterator[Gap]:
    rules = json.dumps({"Rules": [{"ObjectOwnership": _ENFORCED}]})
    command = f"aws s3api put-bucket-ownership-controls --bucket {settings.bucket} --ownership-controls {shown(rules)}"
    fix = f"Set Object Ownership to {_ENFORCED}."
    match settings.ownership:
        case "ObjectWriter":
            yield Gap(
                "objects-owned-by-writer",
                "error",
                "Object Ownership ObjectWriter",
                "what Nimble writes can belong to Nimble's account and be unreadable to you",
                fix,
                (command,),
                inferred=True,
            )
        case "BucketOwnerPreferred":
            yield Gap(
                "objects-may-be-owned-by-writer",
                "warning",
                "Object Ownership BucketOwnerPreferred",
                "results are yours only if Nimble sends the ACL bucket-owner-full-control, which is not documented",
                fix,
                (command,),
                inferred=True,
            )
        case None:
            yield Gap(
                "ownership-not-set",
                "warning",
                "Object Ownership",
                "no ownership controls are set, which means ObjectWriter on a bucket made before April 2023",
                fix,
                (command,),
                inferred=True,
            )


def _encryption(context: SettingsContext, settings: S3Settings) -> Iterator[Gap]:
    encryption = settings.encryption
    key = context.snapshot.key
    if not isinstance(encryption, Encryption) or not encryption.algorithm.startswith("aws:kms"):
        return
    where = "default encryption"
    to_sse_s3 = _encryption_command(settings.bucket, {"SSEAlgorithm": "AES256"})
    name = encryption.key
    if names_managed_key(name) or (key is not None and key.managed_by_aws and _is_default(key, name)):
        yield Gap(
            "managed-key",
            "error",
            where,
            "the AWS-managed key aws/s3 cannot be used from another account: Nimble's writes are rejected",
            "Encrypt with SSE-S3, or with a customer-managed key named by its full ARN.",
            (to_sse_s3,),
            keeps_out=("write",),
            inferred=True,
        )
        return
    if not (name.startswith("arn:") and ":key/" in name):
        own = key.arn if key is not None and ":key/" in key.arn else ""
        command = _encryption_command(
            settings.bucket,
            {"SSEAlgorithm": encryption.algorithm, "KMSMasterKeyID": own},
            bucket_key=encryption.bucket_key,
        )
        yield Gap(
            "key-by-alias",
            "error",
            where,
            f"{name} resolves in the account that asks, which is Nimble's: the key is not found there, or is not yours",
            "Name the key by its full ARN.",
            (command,) if own else (),
            keeps_out=("write",),
            inferred=True,
        )
    if key is not None:
        yield from _key(settings, key, where, default=name)


def _is_default(key: KmsKey, name: str) -> bool:
    return not name or name in (key.arn, key.arn.rsplit("/", 1)[-1])


def _key(settings: S3Settings, key: KmsKey, where: str, *, default: str) -> Iterator[Gap]:
    if ":key/" in default and key.arn and default != key.arn:
        yield Gap(
            "key-not-used",
            "warning",
            where,
            f"new objects are encrypted with {default}, not with {key.arn}",
            "Ask about the key the bucket uses: leave out --kms-key.",
        )
    region = _text(settings.region)
    if key.region and region and key.region != region:
        yield Gap(
            "key-in-other-region",
            "error",
            where,
            f"the key is in {key.region}, the bucket in {region}: S3 uses keys of the bucket's own region only",
            f"Encrypt with a key of {region}.",
            keeps_out=("write",),
        )
    if key.state and key.state != "Enabled":
        named = f"--key-id {key.arn.rsplit('/', 1)[-1]} --region {key.region}"
        restore: tuple[str, ...] = (f"aws kms enable-key {named}",)
        if key.state == "PendingDeletion":
            restore = (f"aws kms cancel-key-deletion {named}", *restore)
        yield Gap(
            "key-not-enabled",
            "error",
            f"key {key.arn}",
            f"the key is in state {key.state}: nothing can be written or read with it",
            "Enable the key, or encrypt with another one.",
            restore,
            keeps_out=_BOTH,
        )
    if key.usage and key.usage != "ENCRYPT_DECRYPT":
        yield Gap(
            "key-not-for-encryption",
            "error",
            f"key {key.arn}",
            f"the key is for {key.usage}, not for encryption",
            "Encrypt with a symmetric key for ENCRYPT_DECRYPT.",
            keeps_out=("write",),
        )
    owner = _text(settings.owner)
    if key.account and owner and key.account != owner:
        yield Gap(
            "key-in-other-account",
            "info",
            f"key {key.arn}",
            f"the key belongs to account {key.account}, the bucket to {owner}: its policy is changed there",
            "Use --kms-profile with a profile of that account, or hand its owner the statement.",
        )


def _encryption_command(bucket: str, default: dict[str, str], *, bucket_key: bool = False) -> str:
    rule: dict[str, object] = {"ApplyServerSideEncryptionByDefault": default}
    if bucket_key:
        rule["BucketKeyEnabled"] = True
    document = json.dumps({"Rules": [rule]})
    return f"aws s3api put-bucket-encryption --bucket {bucket} --server-side-encryption-configuration {shown(document)}"


def _payer(settings: S3Settings) -> Iterator[Gap]:
    if settings.payer == "Requester":
        setting = shown(json.dumps({"Payer": "BucketOwner"}))
        command = f"aws s3api put-bucket-request-payment --bucket {settings.bucket} --request-payment-configuration"
        yield Gap(
            "requester-pays",
            "error",
            "Requester Pays",
            "every request of another account is refused unless it agrees to pay, and Nimble documents no such header",
            "Let the bucket's owner pay for the bucket Nimble delivers into.",
            (f"{command} {setting}",),
            keeps_out=_BOTH,
            inferred=True,
        )


def _object_lock(settings: S3Settings) -> Iterator[Gap]:
    lock = settings.object_lock
    if isinstance(lock, ObjectLock) and lock.mode:
        yield Gap(
            "object-lock",
            "warning",
            f"Object Lock {lock.mode}, {lock.days} days",
            "a write under a default retention must carry a checksum, and whether Nimble's does is not documented; "
            "results, and the file Test Connection leaves, cannot be deleted before",
            "Deliver into a bucket without a default retention, and copy what must be locked.",
            inferred=True,
        )


def _lifecycle(context: SettingsContext) -> Iterator[Gap]:
    rules = context.snapshot.settings.lifecycle
    if not isinstance(rules, Sequence):
        return
    for rule in rules:
        if not rule.enabled:
            continue
        for name, prefix in context.target.prefixes.items():
            if rule.prefix.startswith(prefix) or prefix.startswith(rule.prefix):
                yield from _rule(context, rule, name, context.target.resolve().url(name))


def _rule(context: SettingsContext, rule: LifecycleRule, name: str, url: str) -> Iterator[Gap]:
    where = f"lifecycle rule {rule.id}" if rule.id else "a lifecycle rule"
    what = "results" if name != "input" else "input files"
    some = "some of the " if rule.narrowed or not context.target.prefixes[name].startswith(rule.prefix) else ""
    fix = "Bring results home more often than that, or give the rule another prefix or a longer time."
    if rule.expire_date is not None and rule.expire_date[:10] <= context.now.astimezone(UTC).date().isoformat():
        yield Gap(
            "expires-results",
            "warning",
            where,
            f"deletes {some}{what} under {url} at once: its day is {rule.expire_date}",
            fix,
        )
    elif rule.expire_days is not None and rule.expire_days <= context.harvest_days:
        yield Gap(
            "expires-results",
            "warning",
            where,
            f"deletes {some}{what} under {url} after {_days(rule.expire_days)}; they may wait "
            f"{_days(context.harvest_days)} to be brought home",
            fix,
        )
    if rule.archive_days is not None and rule.archive_days <= context.harvest_days:
        yield Gap(
            "archives-results",
            "warning",
            where,
            f"moves {some}{what} under {url} to {rule.archive_class} after {_days(rule.archive_days)}, from where they "
            "must be restored before they can be read",
            fix,
        )


def _days(number: float) -> str:
    return f"{number:g} day{'' if number == 1 else 's'}"


def _gcs(context: SettingsContext, settings: GcsSettings) -> Iterator[Gap]:
    command = f"gcloud storage buckets update gs://{settings.bucket} --uniform-bucket-level-access"
    policy = context.snapshot.policy
    if settings.uniform_access is False:
        conditional = [
            each.label for each in (policy.bindings if isinstance(policy, PolicyDocument) else ()) if each.condition
        ]
        if conditional:
            yield Gap(
                "condition-needs-uniform-access",
                "error",
                "uniform bucket-level access is off",
                f"{conditional[0]} has a condition, which counts only with uniform bucket-level access",
                "Turn uniform bucket-level access on; objects' own ACLs then count no more.",
                (command,),
                keeps_out=("write",),
            )
        else:
            yield Gap(
                "objects-may-be-owned-by-writer",
                "warning",
                "uniform bucket-level access is off",
                "objects have ACLs of their own, and Nimble owns the ones it writes",
                "Turn uniform bucket-level access on; objects' own ACLs then count no more.",
                (command,),
                inferred=True,
            )
    if settings.requester_pays is True:
        yield Gap(
            "requester-pays",
            "error",
            "Requester Pays",
            "every request must name a project that pays, and Nimble documents none",
            "Let the bucket's project pay for the bucket Nimble delivers into.",
            (f"gcloud storage buckets update gs://{settings.bucket} --no-requester-pays",),
            keeps_out=_BOTH,
            inferred=True,
        )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
