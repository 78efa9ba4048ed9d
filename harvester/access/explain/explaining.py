"""Explain what Nimble may do, from the cloud or from files, for every bucket of one delivery."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harvester.access.bucket_snapshot import Snapshot, read_snapshot
from harvester.access.delivery_targets import DeliveryTarget, find_targets
from harvester.access.explain.access_report import Explanation, explain
from harvester.access.explain.drift import Drift, find_drift
from harvester.access.explain.setting_findings import HARVEST_DAYS
from harvester.access.gate_exit_code import exit_code_of
from harvester.access.snapshot_files import load_saved
from harvester.errors import ExitCode
from harvester.location import Location
from harvester.sessions import StoreSettings
from policies import PolicyDocument, Severity


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed since a baseline, and what that takes away."""

    drifts: tuple[Drift, ...]
    """The differences."""
    lost: tuple[str, ...]
    """Requirements that held then and do not now."""
    gained: tuple[str, ...]
    """Requirements that hold now and did not then."""


@dataclass(frozen=True, slots=True)
class AccessReport:
    """What Nimble may do in every bucket of one delivery."""

    explanations: tuple[Explanation, ...]
    """One per bucket."""
    comparisons: tuple[Comparison | None, ...]
    """What changed since the baseline, in the order of the explanations; None without a baseline."""

    @property
    def verdict(self) -> Literal["go", "no-go", "unknown"]:
        """The worst of the verdicts."""
        verdicts = {each.verdict for each in self.explanations}
        return "no-go" if "no-go" in verdicts else "unknown" if "unknown" in verdicts else "go"

    def exit_code(
        self, *, strict: bool = False, accept_unknown: Collection[str] = (), fail_on: Severity = "error"
    ) -> ExitCode:
        """Return the exit code of the worst bucket.

        7: a document is invalid or would be refused; 10: a requirement fails or is unknown, a setting keeps Nimble
        out, or something changed since the baseline; with ``strict`` also where a setting could not be read. A
        requirement that is unknown for none but the reasons in ``accept_unknown`` passes; findings as grave as
        ``fail_on`` do not.
        """
        codes = [exit_code_of(each.gate(accept_unknown=accept_unknown, fail_on=fail_on)) for each in self.explanations]
        if ExitCode.INTEGRITY in codes:
            return ExitCode.INTEGRITY
        changed = any(each is not None and each.drifts for each in self.comparisons)
        unread = strict and any(each.unknowns for each in self.explanations)
        return ExitCode.DIFFERENCE if changed or unread or ExitCode.DIFFERENCE in codes else ExitCode.OK


def explain_access(
    locations: Location | str | Sequence[Location | str],
    mode: str,
    *,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    prefix: str | None = None,
    principal: str | None = None,
    key_arn: str | None = None,
    kms_profile: str | None = None,
    settings: StoreSettings | None = None,
    harvest_days: float = HARVEST_DAYS,
    baseline: Path | None = None,
    inherited: Sequence[PolicyDocument] | None = None,
) -> AccessReport:
    """Explain what Nimble's principal may do at locations, from their present settings and policies.

    ``inputs``, ``outputs`` and ``prefix`` are prefixes of the one location, or locations of their own; ``harvest_days``
    is how many days a result may wait to be downloaded; ``baseline`` is a directory that `save_snapshot` wrote;
    ``inherited`` are the IAM policies that a Google bucket inherits from, as `policies.parse_inherited` reads them.
    Raises UsageError for what cannot be asked, NoSuchBucket, AccessDenied for rejected credentials, ConnectionFailed
    when nothing answers, ConfigurationError without credentials. What may not be read is in the report as unknown.
    """
    several = [locations] if isinstance(locations, Location | str) else list(locations)
    targets = find_targets(several, mode, inputs=inputs, outputs=outputs, prefix=prefix, principal=principal)
    snapshots: dict[str, Snapshot] = {}
    for target in targets:
        if target.bucket not in snapshots:
            snapshots[target.bucket] = read_snapshot(
                target.location, settings, key_arn=key_arn, kms_profile=kms_profile
            )
    return explain_snapshots(targets, snapshots, harvest_days=harvest_days, baseline=baseline, inherited=inherited)


def explain_snapshots(
    targets: Sequence[DeliveryTarget],
    snapshots: Mapping[str, Snapshot],
    *,
    harvest_days: float = HARVEST_DAYS,
    baseline: Path | None = None,
    inherited: Sequence[PolicyDocument] | None = None,
) -> AccessReport:
    """Explain targets from snapshots, which are named by bucket; touches no network. See `explain_access`."""
    explanations = []
    comparisons: list[Comparison | None] = []
    for target in targets:
        snapshot = snapshots[target.bucket]
        explanation = explain(target, snapshot, harvest_days=harvest_days, inherited=inherited)
        explanations.append(explanation)
        if baseline is None:
            comparisons.append(None)
        else:
            before = load_saved(target, baseline)
            comparisons.append(
                _compare(explain(target, before, harvest_days=harvest_days, inherited=inherited), explanation)
            )
    return AccessReport(tuple(explanations), tuple(comparisons))


def _compare(before: Explanation, after: Explanation) -> Comparison:
    held, holds = (
        [each.id for each in explanation.requirements if each.state in ("holds", "holds_assuming")]
        for explanation in (before, after)
    )
    return Comparison(
        tuple(find_drift(before.snapshot, after.snapshot)),
        tuple(each for each in held if each not in holds),
        tuple(each for each in holds if each not in held),
    )
