"""Explain what Nimble may do in one bucket, from a snapshot: verdicts, settings, findings and their fixes."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from harvester.access.bucket_snapshot import (
    PolicyReading,
    Snapshot,
    UnreadablePolicy,
    customer_key,
    is_key_arn,
    known_or_reason,
)
from harvester.access.delivery_targets import DeliveryTarget
from harvester.access.explain.setting_findings import HARVEST_DAYS, SettingsContext, check_settings
from harvester.access.explain.setting_labels import SETTING_NAMES
from harvester.storage import Encryption, Unread
from policies import (
    POLICY_FIXES,
    SEVERITIES,
    CheckReport,
    ChipForecast,
    DesiredState,
    DocumentKind,
    Finding,
    Fix,
    FixAction,
    GateResult,
    PolicyDocument,
    Severity,
    Target,
    UnknownReason,
    Verdict,
    VerdictState,
    advised_change,
    check,
    empty_policy,
    facts,
    gate,
)

_INHERITED = "roles inherited from the project or a folder"
NOT_PROVEN = {
    "s3": (
        "that Nimble's own account allows its user the same",
        "service and resource control policies of the organisation (SCP, RCP)",
        "policies of access points and VPC endpoints",
        "that a request of Nimble's arrives: only its first delivery shows that",
    ),
    "gs": (
        "deny policies and organisation policies of the project",
        _INHERITED,
        "VPC Service Controls",
        "that a request of Nimble's arrives: only its first delivery shows that",
    ),
}
"""What no setting that is read here proves."""
# Shown otherwise: in the requirements, and in the chips.
_SHOWN_OTHERWISE = frozenset({"key-not-checked", "inferred", "no-test-connection"})


@dataclass(frozen=True, slots=True)
class RequirementView:
    """One requirement of the contract, and what decides it."""

    id: str
    """The action and what it is needed on."""
    document: Literal["bucket policy", "key policy"]
    """Which policy must grant it."""
    state: VerdictState
    """The verdict; ``unknown`` also when the policy was not read."""
    decided_by: tuple[str, ...]
    """The statements that decide it, as a person finds them."""
    example: str
    """For ``fails`` and ``unknown``: a resource with that verdict."""
    needs: tuple[str, ...]
    """For ``fails`` and ``unknown``: what the deciding conditions require."""
    reasons: tuple[UnknownReason, ...]
    """For ``unknown``: why."""
    assumptions: tuple[str, ...]
    """For ``holds_assuming``: the assumptions, each with its source."""
    inferred: bool
    """True where Nimble does not document it."""
    decisive: bool = True
    """False where Nimble's page lists the action but no delivery uses it."""


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
    """The settings and policies it is about."""
    report: CheckReport
    """The check of the policies."""
    requirements: tuple[RequirementView, ...]
    """Every requirement."""
    chips: tuple[ChipForecast, ...]
    """What Nimble's Test Connection would show; empty for Google Cloud Storage."""
    findings: tuple[Finding, ...]
    """What was found in policies and settings, gravest first."""
    unknowns: tuple[UnreadSetting, ...]
    """What could not be read."""
    not_proven: tuple[str, ...]
    """What this does not prove."""

    @property
    def advised_changes(self) -> Mapping[DocumentKind, DesiredState]:
        """The change of each policy that makes it pass; none for a policy that passes or that no change corrects."""
        target = self.report.proof.target
        found: dict[DocumentKind, DesiredState] = {}
        kind: DocumentKind = "gcs" if self.target.contract.cloud == "gs" else "s3"
        policies: tuple[tuple[DocumentKind, PolicyReading], ...] = (
            (kind, self.snapshot.policy if self.snapshot.policy is not None else empty_policy(kind)),
            ("kms", self.snapshot.key_policy),
        )
        for name, policy in policies:
            given = [each for each in self.findings if name != "kms" or each.document]
            if isinstance(policy, PolicyDocument):
                desired = advised_change(
                    policy, self.target.contract, target, given, inherited=self.report.inherited, at=self.report.at
                )
                if desired is not None:
                    found[name] = desired
        return found

    @property
    def fixes(self) -> tuple[Fix, ...]:
        """The fixes of what is found, those of settings first, in the order to carry them out."""
        return tuple(dict.fromkeys(each.fix for each in (*self._of_settings(), *self._of_policies())))

    def _of_settings(self) -> Iterator[Finding]:
        return (each for each in self.findings if not each.document and each.fix.action not in POLICY_FIXES)

    def _of_policies(self) -> Iterator[Finding]:
        return (each for each in self.findings if each.document or each.fix.action in POLICY_FIXES)

    def gate(self, *, accept_unknown: Collection[str] = (), fail_on: Severity = "error") -> GateResult:
        """Decide whether the bucket passes; see `policies.gate`."""
        found = dict.fromkeys((*self.report.findings, *self.findings))
        proof = self.report.proof
        verdicts = (*proof.verdicts, *proof.key_verdicts)
        return gate(found, verdicts, accept_unknown=accept_unknown, fail_on=fail_on)

    @property
    def verdict(self) -> Literal["go", "no-go", "unknown"]:
        """``go``: every requirement is granted and nothing keeps Nimble out; ``unknown``: one is not decided."""
        states = {each.state for each in self.requirements if each.decisive}
        if "fails" in states or any(each.severity == "error" for each in self.findings):
            return "no-go"
        return "unknown" if "unknown" in states else "go"


def explain(
    target: DeliveryTarget,
    snapshot: Snapshot,
    *,
    harvest_days: float = HARVEST_DAYS,
    inherited: Sequence[PolicyDocument] | None = None,
    now: datetime | None = None,
) -> Explanation:
    """Explain a snapshot for a target; touches neither network nor disk.

    ``harvest_days`` is how many days a result may wait to be downloaded; ``inherited`` are the policies that a bucket
    of Google's inherits from, None where they were not read. Raises UsageError for an invalid target.
    """
    moment = now or datetime.now(UTC)
    key_policy = snapshot.key_policy if customer_key(snapshot) is not None else None
    report = check(
        target.contract,
        _resolved(target, snapshot),
        known_or_reason(snapshot.policy, "bucket policy", "s3:GetBucketPolicy"),
        known_or_reason(key_policy, "key policy", "kms:GetKeyPolicy"),
        at=moment,
        inherited=inherited,
    )
    of_settings = tuple(check_settings(SettingsContext(target, snapshot, harvest_days, moment, inherited)))
    found = [*_unreadable(snapshot), *report.findings, *of_settings]
    # A public statement that a setting reacts to is a finding about that setting.
    restated = any(each.code.startswith("public-") for each in of_settings)
    found = [each for each in found if each.code not in _SHOWN_OTHERWISE and not (restated and each.code == "public")]
    found.sort(key=lambda each: -SEVERITIES.index(each.severity))
    return Explanation(
        target=target,
        snapshot=snapshot,
        report=report,
        requirements=tuple(_requirement_views(report, snapshot)),
        chips=tuple(_chips(report, snapshot, found)),
        findings=tuple(dict.fromkeys(found)),
        unknowns=tuple(_unread_settings(snapshot)),
        not_proven=tuple(each for each in NOT_PROVEN[target.contract.cloud] if inherited is None or each != _INHERITED),
    )


def _resolved(target: DeliveryTarget, snapshot: Snapshot) -> Target:
    key = customer_key(snapshot)
    settings = snapshot.s3
    region = owner = ""
    bucket_key = None
    if settings is not None:
        bucket_key = settings.encryption.bucket_key if isinstance(settings.encryption, Encryption) else None
        region = settings.region if isinstance(settings.region, str) else ""
        owner = settings.owner if isinstance(settings.owner, str) else ""
    key_arn = key.arn if key is not None and is_key_arn(key.arn) else None
    return target.resolve(key_arn=key_arn, region=region, account=owner, bucket_key=bucket_key)


def _unreadable(snapshot: Snapshot) -> Iterator[Finding]:
    readings: tuple[tuple[PolicyReading, str, Literal["s3", "kms"]], ...] = (
        (snapshot.policy, "bucket policy", "s3"),
        (snapshot.key_policy, "key policy", "kms"),
    )
    for reading, name, kind in readings:
        if isinstance(reading, UnreadablePolicy):
            message = f"{reading.error.what}: {reading.error.cause}"
            yield Finding(
                "policy-not-readable", "error", name, "$", message, Fix(FixAction.EDIT), "invalid", document=kind
            )


def _requirement_views(report: CheckReport, snapshot: Snapshot) -> Iterator[RequirementView]:
    for verdict in report.proof.verdicts:
        yield _view(verdict, "bucket policy", snapshot.policy)
    for verdict in report.proof.key_verdicts:
        yield _view(verdict, "key policy", snapshot.key_policy)


def _view(verdict: Verdict, document: Literal["bucket policy", "key policy"], policy: PolicyReading) -> RequirementView:
    return RequirementView(
        id=verdict.requirement.id,
        document=document,
        state=verdict.state,
        decided_by=tuple(_deciding_labels(verdict, policy)),
        example="" if verdict.granted else verdict.example,
        needs=() if verdict.granted else verdict.needs,
        reasons=verdict.reasons,
        assumptions=tuple(
            f"{each.statement} ({each.source.title}, {each.source.date})" for each in verdict.assumptions
        ),
        inferred=verdict.requirement.inferred,
        decisive=verdict.decisive,
    )


def _deciding_labels(verdict: Verdict, policy: PolicyReading) -> Iterator[str]:
    if not isinstance(policy, PolicyDocument):
        return
    labels = {each.index: each.label for each in policy.statements}
    labels |= {each.index: each.label for each in policy.bindings}
    for reference in verdict.statements:
        # Bindings that the bucket inherits are numbered after its own.
        inherited = f"inherited binding ({reference.sid})" if policy.kind == "gcs" else ""
        label = labels.get(reference.index, inherited)
        if label:
            yield label


def _chips(report: CheckReport, snapshot: Snapshot, findings: Sequence[Finding]) -> Iterator[ChipForecast]:
    """Yield the chips of the policies, unless a setting turns one red or something is not known."""
    connection = facts().test_connection
    for each in report.chips or _unknown_chips(report):
        blocking = next((found for found in findings if each.access in found.blocks), None)
        green = each.chip is not None and each.chip.name == "ok"
        if blocking is not None and each.chip is not None:
            note = f"{blocking.where}: {blocking.code}"
            yield dataclasses.replace(each, chip=connection.chips["access_denied"], note=note)
        elif green and each.access == "write" and _key_is_unknown(snapshot):
            yield dataclasses.replace(each, chip=None, note="the policy of the bucket's key is not known")
        else:
            yield each


def _unknown_chips(report: CheckReport) -> Iterator[ChipForecast]:
    if report.proof.contract.cloud == "s3":
        for access in facts().test_connection.steps:
            yield ChipForecast(access, None, "the bucket's policy is not known")


def _key_is_unknown(snapshot: Snapshot) -> bool:
    known = isinstance(snapshot.key_policy, PolicyDocument) and customer_key(snapshot) is not None
    return snapshot.key is not None and snapshot.key_policy is not None and not known


def _unread_settings(snapshot: Snapshot) -> Iterator[UnreadSetting]:
    for name, label in SETTING_NAMES.items():
        value = getattr(snapshot.settings, name, None)
        if isinstance(value, Unread):
            yield _unread(label, value)
    key = snapshot.key
    if key is not None:
        if key.description is not None:
            yield _unread("state of the key", key.description)
        if isinstance(key.policy, Unread):
            yield _unread("key policy", key.policy)


def _unread(label: str, unread: Unread) -> UnreadSetting:
    return UnreadSetting(label, unread.permission, unread.reason.value, unread.code, unread.request_id)
