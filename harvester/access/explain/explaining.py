"""Explain what Nimble may do, from the cloud or from files, for every bucket of one delivery at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from harvester.access.bucket_snapshot import Snapshot
from harvester.access.commands import with_connection
from harvester.access.delivery_targets import DeliveryTarget, find_targets
from harvester.access.explain.access_report import Explanation, explain
from harvester.access.explain.drift import Drift, find_drift
from harvester.access.explain.settings_problems import HARVEST_DAYS
from harvester.access.inspection import inspect_bucket
from harvester.access.snapshot_files import load_saved
from harvester.errors import ExitCode
from harvester.location import Location
from harvester.sessions import StoreSettings


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

    def exit_code(self, *, strict: bool = False) -> ExitCode:
        """Return 10 for a gap or a change since the baseline, with ``strict`` also for what is not known; else 0."""
        changed = any(each is not None and each.drifts for each in self.comparisons)
        worst = max((each.exit_code(strict=strict) for each in self.explanations), default=ExitCode.OK)
        return ExitCode.DIFFERENCE if changed else worst


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
) -> AccessReport:
    """Explain what Nimble's principal may do at locations, from what the cloud says of them now.

    ``inputs``, ``outputs`` and ``prefix`` are prefixes of the one location, or locations of their own; ``harvest_days``
    is how many days a result may wait to be brought home; ``baseline`` is a directory that `save_snapshot` wrote.
    Raises UsageError for what cannot be asked, NoSuchBucket, AccessDenied for rejected credentials, ConnectionFailed
    when nothing answers, ConfigurationError without credentials. What may not be seen is in the report as unknown.
    """
    several = [locations] if isinstance(locations, Location | str) else list(locations)
    targets = find_targets(several, mode, inputs=inputs, outputs=outputs, prefix=prefix, principal=principal)
    snapshots: dict[str, Snapshot] = {}
    for target in targets:
        if target.bucket not in snapshots:
            snapshots[target.bucket] = inspect_bucket(
                target.location, settings, key_arn=key_arn, kms_profile=kms_profile
            )
    report = explain_snapshots(targets, snapshots, harvest_days=harvest_days, baseline=baseline)
    run_as = settings or StoreSettings()
    connected = tuple(_connected(each, run_as, kms_profile) for each in report.explanations)
    return replace(report, explanations=connected)


def _connected(explanation: Explanation, settings: StoreSettings, kms_profile: str | None) -> Explanation:
    def run(command: str) -> str:
        return with_connection(command, settings, kms_profile)

    gaps = tuple(replace(gap, commands=tuple(map(run, gap.commands))) for gap in explanation.gaps)
    return replace(explanation, gaps=gaps, fixes=tuple(map(run, explanation.fixes)))


def explain_snapshots(
    targets: Sequence[DeliveryTarget],
    snapshots: Mapping[str, Snapshot],
    *,
    harvest_days: float = HARVEST_DAYS,
    baseline: Path | None = None,
) -> AccessReport:
    """Explain targets from snapshots, which are named by bucket; touches no network. See `explain_access`."""
    explanations = []
    comparisons: list[Comparison | None] = []
    for target in targets:
        snapshot = snapshots[target.bucket]
        explanation = explain(target, snapshot, harvest_days=harvest_days)
        explanations.append(explanation)
        if baseline is None:
            comparisons.append(None)
        else:
            before = load_saved(target, baseline)
            comparisons.append(_compare(explain(target, before, harvest_days=harvest_days), explanation))
    return AccessReport(tuple(explanations), tuple(comparisons))


def _compare(before: Explanation, after: Explanation) -> Comparison:
    held, holds = (
        [each.id for each in explanation.requirements if each.state == "holds"] for explanation in (before, after)
    )
    return Comparison(
        tuple(find_drift(before.snapshot, after.snapshot)),
        tuple(each for each in held if each not in holds),
        tuple(each for each in holds if each not in held),
    )
