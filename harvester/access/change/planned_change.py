"""What is to be changed, and from what: every policy in question, its change, and what has to be handed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import unified_diff

from harvester.access.bucket_snapshot import (
    Snapshot,
    UnreadablePolicy,
    customer_key,
    is_key_arn,
    key_document,
    read_document,
)
from harvester.access.change.policy_store import BucketPolicyStore, GcsPolicyStore, KeyPolicyStore, PolicyStore
from harvester.access.delivery_targets import DeliveryTarget, find_targets, policy_errors_converted
from harvester.access.inspection import inspect_gcs, inspect_s3
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, DifferenceFound, UsageError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import GcsSettingsReader, PublicAccessBlock, S3SettingsReader, Unread
from policies import Exemption, PolicyDocument, Proof, Target, document, generate_key_statement, is_public, merge, prove

# Source: Amazon S3 API reference, GetBucketPolicy: 405 to whoever has the permission and is of another account.
_NOT_OF_THE_OWNER = "MethodNotAllowed"
INFRASTRUCTURE_NOTE = (
    "if Terraform, CloudFormation or another tool owns this policy, it will undo what is changed here: give the "
    "statements to it instead (nimble-harvester policy show --as terraform)"
)


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What is to hold in a policy."""

    target: DeliveryTarget
    """The bucket and the contract."""
    resolved: Target
    """The contract's target, with the key when its policy is in question."""
    exempt: bool
    """Whether statements that deny Nimble are to exempt it."""
    without: tuple[str, ...]
    """Statements of the bucket's policy to be removed: Sids, or numbers from 1."""


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What is to be done to one policy."""

    store: PolicyStore
    """Where the policy is kept."""
    before_text: str | None
    """Its text as it was planned from; None where there is none."""
    before: PolicyDocument
    """The same as a document; without statements where there is none."""
    after: PolicyDocument | None
    """The document it is to become; None for no policy at all."""
    steps: tuple[str, ...]
    """What is done, in words; empty when nothing changes."""
    exemptions: tuple[Exemption, ...]
    """Denials of somebody else's that keep Nimble out, and how they could exempt it; done when that was wished."""
    proof: Proof | None
    """What the contract finds in ``after``; None where no contract is asked about."""
    desired: DesiredState | None
    """What it was planned for; None for a policy that is put back."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.steps)

    @property
    def after_text(self) -> str | None:
        """The text the policy is to become; None for no policy at all."""
        return None if self.after is None else self.after.dump()

    @property
    def diff(self) -> str:
        """The change as a unified diff; empty when nothing changes."""
        if not self.changed:
            return ""
        before = "" if self.before_text is None else self.before.dump()
        old, new = (text.splitlines(keepends=True) for text in (before, self.after_text or ""))
        return "".join(unified_diff(old, new, f"{self.store.resource} (now)", f"{self.store.resource} (then)"))


@dataclass(frozen=True, slots=True)
class ManualStep:
    """A statement somebody else has to add, because these credentials may not."""

    store: str
    """The policy it belongs into, in words."""
    statement: PolicyDocument
    """The statement."""
    reason: str
    """Why it has to be handed over."""


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """Everything that is to be changed."""

    location: Location
    """The bucket."""
    changes: tuple[PlannedChange, ...]
    """One per policy."""
    handovers: tuple[ManualStep, ...]
    """What cannot be done from here."""
    notes: tuple[str, ...]
    """What else is to be known before agreeing."""
    gaps: tuple[str, ...]
    """What keeps Nimble out even then."""
    made_by: str
    """``apply`` or ``revert``."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return any(change.changed for change in self.changes)

    @property
    def steps(self) -> tuple[str, ...]:
        """Every step, in order."""
        return tuple(f"{change.store.name}: {step}" for change in self.changes for step in change.steps)

    @property
    def diff(self) -> str:
        """Every change as a unified diff."""
        return "".join(change.diff for change in self.changes)


def plan_policy(
    location: Location | str | None,
    mode: str,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    prefix: str | None = None,
    principal: str | None = None,
    key_arn: str | None = None,
    kms_profile: str | None = None,
    exempt: bool = False,
    without: Sequence[str] = (),
    settings: StoreSettings | None = None,
) -> PolicyPlan:
    """Plan what opens a bucket to Nimble, and nothing more; reads, writes nothing.

    Without ``location``, ``inputs`` and ``outputs`` are locations of one bucket.
    ``key_arn`` is the key that encrypts the bucket, ``kms_profile`` the AWS profile that may change its policy.
    ``exempt`` also exempts Nimble from statements that deny it; ``without`` also removes statements of others, by Sid
    or number. Raises UsageError, NoSuchBucket, AccessDenied, ConnectionFailed, ConfigurationError, and IntegrityError
    for a policy that cannot be read as one or would be refused.
    """
    locations = [] if location is None else [location]
    targets = find_targets(locations, mode, inputs=inputs, outputs=outputs, prefix=prefix, principal=principal)
    if len(targets) > 1:
        raise UsageError(
            "several buckets at once",
            cause="each bucket has a policy of its own",
            code=ErrorCode.SEVERAL_BUCKETS,
            parameters={"commands": [target.apply_command() for target in targets]},
        )
    (target,) = targets
    settings = settings or StoreSettings()
    resolved = target.resolve(key_arn=key_arn)
    desired = DesiredState(target, resolved, exempt, tuple(without))
    if target.contract.cloud == "gs":
        return _plan_gcs(desired, GcsSettingsReader(target.bucket, settings))
    reader = S3SettingsReader(target.bucket, settings, kms_profile=kms_profile)
    return _plan_s3(desired, reader, key_arn)


def _plan_s3(desired: DesiredState, reader: S3SettingsReader, key_arn: str | None) -> PolicyPlan:
    snapshot = inspect_s3(reader, desired.target.location, key_arn)
    changes = [planned_change(BucketPolicyStore(reader), _readable(snapshot, desired.target), desired)]
    handovers: list[ManualStep] = []
    if key_arn is not None:
        _check_key(snapshot, key_arn)
        store = KeyPolicyStore(reader.keys, key_arn)
        policy = snapshot.key.policy if snapshot.key is not None else None
        if isinstance(policy, str):
            changes.append(planned_change(store, policy, desired))
        elif isinstance(policy, Unread):
            handovers.append(manual_step(store, desired, f"{policy.permission}: {policy.code or policy.reason}"))
    return PolicyPlan(
        Location("s3", desired.target.bucket, ""),
        tuple(changes),
        tuple(handovers),
        tuple(_notes(snapshot, changes[0])),
        tuple(_gaps(desired, snapshot, key_arn)),
        "apply",
    )


def manual_step(store: PolicyStore, desired: DesiredState, reason: str) -> ManualStep:
    """Return what the key's owner is to be given."""
    with policy_errors_converted():
        statement = generate_key_statement(desired.target.contract, desired.resolved)
    return ManualStep(store.name, statement, reason)


def _check_key(snapshot: Snapshot, key_arn: str) -> None:
    key, settings = snapshot.key, snapshot.s3
    region = settings.region if settings is not None and isinstance(settings.region, str) else ""
    if key is not None and region and key.region != region:
        raise UsageError(
            f"the key {key_arn} is in {key.region}",
            cause=f"the bucket is in {region}, and S3 uses keys of the bucket's own region only",
            code=ErrorCode.KEY_IN_ANOTHER_REGION,
            subject=key_arn,
            parameters={"region": region},
        )
    if key is not None and key.managed_by_aws:
        raise UsageError(
            f"the key {key_arn} is managed by AWS",
            cause="its policy cannot be changed, and it cannot be used from another account",
            code=ErrorCode.KEY_MANAGED_BY_AWS,
            subject=key_arn,
            parameters={"region": key.region},
        )


def _readable(snapshot: Snapshot, target: DeliveryTarget) -> str | None:
    """Return the text of the bucket's policy, None where there is none; raise for one that is not known."""
    policy = snapshot.settings.policy
    if isinstance(policy, Unread):
        if policy.code == _NOT_OF_THE_OWNER:
            raise AccessDenied(
                f"cannot read the policy of {target.location.url}",
                cause="S3 lets only identities of the bucket's own account read or change its policy",
                code=ErrorCode.POLICY_OF_ANOTHER_ACCOUNT,
                subject=target.location.url,
                request_id=policy.request_id,
            )
        raise AccessDenied(
            f"cannot read the policy of {target.location.url}",
            cause=f"{policy.permission} is needed: {policy.code or policy.reason}",
            code=ErrorCode.POLICY_READ_DENIED,
            subject=target.location.url,
            parameters={"mode": target.contract.mode, "bucket": target.bucket},
            request_id=policy.request_id,
        )
    return policy if isinstance(policy, str) else None


def _plan_gcs(desired: DesiredState, reader: GcsSettingsReader) -> PolicyPlan:
    if desired.without:
        raise UsageError(
            "--without-statement means nothing for Google Cloud Storage",
            cause="bindings only ever grant, so none can keep Nimble out",
            code=ErrorCode.NO_DENY_STATEMENTS,
            parameters={"apply": desired.target.apply_command()},
        )
    snapshot = inspect_gcs(reader, desired.target.location)
    store = GcsPolicyStore(reader)
    if isinstance(snapshot.settings.policy, Unread):
        _readable(snapshot, desired.target)
    change = planned_change(store, _gcs_text(snapshot), desired)
    added = change.after.bindings if change.after is not None and change.changed else ()
    settings = snapshot.gcs
    if settings is not None and settings.uniform_access is False and any(each.condition for each in added):
        raise DifferenceFound(
            f"gs://{desired.target.bucket} cannot hold a grant for a prefix",
            cause="a binding with a condition needs uniform bucket-level access, which is off",
            code=ErrorCode.UNIFORM_ACCESS_REQUIRED,
            subject=f"gs://{desired.target.bucket}",
        )
    return PolicyPlan(Location("gs", desired.target.bucket, ""), (change,), (), (INFRASTRUCTURE_NOTE,), (), "apply")


def _gcs_text(snapshot: Snapshot) -> str:
    if isinstance(snapshot.policy, PolicyDocument):
        return snapshot.policy.dump()
    assert isinstance(snapshot.policy, UnreadablePolicy)  # noqa: S101  # a Google bucket always has a policy; narrows the type
    with policy_errors_converted():
        raise snapshot.policy.error


def planned_change(store: PolicyStore, text: str | None, desired: DesiredState) -> PlannedChange:
    """Return what makes the policy at ``store`` grant what is wished.

    Raises IntegrityError for a text that is no policy, and where the cloud would refuse the outcome.
    """
    before = parsed_policy(store, text)
    steps: list[str] = []
    with policy_errors_converted(store.name):
        trimmed = _without(before, desired.without, steps) if store.kind == "s3" else before
        change = merge(trimmed, desired.target.contract, desired.resolved, exempt=desired.exempt)
    steps += change.steps
    return PlannedChange(
        store=store,
        before_text=text,
        before=before,
        after=change.after,
        steps=tuple(steps),
        exemptions=change.exemptions,
        proof=change.proof,
        desired=desired,
    )


def parsed_policy(store: PolicyStore, text: str | None) -> PolicyDocument:
    """Return a policy's text as a document. Raises IntegrityError for a text that is no policy."""
    if text is None:
        return store.empty
    found = read_document(text, store.kind, store.resource)
    if isinstance(found, UnreadablePolicy):
        with policy_errors_converted(f"{store.name} cannot be merged into"):
            raise found.error
    assert isinstance(found, PolicyDocument)  # noqa: S101  # a text is one or the other; narrows the type
    return found


def _without(before: PolicyDocument, wanted: Sequence[str], steps: list[str]) -> PolicyDocument:
    """Return the document without the statements named, each of which must be there."""
    gone = []
    for name in wanted:
        found = [
            each for each in before.statements if each.sid == name or (each.sid is None and name == str(each.index + 1))
        ] or [each for each in before.statements if name == str(each.index + 1)]
        if not found:
            labels = ", ".join(each.label for each in before.statements)
            raise UsageError(
                f"the policy has no statement {name}",
                cause=f"it has {labels}" if labels else "it has none",
                code=ErrorCode.NO_SUCH_STATEMENT,
                subject=name,
            )
        gone.append(found[0].index)
        steps.append(f"remove {found[0].label}: {found[0].effect} {', '.join(found[0].actions)}")
    if not gone:
        return before
    kept = [each.value for each in before.statements if each.index not in gone]
    return document({**before.value, "Statement": kept}, kind=before.kind, source=before.source)


def _notes(snapshot: Snapshot, change: PlannedChange) -> Iterator[str]:
    yield INFRASTRUCTURE_NOTE
    settings = snapshot.s3
    blocks = (settings.public_access_block, settings.account_public_access_block) if settings is not None else ()
    public = [each for each in (change.after.statements if change.after is not None else ()) if is_public(each)]
    if public and any(isinstance(each, PublicAccessBlock) and each.block_public_policy for each in blocks):
        yield (
            f"{public[0].label} is public and Block Public Access refuses public policies, so the write will fail; "
            f"--without-statement {public[0].sid or public[0].index + 1} removes it"
        )


def _gaps(desired: DesiredState, snapshot: Snapshot, key_arn: str | None) -> Iterator[str]:
    if snapshot.key is not None and snapshot.key.managed_by_aws:
        yield (
            "new objects are encrypted with the AWS-managed key aws/s3, which cannot be used from another account, so "
            f"Nimble's writes are rejected: nimble-harvester explain {desired.target.flags()} shows what mends it"
        )
    key = customer_key(snapshot)
    if key_arn is not None or key is None or not is_key_arn(key.arn):
        return
    found = key_document(snapshot)
    resolved = desired.target.resolve(key_arn=key.arn)
    verdicts = prove(desired.target.contract, resolved, None, found).key_verdicts if found is not None else ()
    if not verdicts:
        yield f"new objects are encrypted with {key.arn}, whose policy could not be read"
    elif any(each.state != "holds" for each in verdicts):
        yield (f"new objects are encrypted with {key.arn}, whose policy must admit Nimble too: add --kms-key {key.arn}")
