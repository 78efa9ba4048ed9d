"""Plan a change of live policies: read them, and have `policies.plan_change` plan each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import unified_diff
from typing import Literal

from harvester.access.bucket_snapshot import (
    PolicyReading,
    Snapshot,
    UnreadablePolicy,
    read_document,
    read_gcs_snapshot,
    read_s3_snapshot,
)
from harvester.access.change.policy_store import BucketPolicyStore, GcsPolicyStore, KeyPolicyStore, PolicyStore
from harvester.access.delivery_targets import DeliveryTarget, find_targets, policy_errors_converted
from harvester.access.explain import Explanation, explain
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, DifferenceFound, UsageError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import GcsSettingsReader, S3SettingsReader, Unread
from policies import (
    DesiredState,
    PlannedChange,
    PolicyDocument,
    compact_json,
    empty_policy,
    generate_key_statement,
    plan_change,
)

# Source: Amazon S3 API reference, GetBucketPolicy: 405 to a caller with the permission and of another account.
_NOT_OF_THE_OWNER = "MethodNotAllowed"


@dataclass(frozen=True, slots=True)
class PolicyEdit:
    """What is to be written to one store."""

    store: PolicyStore
    """Where the policy is kept."""
    before_text: str | None
    """Its text as it was planned from; None where there is none."""
    before: PolicyDocument
    """The same as a document; without statements where there is none."""
    after_text: str | None
    """The text to write; None for no policy."""
    after: PolicyDocument
    """The same as a document; without statements where there is none."""
    steps: tuple[str, ...]
    """What is done, in words; empty when nothing changes."""
    planned: PlannedChange | None
    """The plan it carries out; None for a policy that is put back."""
    desired: DesiredState | None
    """What it was planned for; None for a policy that is put back."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.steps)

    @property
    def diff(self) -> str:
        """The change as a unified diff; empty when nothing changes."""
        if not self.changed:
            return ""
        before = "" if self.before_text is None else self.before.dump()
        after = "" if self.after_text is None else self.after.dump()
        names = (f"{self.store.resource} (now)", f"{self.store.resource} (then)")
        return "".join(unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), *names))


@dataclass(frozen=True, slots=True)
class ManualStep:
    """A statement that the key's owner has to add, because these credentials may not."""

    store: str
    """The policy it belongs to, in words."""
    statement: PolicyDocument
    """The statement."""
    reason: str
    """Why these credentials cannot add it."""


@dataclass(frozen=True, slots=True)
class PolicyPlan:
    """Everything that is to be changed."""

    location: Location
    """The bucket."""
    changes: tuple[PolicyEdit, ...]
    """One per policy."""
    manual_steps: tuple[ManualStep, ...]
    """What cannot be done with these credentials."""
    notes: tuple[str, ...]
    """What else is to be known before agreeing."""
    outcome: Explanation | None
    """What Nimble may do once it is carried out; None where no contract is asked about."""
    made_by: Literal["apply", "revert"]
    """The verb it belongs to."""

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
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
    narrow: bool = False,
    correct: bool = False,
    without: Sequence[str] = (),
    without_principals: Sequence[str] = (),
    settings: StoreSettings | None = None,
) -> PolicyPlan:
    """Plan what grants Nimble the contract in a bucket, and nothing more; reads, writes nothing.

    Without ``location``, ``inputs`` and ``outputs`` are locations of one bucket. ``key_arn`` is the key that encrypts
    the bucket, ``kms_profile`` the AWS profile that may change its policy. ``exempt`` also exempts Nimble from
    statements that deny it, ``narrow`` replaces statements for Nimble that go beyond the prefix, ``correct`` corrects
    what the cloud would refuse, ``without`` removes statements by Sid or number, ``without_principals`` principals.
    Raises UsageError, NoSuchBucket, AccessDenied, ConnectionFailed, ConfigurationError, and IntegrityError for a
    document that is no policy or would be refused.
    """
    locations = [] if location is None else [location]
    targets = find_targets(locations, mode, inputs=inputs, outputs=outputs, prefix=prefix, principal=principal)
    if len(targets) > 1:
        raise UsageError(
            "several buckets at once",
            cause="each bucket has a separate policy",
            code=ErrorCode.SEVERAL_BUCKETS,
            parameters={"locations": [each.location.url for each in targets], "mode": mode},
        )
    (target,) = targets
    desired = DesiredState(
        target.contract,
        target.resolve(key_arn=key_arn),
        exempt=exempt,
        narrow=narrow,
        correct=correct,
        without_statements=tuple(without),
        without_principals=tuple(without_principals),
        at=datetime.now(UTC),
    )
    settings = settings or StoreSettings()
    if target.contract.cloud == "gs":
        return _plan_gcs(target, desired, GcsSettingsReader(target.bucket, settings))
    return _plan_s3(target, desired, S3SettingsReader(target.bucket, settings, kms_profile=kms_profile), key_arn)


def _plan_s3(
    target: DeliveryTarget, desired: DesiredState, reader: S3SettingsReader, key_arn: str | None
) -> PolicyPlan:
    snapshot = read_s3_snapshot(reader, target.location, key_arn)
    bucket_store, key_store = BucketPolicyStore(reader), KeyPolicyStore(reader.keys, key_arn or "")
    of_key = _named_in_key(desired, snapshot)
    of_bucket = [each for each in desired.without_principals if each not in of_key or _names(snapshot.policy, each)]
    desired = replace(desired, without_principals=tuple(of_bucket))
    edits = [plan_edit(bucket_store, _known_text(snapshot, target), desired)]
    manual_steps: list[ManualStep] = []
    if key_arn is not None:
        _check_key(snapshot, key_arn)
        text = snapshot.key.policy if snapshot.key is not None else None
        if isinstance(text, str):
            desired = replace(desired, without_statements=(), without_principals=of_key, narrow=False)
            edits.append(plan_edit(key_store, text, desired))
        elif isinstance(text, Unread):
            manual_steps.append(manual_step(key_store, desired, f"{text.permission}: {text.code or text.reason}"))
    outcome = outcome_of(target, snapshot, edits)
    return PolicyPlan(Location("s3", target.bucket, ""), tuple(edits), tuple(manual_steps), (), outcome, "apply")


def _named_in_key(desired: DesiredState, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the principals to be removed that the key's policy names, where it is to be changed."""
    if desired.target.key_arn is None:
        return ()
    return tuple(each for each in desired.without_principals if _names(snapshot.key_policy, each))


def _names(policy: PolicyReading, principal: str) -> bool:
    return isinstance(policy, PolicyDocument) and any(principal in each.principals.named for each in policy.statements)


def _plan_gcs(target: DeliveryTarget, desired: DesiredState, reader: GcsSettingsReader) -> PolicyPlan:
    if desired.without_statements:
        raise UsageError(
            "a policy of Google Cloud Storage has no statement to remove",
            cause="bindings only ever grant, so none can keep Nimble out",
            code=ErrorCode.NO_DENY_STATEMENTS,
        )
    snapshot = read_gcs_snapshot(reader, target.location)
    _known_text(snapshot, target)
    edit = plan_edit(GcsPolicyStore(reader), _gcs_text(snapshot), desired)
    settings = snapshot.gcs
    added = edit.after.bindings if edit.changed else ()
    if settings is not None and settings.uniform_access is False and any(each.condition for each in added):
        raise DifferenceFound(
            f"gs://{target.bucket} cannot hold a grant for a prefix",
            cause="a binding with a condition needs uniform bucket-level access, which is off",
            code=ErrorCode.UNIFORM_ACCESS_REQUIRED,
            subject=f"gs://{target.bucket}",
        )
    outcome = outcome_of(target, snapshot, [edit])
    return PolicyPlan(Location("gs", target.bucket, ""), (edit,), (), (), outcome, "apply")


def plan_edit(store: PolicyStore, text: str | None, desired: DesiredState) -> PolicyEdit:
    """Return what makes the policy in ``store`` grant what is desired.

    Raises IntegrityError for a text that is no policy, and where the cloud would refuse the changed document;
    UsageError for a statement or principal to be removed that is not there.
    """
    before = parsed_policy(store, text)
    with policy_errors_converted(store.name):
        planned = plan_change(before, desired)
    # Without white space: it counts towards the limit on the size.
    after_text = compact_json(planned.after.value) if planned.changed else text
    return PolicyEdit(store, text, before, after_text, planned.after, planned.steps, planned, desired)


def outcome_of(target: DeliveryTarget, snapshot: Snapshot, edits: Sequence[PolicyEdit]) -> Explanation:
    """Explain the snapshot with the policies as the edits leave them."""
    for edit in edits:
        snapshot = snapshot.with_policy(edit.store.kind, edit.after if edit.after_text is not None else None)
    return explain(target, snapshot)


def manual_step(store: PolicyStore, desired: DesiredState, reason: str) -> ManualStep:
    """Return what the key's owner is to be given."""
    with policy_errors_converted():
        return ManualStep(store.name, generate_key_statement(desired.contract, desired.target), reason)


def parsed_policy(store: PolicyStore, text: str | None) -> PolicyDocument:
    """Return a policy's text as a document. Raises IntegrityError for a text that is no policy."""
    if text is None:
        return empty_policy(store.kind, f"{store.resource}.json")
    found = read_document(text, store.kind, store.resource)
    if isinstance(found, UnreadablePolicy):
        with policy_errors_converted(f"{store.name} cannot be merged into"):
            raise found.error
    assert isinstance(found, PolicyDocument)  # noqa: S101  # a text is one or the other; narrows the type
    return found


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


def _known_text(snapshot: Snapshot, target: DeliveryTarget) -> str | None:
    """Return the text of the bucket's policy, None where there is none. Raises AccessDenied where it was not read."""
    policy = snapshot.settings.policy
    if not isinstance(policy, Unread):
        return policy if isinstance(policy, str) else None
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


def _gcs_text(snapshot: Snapshot) -> str:
    if isinstance(snapshot.policy, PolicyDocument):
        return snapshot.policy.dump()
    assert isinstance(snapshot.policy, UnreadablePolicy)  # noqa: S101  # a Google bucket always has a policy
    with policy_errors_converted():
        raise snapshot.policy.error
