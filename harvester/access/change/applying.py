"""Change policies as planned: back up, look again, write, read back, prove; and put them back as they were."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harvester.access.change.backups import Backup, SavedPolicy, find_backup, write_backup
from harvester.access.change.equivalence import grants_at_least, same_meaning
from harvester.access.change.planned_change import (
    ManualStep,
    PlannedChange,
    PolicyPlan,
    manual_step,
    parsed_policy,
    planned_change,
)
from harvester.access.change.policy_store import BucketPolicyStore, GcsPolicyStore, KeyPolicyStore, PolicyStore
from harvester.error_codes import ErrorCode
from harvester.errors import (
    AccessDenied,
    ConnectionFailed,
    DifferenceFound,
    ExitCode,
    HarvesterError,
    IntegrityError,
    UsageError,
)
from harvester.location import Location, parse_location
from harvester.sessions import StoreSettings
from harvester.storage import Cause, GcsSettingsReader, S3SettingsReader, ServiceError, Unread
from policies import PolicyDocument, Proof, document, prove

# Settings of a bucket are eventually consistent: how long a write is waited for, in seconds between two looks.
_LOOKS = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
# How often a Google policy is planned anew when somebody else keeps writing.
_ROUNDS = 5
_CHANGED_SINCE = 412

State = Literal["unchanged", "written", "not read back"]


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    """What became of one policy."""

    store: str
    """The policy, in words."""
    state: State
    """``not read back``: written, but these credentials may not read it."""
    proof: Proof | None
    """What the contract finds in what is stored now; None where no contract is asked about."""


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """What became of a plan."""

    outcomes: tuple[ChangeOutcome, ...]
    """One per policy."""
    handovers: tuple[ManualStep, ...]
    """What somebody else has to do."""
    gaps: tuple[str, ...]
    """What keeps Nimble out all the same."""
    backup: Path | None
    """Where the policies as they were are kept; None when nothing was written."""

    @property
    def complete(self) -> bool:
        """Whether the contract holds in every policy that is asked about, and nothing is left to somebody else."""
        left = self.handovers or self.gaps
        return not left and all(each.proof is None or each.proof.complete for each in self.outcomes)

    @property
    def exit_code(self) -> ExitCode:
        """0, or 10 where a gap remains."""
        return ExitCode.OK if self.complete else ExitCode.DIFFERENCE


def apply_policy(plan: PolicyPlan, *, backup_dir: Path | None = None) -> PolicyOutcome:
    """Carry out a plan: of `plan_policy`, or of `plan_revert`.

    Raises DifferenceFound where what is there is not what was planned from, or another document is read back;
    AccessDenied, IntegrityError and ConnectionFailed where a write is refused; DestinationUnusable where no backup can
    be written. Nothing is written before the backup is.
    """
    outcomes: list[ChangeOutcome] = []
    handovers = list(plan.handovers)
    backup: Backup | None = None
    pending = [change for change in plan.changes if change.changed]
    for change in pending:
        _look_again(change)
    if pending:
        backup = _back_up(plan, pending, backup_dir)
    for change in plan.changes:
        if not change.changed:
            outcomes.append(ChangeOutcome(change.store.name, "unchanged", change.proof))
            continue
        try:
            outcomes.append(_carry_out(change))
        except AccessDenied as error:
            if change.store.kind != "kms" or change.desired is None:
                raise _with_backup(error, backup) from error
            handovers.append(manual_step(change.store, change.desired, error.cause))
        except HarvesterError as error:
            raise _with_backup(error, backup) from error
    return PolicyOutcome(tuple(outcomes), tuple(handovers), plan.gaps, backup.path if backup is not None else None)


def _back_up(plan: PolicyPlan, pending: Sequence[PlannedChange], directory: Path | None) -> Backup:
    saved = [SavedPolicy(each.store.kind, each.store.resource, each.before_text, each.after_text) for each in pending]
    made_by: Literal["apply", "revert"] = "apply" if plan.made_by == "apply" else "revert"
    return write_backup(directory, plan.location.scheme, plan.location.bucket, made_by, saved)


def _with_backup(error: HarvesterError, backup: Backup | None) -> HarvesterError:
    return error if backup is None else error.with_parameters(backup=str(backup.path))


def _look_again(change: PlannedChange) -> None:
    """Raise when the policy is not any more what was planned from; Google's etag does that by itself."""
    if change.store.kind == "gcs":
        return
    found = change.store.read()
    if isinstance(found, Unread):
        raise _unreadable(f"{change.store.name} again", found)
    if found == change.before_text:
        return
    if not same_meaning(parsed_policy(change.store, found), change.before):
        raise DifferenceFound(
            f"{change.store.name} has changed since it was read, and nothing was written",
            cause="somebody else has edited it in the meantime",
            code=ErrorCode.POLICY_CHANGED,
            subject=change.store.name,
        )


def _carry_out(change: PlannedChange) -> ChangeOutcome:
    for _ in range(_ROUNDS):
        problem = change.store.write(change.after_text)
        if problem is None:
            return _read_back(change)
        if problem.status != _CHANGED_SINCE or change.store.kind != "gcs":
            raise _refused(change.store, problem)
        change = _planned_anew(change)
        if not change.changed:
            return ChangeOutcome(change.store.name, "unchanged", change.proof)
    raise ConnectionFailed(
        f"cannot write {change.store.name}",
        cause=f"somebody else wrote to it {_ROUNDS} times in a row; nothing of theirs was overwritten",
        code=ErrorCode.POLICY_WRITE_CONTENDED,
        subject=change.store.name,
    )


def _planned_anew(change: PlannedChange) -> PlannedChange:
    """Plan from what somebody else has written; refuse when that asks for other steps than were agreed to."""
    text = change.store.read()
    if isinstance(text, str) and change.desired is not None:
        again = planned_change(change.store, text, change.desired)
        if not again.changed or again.steps == change.steps:
            return again
    raise DifferenceFound(
        f"{change.store.name} has changed since it was read, and nothing was written",
        cause="somebody else has edited it in the meantime, and other steps are needed now",
        code=ErrorCode.POLICY_CHANGED,
        subject=change.store.name,
    )


def _refused(store: PolicyStore, problem: ServiceError) -> HarvesterError:
    what = f"cannot write {store.name}"
    match problem.cause:
        case Cause.OBJECT_DENIED | Cause.KMS_DENIED | Cause.CREDENTIALS:
            return AccessDenied(
                what,
                cause=problem.sentence(),
                code=ErrorCode.POLICY_WRITE_DENIED,
                subject=store.name,
                request_id=problem.request_id,
            )
        case Cause.NETWORK | Cause.TIMEOUT | Cause.THROTTLED:
            return ConnectionFailed(
                f"{what}: there was no answer, so it may have been written or not",
                cause=problem.sentence(),
                code=ErrorCode.POLICY_WRITE_UNANSWERED,
                subject=store.name,
                request_id=problem.request_id,
            )
        case _:
            return IntegrityError(
                f"{what}: the service refuses the document",
                cause=problem.sentence(),
                code=ErrorCode.POLICY_REJECTED,
                subject=store.name,
                request_id=problem.request_id,
            )


def _read_back(change: PlannedChange) -> ChangeOutcome:
    """Look until the policy says what was written; services take a moment, and rewrite what they store."""
    for seconds in _LOOKS:
        time.sleep(seconds)
        found = change.store.read()
        if isinstance(found, Unread):
            return ChangeOutcome(change.store.name, "not read back", change.proof)
        stored = parsed_policy(change.store, found)
        if _is_written(change, stored):
            return ChangeOutcome(change.store.name, "written", _proved(change, stored))
    raise DifferenceFound(
        f"{change.store.name} was written, but another document is read back",
        cause="somebody else wrote in the same moment, and one of the two writes is lost",
        code=ErrorCode.POLICY_OVERWRITTEN,
        subject=change.store.name,
    )


def _is_written(change: PlannedChange, stored: PolicyDocument) -> bool:
    if change.store.kind == "gcs" and change.desired is not None and change.after is not None:
        return grants_at_least(stored, change.after)
    return same_meaning(stored, change.after or change.store.empty)


def _proved(change: PlannedChange, stored: PolicyDocument) -> Proof | None:
    if change.desired is None:
        return None
    agreed, resolved = change.desired.target.contract, change.desired.resolved
    if change.store.kind == "kms":
        proof = prove(agreed, resolved, None, stored)
        return Proof(agreed, resolved, (), proof.key_verdicts, proof.not_proven)
    return prove(agreed, resolved, stored)


def plan_revert(
    location: Location | str,
    *,
    backup: str | None = None,
    backup_dir: Path | None = None,
    kms_profile: str | None = None,
    settings: StoreSettings | None = None,
) -> PolicyPlan:
    """Plan to put the policies of a bucket, and of its key, back as a backup holds them; reads, writes nothing.

    Without ``backup`` the newest that an apply made. Raises UsageError where there is none.
    """
    place = location if isinstance(location, Location) else parse_location(location)
    if place.scheme == "file":
        raise UsageError(
            f"{place.url} is a directory",
            cause="only a bucket has a policy",
            code=ErrorCode.BUCKET_REQUIRED,
            subject=place.url,
        )
    chosen = find_backup(backup_dir, place.scheme, place.bucket, backup)
    settings = settings or StoreSettings()
    store_of = _stores(place, settings, kms_profile)
    changes = []
    notes = [f"puts back what {chosen.path} holds, of {chosen.at}"]
    for saved in chosen.policies:
        if saved.kind != "kms" and saved.resource != place.bucket:
            raise UsageError(
                f"{chosen.path} is about {saved.resource}",
                cause=f"the location is {place.url}",
                code=ErrorCode.BACKUP_OF_ANOTHER_BUCKET,
                subject=str(chosen.path),
                parameters={"resource": f"{place.scheme}://{saved.resource}"},
            )
        change = _reverted(store_of(saved), saved)
        changes.append(change)
        replaced_by = parsed_policy(change.store, saved.replaced_by)
        if change.changed and not same_meaning(change.before, replaced_by):
            notes.append(f"{change.store.name} was changed by somebody else after that: their change is undone too")
    return PolicyPlan(Location(place.scheme, place.bucket, ""), tuple(changes), (), tuple(notes), (), "revert")


def revert_policy(plan: PolicyPlan, *, backup_dir: Path | None = None) -> PolicyOutcome:
    """Carry out the plan of `plan_revert`; raises like `apply_policy`."""
    return apply_policy(plan, backup_dir=backup_dir)


def _stores(place: Location, settings: StoreSettings, kms_profile: str | None) -> Callable[[SavedPolicy], PolicyStore]:
    def store_of(saved: SavedPolicy) -> PolicyStore:
        if saved.kind == "gcs":
            return GcsPolicyStore(GcsSettingsReader(place.bucket, settings))
        reader = S3SettingsReader(place.bucket, settings, kms_profile=kms_profile)
        return KeyPolicyStore(reader.keys, saved.resource) if saved.kind == "kms" else BucketPolicyStore(reader)

    return store_of


def _unreadable(what: str, found: Unread) -> AccessDenied:
    cause = f"{found.permission}: {found.code or found.reason}"
    return AccessDenied(
        f"cannot read {what}", cause=cause, code=ErrorCode.POLICY_UNREADABLE, subject=what, request_id=found.request_id
    )


def _reverted(store: PolicyStore, saved: SavedPolicy) -> PlannedChange:
    text = store.read()
    if isinstance(text, Unread):
        raise _unreadable(store.name, text)
    before = parsed_policy(store, text)
    after: PolicyDocument | None = None
    if saved.policy is not None:
        after = parsed_policy(store, saved.policy)
        if store.kind == "gcs":
            # The etag is that of the policy it replaces now, not of the one it comes from.
            value = {**after.value, "etag": before.value.get("etag", "")}
            after = document(value, kind="gcs", source=store.resource)
    same = same_meaning(before, after or store.empty)
    step = "remove it: there was none before" if after is None else "put it back as it was"
    return PlannedChange(store, text, before, after, () if same else (step,), (), None, None)
