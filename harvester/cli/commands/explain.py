"""``explain``: what Nimble's principal may do, statement by statement."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
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
from harvester.cli.shared.next_steps.fix_commands import advised_commands, finding_command
from harvester.cli.shared.next_steps.fix_texts import fix_text
from harvester.cli.shared.options.delivery_options import delivery_options
from harvester.cli.shared.options.parameters import DIRECTORY, DURATION, LOCATION, format_option, store_options
from harvester.cli.shared.options.policy_options import (
    accept_unknown_option,
    fail_on_option,
    inherited_option,
    policy_bytes_option,
    read_inherited,
)
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.reports.gate_output import gate_document, gate_lines
from harvester.cli.shared.reports.output import print_text
from harvester.cli.shared.run_messages import write_reasons
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.storage import Unread
from harvester.text import printable, wrap
from policies import ChipForecast, Finding, Severity, facts

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
Exit codes: 0 go; 7 a document is invalid or would be refused; 10 a requirement fails or is
unknown, a setting keeps Nimble out, or something changed since the baseline; with --strict also
where a setting could not be read.
""",
)
@click.argument("location", type=LOCATION, nargs=-1)
@delivery_options
@click.option("--kms-key", metavar="ARN", help="Check this key, not that of the default encryption.")
@click.option("--kms-profile", metavar="NAME", help="AWS profile that may read the key's policy.")
@click.option("--policy", type=DIRECTORY, metavar="FILE", help="Offline: the bucket's policy.")
@click.option("--key-policy", type=DIRECTORY, metavar="FILE", help="Offline: the policy of its key.")
@click.option("--settings", "settings_file", type=DIRECTORY, metavar="FILE", help="Offline: saved settings.")
@click.option("--save", type=DIRECTORY, metavar="DIR", help="Write what was read to DIR/BUCKET.")
@click.option("--baseline", type=DIRECTORY, metavar="DIR", help="Show what changed since --save DIR.")
@click.option("--harvest-within", type=DURATION, default="7d", show_default=True, help="How long results may wait.")
@click.option("--strict", is_flag=True, help="Exit 10 where a setting could not be read, too.")
@inherited_option
@policy_bytes_option
@fail_on_option
@accept_unknown_option
@format_option("table", "json")
@store_options
@quiet_option
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
    """Show what Nimble may do at LOCATION, and how to correct what is wrong.

    By the bucket's policy, its key's policy and its settings: each requirement with its verdict and the statement that
    decides it, every finding, and the fewest commands that resolve them.
    """
    clouds = {each.scheme for each in location} - {"gs"}
    chosen["inherited"] = read_inherited(
        chosen["inherited"], clouds.pop() if clouds else "gs", chosen["max_policy_bytes"]
    )
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
            inherited=chosen["inherited"],
        )
    code = report.exit_code(strict=strict, accept_unknown=chosen["accept_unknown"], fail_on=chosen["fail_on"])
    connection = (settings, chosen["kms_profile"])
    if output == "json":
        document = as_document(report, *connection, accept_unknown=chosen["accept_unknown"], fail_on=chosen["fail_on"])
        print_text(json.dumps({**document, "exit_code": int(code)}, indent=2))
    else:
        parts = []
        for explanation, comparison in zip(report.explanations, report.comparisons, strict=True):
            result = explanation.gate(accept_unknown=chosen["accept_unknown"], fail_on=chosen["fail_on"])
            lines = (f"  {each}" for each in gate_lines(result))
            parts.append("\n".join((*_render(explanation, comparison, *connection), *lines)))
        print_text("\n\n".join(parts))
        if len(report.explanations) > 1:
            print_text(f"\ntogether: {report.verdict}")
    if save is not None:
        for explanation in report.explanations:
            for path in save_snapshot(explanation.snapshot, save):
                click.echo(f"saved {path}", err=True)
    write_reasons(code, _reasons(report, *connection, strict=strict))
    return int(code)


def _offline(location: tuple[Location, ...], delivery: dict[str, Any], chosen: dict[str, Any]) -> AccessReport:
    targets = find_targets(location, **delivery)
    if len({target.bucket for target in targets}) > 1:
        raise UsageError(
            "saved files hold one bucket, and the locations name several",
            code=ErrorCode.SNAPSHOT_OF_ONE_BUCKET,
        )
    snapshot = load_snapshot(
        targets[0],
        policy_file=chosen["policy"],
        key_policy_file=chosen["key_policy"],
        settings_file=chosen["settings_file"],
        key_arn=chosen["kms_key"],
        max_policy_bytes=chosen["max_policy_bytes"],
    )
    snapshots = {target.bucket: snapshot for target in targets}
    days = chosen["harvest_within"] / _DAY
    return explain_snapshots(
        targets, snapshots, harvest_days=days, baseline=chosen["baseline"], inherited=chosen["inherited"]
    )


def as_document(
    report: AccessReport,
    settings: StoreSettings,
    kms_profile: str | None,
    *,
    accept_unknown: Collection[str] = (),
    fail_on: Severity = "error",
) -> dict[str, Any]:
    """Return a report as JSON has it, with the decision under these options."""
    return {
        "schema": "urn:nimble-harvester:explain:v1",
        "verdict": report.verdict,
        "explanations": [
            {
                **_document(each, comparison, settings, kms_profile),
                "gate": gate_document(each.gate(accept_unknown=accept_unknown, fail_on=fail_on), fail_on),
            }
            for each, comparison in zip(report.explanations, report.comparisons, strict=True)
        ],
    }


def _document(
    explanation: Explanation, comparison: Comparison | None, settings: StoreSettings, kms_profile: str | None
) -> dict[str, Any]:
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
                "reasons": [reason.code for reason in each.reasons],
                "assumptions": list(each.assumptions),
                "inferred": each.inferred,
            }
            for each in explanation.requirements
        ],
        "chips": {
            each.access: {"chip": each.chip.text if each.chip is not None else None, "note": each.note}
            for each in explanation.chips
        },
        "gaps": [
            {
                "code": each.code,
                "severity": each.severity,
                "where": _where(each),
                "message": each.message,
                "fix": fix_text(each),
                "command": finding_command(explanation, each, settings, kms_profile),
                "inferred": each.inferred,
            }
            for each in explanation.findings
        ],
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
        "fixes": list(advised_commands(explanation, settings, kms_profile)),
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


def _where(finding: Finding) -> str:
    document = {"s3": "bucket policy", "kms": "key policy", "gcs": "IAM policy", "": ""}[finding.document]
    return ", ".join(filter(None, (document, finding.where)))


def _render(
    explanation: Explanation, comparison: Comparison | None, settings: StoreSettings, kms_profile: str | None
) -> Iterator[str]:
    target = explanation.target
    yield f"{target.contract.cloud}://{target.bucket}: {explanation.verdict}"
    yield wrap(f"{target.contract.mode}, as {target.contract.principal}", first="  ")
    for name, prefix in target.prefixes.items():
        yield f"  {name:<8}{printable(prefix) or 'the whole bucket'}"
    yield from _chips(explanation)
    yield "\n  requirements"
    for each in explanation.requirements:
        yield from _requirement(each)
    yield "\n  settings"
    yield from _settings(explanation)
    if explanation.findings:
        yield "\n  findings"
        for found in explanation.findings:
            where = _where(found)
            yield wrap(printable(f"{found.severity}: {found.code}{f' ({where})' if where else ''}"), first="    ")
            yield wrap(printable(found.message), first=" " * 6)
            yield wrap(printable(fix_text(found)), first=" " * 6 + "-> ")
    if comparison is not None:
        yield "\n  since the baseline"
        yield from _since(comparison)
    commands = advised_commands(explanation, settings, kms_profile)
    if commands:
        yield "\n  to resolve it"
        for number, command in enumerate(commands, start=1):
            # Not wrapped: a command is copied as it stands.
            yield f"    {number}. {printable(command)}"
    yield "\n  not proven"
    for text in explanation.not_proven:
        yield wrap(text, first="    - ")


def _reasons(report: AccessReport, settings: StoreSettings, kms_profile: str | None, *, strict: bool) -> Iterator[str]:
    """Yield why the exit code is not 0: what is not granted, what keeps Nimble out, what changed, and the commands."""
    for explanation, comparison in zip(report.explanations, report.comparisons, strict=True):
        target = explanation.target
        yield f"  {target.contract.cloud}://{target.bucket}: {explanation.verdict}"
        for each in explanation.requirements:
            if each.state not in ("holds", "holds_assuming"):
                yield from _requirement(each)
        for found in explanation.findings:
            if found.severity != "info":
                yield wrap(printable(f"{found.severity}: {found.code}: {found.message}"), first="    ")
        for unknown in explanation.unknowns if strict else ():
            yield wrap(printable(f"unknown: {unknown.setting}, takes {unknown.permission}"), first="    ")
        if comparison is not None and comparison.drifts:
            yield "    since the baseline"
            yield from _since(comparison)
        for command in advised_commands(explanation, settings, kms_profile):
            yield f"    {printable(command)}"


def _chips(explanation: Explanation) -> Iterator[str]:
    """Yield the chips; on one line for a mode without a Test Connection."""
    if not explanation.chips:
        return
    texts = {each.access: _chip_text(each) for each in explanation.chips}
    belongs = facts().test_connection.mode
    if explanation.target.contract.mode != belongs:
        shown = "; ".join(f"{access} {text}" for access, text in texts.items())
        yield wrap(f"Test Connection belongs to {belongs}; here it would show: {shown}", first="\n  ", rest="  ")
        return
    yield "\n  Nimble's Test Connection would show"
    for access, text in texts.items():
        yield wrap(text, first=f"    {access:<7}", rest=" " * 11)


def _chip_text(forecast: ChipForecast) -> str:
    text = forecast.chip.text if forecast.chip is not None else "not known"
    return f"{text}{f' ({forecast.note})' if forecast.note else ''}"


def _requirement(each: RequirementView) -> Iterator[str]:
    by = ", ".join(each.decided_by)
    inferred = " (not documented)" if each.inferred else ""
    yield wrap(printable(f"{each.id}{inferred}{f': {by}' if by else ''}"), first=f"    {_MARKS[each.state]:<8}")
    for reason in each.reasons:
        yield wrap(printable(str(reason)), first=" " * 12)
    for assumption in each.assumptions:
        yield wrap(f"assuming that {assumption}", first=" " * 12)
    if each.example and not by and not each.reasons:
        why = "; ".join(each.needs) or "allowed by no statement"
        yield wrap(printable(f"{why}, e.g. {each.example}"), first=" " * 12)


def _settings(explanation: Explanation) -> Iterator[str]:
    known = explanation.snapshot.settings
    for name, label in SETTING_NAMES.items():
        if name == "policy" or not hasattr(known, name):
            continue
        value = getattr(known, name)
        if not isinstance(value, Unread):
            yield wrap(printable(words(value)), first=f"    {label:<36}")
    if explanation.snapshot.key is not None:
        yield wrap(printable(words(explanation.snapshot.key)), first=f"    {'key':<36}")
    for unknown in explanation.unknowns:
        code = f", {unknown.code}" if unknown.code else ""
        request = f", request id {unknown.request_id}" if unknown.request_id else ""
        text = f"unknown ({unknown.reason}{code}{request}): takes {unknown.permission}"
        yield wrap(printable(text), first=f"    {unknown.setting:<36}")


def _since(comparison: Comparison) -> Iterator[str]:
    if not comparison.drifts:
        yield "    nothing changed"
    for drift in comparison.drifts:
        yield wrap(printable(str(drift)), first="    - ")
    if comparison.lost:
        yield wrap(f"takes away {', '.join(comparison.lost)}", first="    ")
    if comparison.gained:
        yield wrap(f"brings {', '.join(comparison.gained)}", first="    ")
