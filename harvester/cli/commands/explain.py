"""``explain``: what Nimble's own principal may do, statement by statement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from harvester.access import (
    SETTING_NAMES,
    AccessReport,
    Comparison,
    Explanation,
    RequirementView,
    explain_access,
    explain_snapshots,
    find_targets,
    load_snapshot,
    save_snapshot,
    words,
)
from harvester.cli.shared.delivery_options import delivery_options
from harvester.cli.shared.output import print_text
from harvester.cli.shared.parameters import DIRECTORY, DURATION, LOCATION, format_option, store_options
from harvester.errors import UsageError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import Unread
from harvester.text import wrap
from policies import facts

_MARKS = {"holds": "ok", "holds_assuming": "ok*", "unknown": "unknown", "fails": "FAILS"}
_DAY = 86400.0


@click.command(
    "explain",
    epilog="""\b
Examples:
  nimble-harvester explain s3://my-bucket/results/ --mode async
  nimble-harvester explain s3://my-bucket --mode jobs --input in/ --output out/
  nimble-harvester explain s3://my-bucket --mode jobs --save before
  nimble-harvester explain s3://my-bucket --mode jobs --baseline before
  nimble-harvester explain s3://my-bucket/results/ --mode async --policy policy.json
\b
Exit codes: 0 go, or not known; 10 a gap, or a change since the baseline;
with --strict also for what is not known.
""",
)
@click.argument("location", type=LOCATION, nargs=-1)
@delivery_options
@click.option("--kms-key", metavar="ARN", help="Look at this key, not at that of the default encryption.")
@click.option("--kms-profile", metavar="NAME", help="AWS profile that may look at the key.")
@click.option("--policy", type=DIRECTORY, metavar="FILE", help="Offline: the bucket's policy.")
@click.option("--key-policy", type=DIRECTORY, metavar="FILE", help="Offline: the policy of its key.")
@click.option("--settings", "settings_file", type=DIRECTORY, metavar="FILE", help="Offline: saved settings.")
@click.option("--save", type=DIRECTORY, metavar="DIR", help="Write what was read to DIR/BUCKET.")
@click.option("--baseline", type=DIRECTORY, metavar="DIR", help="Say what changed since --save DIR.")
@click.option("--harvest-within", type=DURATION, default="7d", show_default=True, help="How long results may wait.")
@click.option("--strict", is_flag=True, help="Exit 10 for what is not known, too.")
@format_option("table", "json")
@store_options
def explain_command(
    *,
    location: tuple[Location, ...],
    delivery: dict[str, Any],
    settings: StoreSettings,
    strict: bool,
    output: str,
    save: Path | None,
    **chosen: Any,
) -> int:
    """Say what Nimble may do at LOCATION, and what to mend.

    What Nimble's principal may do, by the bucket's policy, its key's policy and its settings: each requirement with the
    statement that decides it, the chip Nimble would show, and the fewest commands that mend what is wrong.
    """
    if any(chosen[name] is not None for name in ("policy", "key_policy", "settings_file")):
        report = _offline(location, delivery, chosen)
    else:
        report = explain_access(
            location,
            **delivery,
            key_arn=chosen["kms_key"],
            kms_profile=chosen["kms_profile"],
            settings=settings,
            harvest_days=chosen["harvest_within"] / _DAY,
            baseline=chosen["baseline"],
        )
    code = report.exit_code(strict=strict)
    if output == "json":
        print_text(json.dumps({**as_document(report), "exit_code": int(code)}, indent=2))
    else:
        print_text(
            "\n\n".join("\n".join(_render(*each)) for each in zip(report.explanations, report.comparisons, strict=True))
        )
        if len(report.explanations) > 1:
            print_text(f"\ntogether: {report.verdict}")
    if save is not None:
        for explanation in report.explanations:
            for path in save_snapshot(explanation.snapshot, save):
                click.echo(f"saved {path}", err=True)
    return int(code)


def _offline(location: tuple[Location, ...], delivery: dict[str, Any], chosen: dict[str, Any]) -> AccessReport:
    targets = find_targets(location, **delivery)
    if len({target.bucket for target in targets}) > 1:
        raise UsageError(
            "saved files hold one bucket, and the locations name several",
            parameters={"advice": "explain each bucket by itself"},
        )
    snapshot = load_snapshot(
        targets[0],
        policy_file=chosen["policy"],
        key_policy_file=chosen["key_policy"],
        settings_file=chosen["settings_file"],
        key_arn=chosen["kms_key"],
    )
    snapshots = {target.bucket: snapshot for target in targets}
    days = chosen["harvest_within"] / _DAY
    return explain_snapshots(targets, snapshots, harvest_days=days, baseline=chosen["baseline"])


def as_document(report: AccessReport) -> dict[str, Any]:
    """Return a report as JSON has it."""
    return {
        "schema": "urn:nimble-harvester:explain:v1",
        "verdict": report.verdict,
        "explanations": [
            _document(each, comparison)
            for each, comparison in zip(report.explanations, report.comparisons, strict=True)
        ],
    }


def _document(explanation: Explanation, comparison: Comparison | None) -> dict[str, Any]:
    target = explanation.target
    document: dict[str, Any] = {
        "bucket": target.bucket,
        "cloud": target.contract.cloud,
        "mode": target.contract.mode,
        "principal": target.contract.principal,
        "prefixes": dict(target.prefixes),
        "verdict": explanation.verdict,
        "requirements": [
            {
                "id": each.id,
                "document": each.document,
                "state": each.state,
                "decided_by": list(each.decided_by),
                "example": each.example,
                "needs": list(each.needs),
                "inferred": each.inferred,
            }
            for each in explanation.requirements
        ],
        "chips": {
            each.access: {"chip": each.chip.text if each.chip is not None else None, "note": each.note}
            for each in explanation.chips
        },
        "gaps": [gap.as_document() for gap in explanation.gaps],
        "unknown": [
            {
                "setting": each.setting,
                "permission": each.permission,
                "reason": each.reason,
                "code": each.code,
                "request_id": each.request_id,
            }
            for each in explanation.unknowns
        ],
        "fixes": list(explanation.fixes),
        "not_proven": list(explanation.not_proven),
        "since": None,
    }
    if comparison is not None:
        document["since"] = {
            "changes": [
                {"where": each.where, "before": each.before, "after": each.after} for each in comparison.drifts
            ],
            "lost": list(comparison.lost),
            "gained": list(comparison.gained),
        }
    return document


def _render(explanation: Explanation, comparison: Comparison | None) -> Iterator[str]:
    target = explanation.target
    yield f"{target.contract.cloud}://{target.bucket}: {explanation.verdict}"
    yield wrap(f"{target.contract.mode}, as {target.contract.principal}", first="  ")
    for name, prefix in target.prefixes.items():
        yield f"  {name:<8}{prefix or 'the whole bucket'}"
    if explanation.chips:
        belongs = facts().test_connection.mode
        of_no_matter = "" if target.contract.mode == belongs else f", which is of no matter: it belongs to {belongs}"
        yield wrap(f"Nimble's Test Connection would show{of_no_matter}", first="\n  ", rest="  ")
        for chip in explanation.chips:
            text = chip.chip.text if chip.chip is not None else "not known"
            yield wrap(f"{text}{f' ({chip.note})' if chip.note else ''}", first=f"    {chip.access:<7}", rest=" " * 11)
    yield "\n  requirements"
    for each in explanation.requirements:
        yield from _requirement(each)
    yield "\n  settings"
    yield from _settings(explanation)
    if explanation.gaps:
        yield "\n  found"
        for gap in explanation.gaps:
            yield wrap(f"{gap.severity}: {gap.code} ({gap.where})", first="    ", rest=" " * 6)
            yield wrap(gap.message, first=" " * 6)
            if not gap.command:
                yield wrap(gap.fix, first=" " * 6 + "-> ")
    if comparison is not None:
        yield "\n  since the baseline"
        yield from _since(comparison)
    if explanation.fixes:
        yield "\n  to mend it"
        for number, command in enumerate(explanation.fixes, start=1):
            # Not wrapped: a command is copied as it stands.
            yield f"    {number}. {command}"
    yield "\n  not proven"
    for text in explanation.not_proven:
        yield wrap(text, first="    - ")


def _requirement(each: RequirementView) -> Iterator[str]:
    by = ", ".join(each.decided_by)
    inferred = " (not documented)" if each.inferred else ""
    yield wrap(f"{each.id}{inferred}{f': {by}' if by else ''}", first=f"    {_MARKS[each.state]:<8}")
    if each.example and not by:
        yield wrap(f"allowed by no statement, e.g. {each.example}", first=" " * 12)


def _settings(explanation: Explanation) -> Iterator[str]:
    known = explanation.snapshot.settings
    for name, said in SETTING_NAMES.items():
        if name == "policy" or not hasattr(known, name):
            continue
        value = getattr(known, name)
        if not isinstance(value, Unread):
            yield wrap(words(value), first=f"    {said:<36}")
    if explanation.snapshot.key is not None:
        yield wrap(words(explanation.snapshot.key), first=f"    {'key':<36}")
    for unknown in explanation.unknowns:
        code = f", {unknown.code}" if unknown.code else ""
        request = f", request id {unknown.request_id}" if unknown.request_id else ""
        text = f"unknown ({unknown.reason}{code}{request}): takes {unknown.permission}"
        yield wrap(text, first=f"    {unknown.setting:<36}")


def _since(comparison: Comparison) -> Iterator[str]:
    if not comparison.drifts:
        yield "    nothing changed"
    for drift in comparison.drifts:
        yield wrap(str(drift), first="    - ")
    if comparison.lost:
        yield wrap(f"takes away {', '.join(comparison.lost)}", first="    ")
    if comparison.gained:
        yield wrap(f"brings {', '.join(comparison.gained)}", first="    ")
