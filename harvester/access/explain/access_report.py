"""What Nimble may do in a bucket: each requirement with the statement that decides it, the settings, what mends it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from harvester.access.bucket_snapshot import Snapshot, UnreadablePolicy, customer_key, is_key_arn, key_document
from harvester.access.delivery_targets import DeliveryTarget
from harvester.access.explain.policy_problems import deciding_labels, document_gaps, requirement_gaps
from harvester.access.explain.problem import Gap
from harvester.access.explain.setting_labels import SETTING_NAMES
from harvester.access.explain.settings_problems import HARVEST_DAYS, SettingsContext, check_settings
from harvester.errors import ExitCode
from harvester.storage import Unread
from policies import (
    SEVERITIES,
    ChipForecast,
    PolicyDocument,
    Proof,
    Report,
    State,
    Target,
    UnknownReason,
    Verdict,
    check,
    facts,
    forecast,
    prove,
)

NOT_PROVEN = {
    "s3": (
        "that Nimble's own account allows its user the same",
        "service and resource control policies of the organisation (SCP, RCP)",
        "policies of access points and VPC endpoints",
        "that a request of Nimble's arrives: only its first delivery shows that",
    ),
    "gs": (
        "deny policies and organisation policies of the project",
        "roles inherited from the project or a folder",
        "VPC Service Controls",
        "that a request of Nimble's arrives: only its first delivery shows that",
    ),
}
"""What no setting shown here says."""


@dataclass(frozen=True, slots=True)
class RequirementView:
    """One requirement of the contract, and what decides it."""

    id: str
    """The action and what it is needed on."""
    document: Literal["bucket policy", "key policy"]
    """Which policy must grant it."""
    state: State
    """The verdict; ``unknown`` also when the policy was not read."""
    decided_by: tuple[str, ...]
    """The statements that decide it, as a person finds them."""
    example: str
    """For ``fails`` and ``unknown``: a resource for which it comes out so."""
    needs: tuple[str, ...]
    """For ``fails`` and ``unknown``: what the deciding conditions require."""
    reasons: tuple[UnknownReason, ...]
    """For ``unknown``: why."""
    inferred: bool
    """True where Nimble does not document it."""


@dataclass(frozen=True, slots=True)
class UnreadSetting:
    """A setting that could not be read."""

    setting: str
    """Its name in words."""
    permission: str
    """The permission it takes."""
    reason: str
    """Why."""
    code: str
    """The service's error code; may be empty."""
    request_id: str
    """The service's id of the refused request; may be empty."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What Nimble may do in one bucket."""

    target: DeliveryTarget
    """The bucket, the contract, the prefixes."""
    snapshot: Snapshot
    """What is known of the bucket."""
    requirements: tuple[RequirementView, ...]
    """Every requirement."""
    chips: tuple[ChipForecast, ...]
    """What Nimble's Test Connection would show; empty for Google Cloud Storage."""
    gaps: tuple[Gap, ...]
    """What was found, worst first."""
    unknowns: tuple[UnreadSetting, ...]
    """What could not be read."""
    fixes: tuple[str, ...]
    """The fewest commands that mend what is mended by commands, in the order to run them."""
    not_proven: tuple[str, ...]
    """What this does not prove."""

    @property
    def verdict(self) -> Literal["go", "no-go", "unknown"]:
        """``go``: every requirement holds and nothing keeps Nimble out; ``unknown``: not all could be looked at."""
        if any(gap.severity == "error" for gap in self.gaps):
            return "no-go"
        states = {each.state for each in self.requirements}
        undecided = any(reason.kind != "unread" for each in self.requirements for reason in each.reasons)
        if "fails" in states or undecided:
            return "no-go"
        return "unknown" if self.unknowns or "unknown" in states else "go"

    def exit_code(self, *, strict: bool = False) -> ExitCode:
        """Return 10 for a gap; with ``strict`` also for what is not known."""
        gap = self.verdict == "no-go" or (strict and self.verdict == "unknown")
        return ExitCode.DIFFERENCE if gap else ExitCode.OK


def explain(
    target: DeliveryTarget,
    snapshot: Snapshot,
    *,
    harvest_days: float = HARVEST_DAYS,
    now: datetime | None = None,
) -> Explanation:
    """Explain a snapshot for a target; touches neither network nor disk.

    ``harvest_days`` is how many days a result may wait to be brought home. Raises UsageError for a target that cannot
    be.
    """
    resolved = _resolved(target, snapshot)
    report, proof = _proved(target, resolved, snapshot)
    traps = tuple(check_settings(SettingsContext(target, snapshot, harvest_days, now or datetime.now(UTC))))
    found = [*requirement_gaps(target, proof, snapshot), *document_gaps(target, snapshot, report), *traps]
    # What a public statement does is told by the setting that makes it matter, where there is one.
    told = any(gap.code.startswith("public-") for gap in traps)
    gaps = [gap for gap in found if not (told and gap.code == "public")]
    gaps.sort(key=lambda gap: -SEVERITIES.index(gap.severity))
    return Explanation(
        target=target,
        snapshot=snapshot,
        requirements=tuple(_requirement_views(target, proof, snapshot)),
        chips=tuple(_chips(target, resolved, snapshot, traps)),
        gaps=tuple(dict.fromkeys(gaps)),
        unknowns=tuple(_unknowns(snapshot)),
        fixes=tuple(_fixes(target, gaps)),
        not_proven=NOT_PROVEN[target.contract.cloud],
    )


def _resolved(target: DeliveryTarget, snapshot: Snapshot) -> Target:
    key = customer_key(snapshot)
    region = owner = ""
    if snapshot.s3 is not None:
        region = snapshot.s3.region if isinstance(snapshot.s3.region, str) else ""
        owner = snapshot.s3.owner if isinstance(snapshot.s3.owner, str) else ""
    return target.resolve(
        key_arn=key.arn if key is not None and is_key_arn(key.arn) else None, region=region, account=owner
    )


def _proved(target: DeliveryTarget, resolved: Target, snapshot: Snapshot) -> tuple[Report | None, Proof | None]:
    """Return the report on the documents that are there, and the proof; None for what cannot be proved."""
    policy = snapshot.policy
    key_policy = key_document(snapshot)
    if isinstance(policy, PolicyDocument):
        report = check(target.contract, resolved, policy, key_policy)
        return report, report.proof
    key_report = check(target.contract, resolved, key_policy) if key_policy is not None else None
    if policy is None:
        return key_report, prove(target.contract, resolved, None, key_policy)
    return key_report, key_report.proof if key_report is not None else None


def _requirement_views(target: DeliveryTarget, proof: Proof | None, snapshot: Snapshot) -> Iterator[RequirementView]:
    needed = [each for each in target.contract.requirements if each.scope in ("bucket", *target.prefixes)]
    verdicts = proof.verdicts if proof is not None else ()
    if verdicts:
        for verdict in verdicts:
            yield _view(verdict, "bucket policy", snapshot.policy)
    else:
        for each in needed:
            unread = (UnknownReason("unread", "bucket policy", permission="s3:GetBucketPolicy"),)
            yield RequirementView(each.id, "bucket policy", "unknown", (), "", (), unread, each.inferred)
    if customer_key(snapshot) is None:
        return
    key_verdicts = proof.key_verdicts if proof is not None else ()
    if key_verdicts:
        for verdict in key_verdicts:
            yield _view(verdict, "key policy", snapshot.key_policy)
    else:
        for each in target.contract.key_requirements:
            unread = (UnknownReason("unread", "key policy", permission="kms:GetKeyPolicy"),)
            yield RequirementView(each.id, "key policy", "unknown", (), "", (), unread, each.inferred)


def _view(verdict: Verdict, document: Literal["bucket policy", "key policy"], policy: object) -> RequirementView:
    return RequirementView(
        id=verdict.requirement.id,
        document=document,
        state=verdict.state,
        decided_by=tuple(deciding_labels(verdict, policy)),
        example="" if verdict.granted else verdict.example,
        needs=() if verdict.granted else verdict.needs,
        reasons=verdict.reasons,
        inferred=verdict.requirement.inferred,
    )


def _chips(
    target: DeliveryTarget, resolved: Target, snapshot: Snapshot, traps: Sequence[Gap]
) -> Iterator[ChipForecast]:
    """Yield Nimble's chips: what the policies say, unless a setting says worse or something is not known."""
    if target.contract.cloud == "gs":
        return
    connection = facts().test_connection
    policy = snapshot.policy
    document = policy if isinstance(policy, PolicyDocument) else None
    for each in forecast(target.contract, resolved, document, key_document(snapshot)):
        out = next((trap for trap in traps if each.access in trap.keeps_out), None)
        green = each.chip is not None and each.chip.name == "ok"
        if out is not None and each.chip is not None:
            yield dataclasses.replace(each, chip=connection.chips["access_denied"], note=f"{out.where}: {out.code}")
        elif isinstance(policy, (Unread, UnreadablePolicy)):
            yield dataclasses.replace(each, chip=None, note="the bucket's policy is not known")
        elif green and each.access == "write" and _key_is_unknown(snapshot):
            yield dataclasses.replace(each, chip=None, note="the policy of the bucket's key is not known")
        else:
            yield each


def _key_is_unknown(snapshot: Snapshot) -> bool:
    return snapshot.key is not None and snapshot.key_policy is not None and key_document(snapshot) is None


def _unknowns(snapshot: Snapshot) -> Iterator[UnreadSetting]:
    for name, words in SETTING_NAMES.items():
        value = getattr(snapshot.settings, name, None)
        if isinstance(value, Unread):
            yield _unknown(words, value)
    key = snapshot.key
    if key is not None:
        if key.description is not None:
            yield _unknown("state of the key", key.description)
        if isinstance(key.policy, Unread):
            yield _unknown("key policy", key.policy)


def _unknown(words: str, unread: Unread) -> UnreadSetting:
    return UnreadSetting(words, unread.permission, unread.reason.value, unread.code, unread.request_id)


def _fixes(target: DeliveryTarget, gaps: Sequence[Gap]) -> Iterator[str]:
    """Yield settings' commands first, then one ``policy apply`` that does all of its part."""
    commands = dict.fromkeys(each for gap in gaps if gap.apply_flags is None for each in gap.commands)
    yield from commands
    wanted = [gap for gap in gaps if gap.apply_flags is not None]
    if wanted:
        flags = dict.fromkeys(flag for gap in wanted for flag in gap.apply_flags or ())
        yield target.apply_command(tuple(flags))
