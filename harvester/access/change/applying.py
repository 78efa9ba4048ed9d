"""Change policies as planned: read again, back up, write, read back, explain."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harvester.access.change.backups import Backup, SavedPolicy, write_backup
from harvester.access.change.planning import ManualStep, PolicyEdit, PolicyPlan, manual_step, parsed_policy, plan_edit
from harvester.access.change.policy_store import PolicyStore
from harvester.access.explain import Explanation, explain
from harvester.access.gate_exit_code import exit_code_of
from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import (
    AccessDenied,
    ConnectionFailed,
    DifferenceFound,
    ExitCode,
    HarvesterError,
    IntegrityError,
)
from harvester.sessions import GOOGLE_LOGIN, Login
from harvester.storage import ServiceError, Unread, harvester_error
from policies import PolicyDocument, Severity, grants_at_least, same_meaning

# Settings of a bucket are eventually consistent: the seconds to wait before each attempt to read a write back.
_WAITS = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
# How often a Google policy is planned again while others keep writing.
_ROUNDS = 5

EditStatus = Literal["unchanged", "written", "not read back"]


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """The outcome of one edit."""

    store: str
    """The policy, in words."""
    kind: Literal["s3", "kms", "gcs"]
    """The kind of policy."""
    state: EditStatus
    """``not read back``: written, but these credentials may not read it."""
    stored: PolicyDocument | None
    """What is stored now; None for no policy."""


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """The outcome of a plan."""

    edits: tuple[EditOutcome, ...]
    """One per policy."""
    manual_steps: tuple[ManualStep, ...]
    """What the owner of the key has to do."""
    explanation: Explanation | None
    """What Nimble may do with the policies that are stored now; None where no contract is asked about."""
    backup: Path | None
    """Where the policies as they were are kept; None when nothing was written."""

    @property
    def complete(self) -> bool:
        """Whether the contract is granted, and nothing is left to do by hand."""
        return not self.manual_steps and (self.explanation is None or self.explanation.report.proof.complete)

    def exit_code(self, *, accept_unknown: Collection[str] = (), fail_on: Severity = "error") -> ExitCode:
        """Return 0, or the code of `change_exit_code` where something is still to be done."""
        return change_exit_code(self.explanation, self.manual_steps, accept_unknown=accept_unknown, fail_on=fail_on)


def change_exit_code(
    explanation: Explanation | None,
    manual_steps: Sequence[ManualStep],
    *,
    accept_unknown: Collection[str] = (),
    fail_on: Severity = "error",
) -> ExitCode:
    """Return the exit code of a change, made or planned: that of its explanation, or 10 where steps are left to do."""
    code = ExitCode.OK
    if explanation is not None:
        code = exit_code_of(explanation.gate(accept_unknown=accept_unknown, fail_on=fail_on))
    return ExitCode.DIFFERENCE if code is ExitCode.OK and manual_steps else code


def apply_policy(plan: PolicyPlan, *, backup_dir: Path | None = None) -> PolicyOutcome:
    """Carry out a plan: of `plan_policy`, or of `plan_revert`.

    Raises DifferenceFound where what is stored is not what was planned from, or another document is read back;
    AccessDenied, IntegrityError and ConnectionFailed where a write is refused; DestinationUnusable where no backup can
    be written. Nothing is written before the backup is. An error of a later write states what has been written; its
    parameters ``written`` and ``backup`` are what `plan_revert` undoes.
    """
    outcomes: list[EditOutcome] = []
    manual_steps = list(plan.manual_steps)
    backup: Backup | None = None
    pending = [edit for edit in plan.changes if edit.changed]
    for edit in pending:
        _read_again(edit)
    if pending:
        backup = _back_up(plan, pending, backup_dir)
    for edit in plan.changes:
        if not edit.changed:
            outcomes.append(_outcome(edit, "unchanged"))
            continue
        try:
            outcomes.append(_carry_out(edit))
        except AccessDenied as error:
            # A key in a state that forbids it is no lack of a permission: its owner could not do it either.
            denied = error.code is ErrorCode.POLICY_WRITE_DENIED
            if edit.store.kind != "kms" or edit.desired is None or not denied:
                raise _with_backup(error, plan, outcomes, backup) from error
            manual_steps.append(manual_step(edit.store, edit.desired, error.cause))
            outcomes.append(EditOutcome(edit.store.name, edit.store.kind, "unchanged", edit.before))
        except HarvesterError as error:
            raise _with_backup(error, plan, outcomes, backup) from error
    explanation = _explained(plan, outcomes)
    return PolicyOutcome(tuple(outcomes), tuple(manual_steps), explanation, backup.path if backup is not None else None)


def _explained(plan: PolicyPlan, outcomes: Sequence[EditOutcome]) -> Explanation | None:
    """Explain the bucket with the policies that are stored now."""
    if plan.outcome is None:
        return None
    snapshot = plan.outcome.snapshot
    for each in outcomes:
        snapshot = snapshot.with_policy(each.kind, each.stored)
    return explain(plan.outcome.target, snapshot)


def _outcome(edit: PolicyEdit, state: EditStatus) -> EditOutcome:
    return EditOutcome(edit.store.name, edit.store.kind, state, edit.after if edit.after_text is not None else None)


def _back_up(plan: PolicyPlan, pending: Sequence[PolicyEdit], directory: Path | None) -> Backup:
    saved = [SavedPolicy(each.store.kind, each.store.resource, each.before_text, each.after_text) for each in pending]
    return write_backup(directory, plan.location.scheme, plan.location.bucket, plan.made_by, saved)


def _with_backup(
    error: HarvesterError, plan: PolicyPlan, outcomes: Sequence[EditOutcome], backup: Backup | None
) -> HarvesterError:
    """Return the error of a write with what was written before it, and what undoes that."""
    if backup is None:
        return error
    written = [each.store for each in outcomes if each.state != "unchanged"]
    changed = error.with_parameters(backup=str(backup.path), written=written, location=plan.location.url)
    if written:
        changed.cause = f"{error.cause}; {' and '.join(written)} has been written already"
    return changed


def _read_again(edit: PolicyEdit) -> None:
    """Raise where the policy is no longer what was planned from; on Google, the etag of the write does that."""
    if edit.store.kind == "gcs":
        return
    found = edit.store.read()
    if isinstance(found, Unread):
        raise unreadable_policy(f"{edit.store.name} again", found)
    if found == edit.before_text:
        return
    if not same_meaning(parsed_policy(edit.store, found), edit.before):
        raise DifferenceFound(
            f"{edit.store.name} has changed since it was read, and nothing was written",
            cause="another writer has changed it in the meantime",
            code=ErrorCode.POLICY_CHANGED,
            subject=edit.store.name,
        )


def _carry_out(edit: PolicyEdit) -> EditOutcome:
    for _ in range(_ROUNDS):
        error = edit.store.write(edit.after_text)
        if error is None:
            return _read_back(edit)
        if error.cause is not Cause.PRECONDITION_FAILED or edit.store.kind != "gcs":
            raise _refused(edit.store, error)
        before, edit = edit, _planned_again(edit)
        if edit.before.value == before.before.value:
            # The etag is the same, so there was no write: the condition that failed is another one.
            raise _refused(edit.store, error.with_cause(Cause.REFUSED))
        if not edit.changed:
            return _outcome(edit, "unchanged")
    raise ConnectionFailed(
        f"cannot write {edit.store.name}",
        cause=f"others wrote to it {_ROUNDS} times in a row; none of their changes was overwritten",
        code=ErrorCode.POLICY_WRITE_CONTENDED,
        subject=edit.store.name,
    )


def _planned_again(edit: PolicyEdit) -> PolicyEdit:
    """Plan from what another writer has stored; refuse where that needs other steps than were agreed to."""
    text = edit.store.read()
    if isinstance(text, str) and edit.desired is not None:
        again = plan_edit(edit.store, text, edit.desired)
        if not again.changed or again.steps == edit.steps:
            return again
    raise DifferenceFound(
        f"{edit.store.name} has changed since it was read, and nothing was written",
        cause="another writer has changed it in the meantime, and other steps are needed now",
        code=ErrorCode.POLICY_CHANGED,
        subject=edit.store.name,
    )


def _refused(store: PolicyStore, problem: ServiceError) -> HarvesterError:
    """Return the error of a write that was refused, or may have been done without an answer."""
    what = f"cannot write {store.name}"
    if problem.cause in _UNANSWERED:
        what = f"{what}: there was no answer, so it may have been written or not"
    login = GOOGLE_LOGIN if store.kind == "gcs" else Login("check", None)
    if problem.cause in _REJECTED:
        return IntegrityError(
            f"{what}: the service refuses the document",
            cause=problem.sentence(),
            code=ErrorCode.POLICY_REJECTED,
            subject=store.name,
            request_id=problem.request_id,
        )
    return harvester_error(what, problem, url=store.name, login=login, codes=_WRITE_CODES)


_UNANSWERED = frozenset({Cause.NETWORK, Cause.TIMEOUT, Cause.THROTTLED, Cause.SERVER_ERROR})
_REJECTED = frozenset({Cause.MALFORMED_POLICY, Cause.REFUSED, Cause.GONE})
_WRITE_CODES = {
    Cause.OBJECT_DENIED: ErrorCode.POLICY_WRITE_DENIED,
    Cause.KMS_DENIED: ErrorCode.POLICY_WRITE_DENIED,
    **dict.fromkeys(_UNANSWERED, ErrorCode.POLICY_WRITE_UNANSWERED),
}


def _read_back(edit: PolicyEdit) -> EditOutcome:
    """Read until the policy is what was written; services take a moment, and rewrite what they store."""
    for seconds in _WAITS:
        time.sleep(seconds)
        found = edit.store.read()
        if isinstance(found, Unread):
            return _outcome(edit, "not read back")
        stored = parsed_policy(edit.store, found)
        if _is_written(edit, stored):
            return EditOutcome(edit.store.name, edit.store.kind, "written", stored if found is not None else None)
    raise DifferenceFound(
        f"{edit.store.name} was written, but another document is read back",
        cause="another writer wrote at the same moment, and one of the two writes is lost",
        code=ErrorCode.POLICY_OVERWRITTEN,
        subject=edit.store.name,
    )


def _is_written(edit: PolicyEdit, stored: PolicyDocument) -> bool:
    if edit.store.kind == "gcs" and edit.desired is not None:
        return grants_at_least(stored, edit.after)
    return same_meaning(stored, edit.after)


def unreadable_policy(what: str, found: Unread) -> AccessDenied:
    """Return the error for a policy that these credentials may not read."""
    cause = f"{found.permission}: {found.code or found.reason}"
    return AccessDenied(
        f"cannot read {what}", cause=cause, code=ErrorCode.POLICY_UNREADABLE, subject=what, request_id=found.request_id
    )
