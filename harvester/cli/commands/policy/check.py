"""``policy check``: a verdict per requirement, and every finding, for saved documents."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from harvester.access import exit_code_of
from harvester.cli.shared.next_steps.fix_commands import change_flags, merge_command
from harvester.cli.shared.next_steps.fix_texts import fix_text
from harvester.cli.shared.next_steps.policy_steps import policy_step
from harvester.cli.shared.options.option_errors import option_inapplicable
from harvester.cli.shared.options.policy_options import (
    TargetOptions,
    accept_unknown_option,
    cloud_option,
    describe_target,
    fail_on_option,
    inherited_option,
    kind_option,
    parse_document,
    parse_raw,
    policy_bytes_option,
    policy_errors,
    read_inherited,
    read_text,
    target_of,
    target_options,
)
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.reports.gate_output import gate_document, gate_lines
from harvester.cli.shared.reports.output import print_text
from harvester.cli.shared.run_messages import write_reasons
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.text import printable, wrap

if TYPE_CHECKING:
    from policies import (
        Assumption,
        CheckReport,
        ChipForecast,
        DesiredState,
        Finding,
        PolicyDocument,
        UnknownReason,
        Verdict,
    )

SCHEMA = "urn:nimble-harvester:policy-check:v1"
_MARKS = {"holds": "ok", "holds_assuming": "ok*", "unknown": "unknown", "fails": "FAILS"}


@click.command(
    short_help="Check a policy against what Nimble needs.",
    epilog="""\b
Examples:
  nimble-harvester policy check policy.json --mode async --bucket my-bucket --prefix nimble/
  aws s3api get-bucket-policy --bucket my-bucket --query Policy --output text |
    nimble-harvester policy check - --mode jobs --bucket my-bucket --format json
\b
Exit codes: 0 every requirement is granted; 7 a document is invalid or would be refused;
10 a requirement fails or is unknown, or a finding is as grave as --fail-on.
""",
)
@click.argument("file", metavar="FILE|-")
@target_options
@cloud_option
@kind_option
@click.option("--key-policy", metavar="FILE", help="The policy of the bucket's KMS key, or the statement for it.")
@click.option("--region", metavar="REGION", help="The bucket's Region, where it decides a condition.")
@click.option("--account", metavar="ID", help="The account that owns the bucket, where it decides a condition.")
@inherited_option
@policy_bytes_option
@fail_on_option
@accept_unknown_option
@click.option("--format", "form", type=click.Choice(["table", "json", "jsonl"]), default="table", show_default=True)
@quiet_option
def check(file: str, **options: Any) -> int:
    """Check a policy: a verdict per requirement, for every key, and every finding with its fix."""
    form = options["form"]
    arguments = _arguments(options)
    target = target_of(options)
    if file == "-" and options["key_policy"] == "-":
        raise UsageError("both documents from standard input", code=ErrorCode.STANDARD_INPUT_TWICE)
    max_bytes = options["max_policy_bytes"]
    text = read_text(file, max_bytes)
    if form != "table":
        invalid = _invalid(text, file, options["kind"], target.bucket)
        if invalid is not None:
            refused = {"outcome": "invalid", "causes": [invalid["code"]], "fail_on": options["fail_on"], "accepted": []}
            _print_json(form, {"schema": SCHEMA, "complete": False, "verdicts": [], "gate": refused}, [invalid])
    policy = parse_document(text, file, options["kind"], target.bucket)
    key_policy = None
    if options["key_policy"]:
        key_policy = parse_document(
            read_text(options["key_policy"], max_bytes), options["key_policy"], "kms", target.bucket
        )
    report = _report(target, policy, key_policy, options, len(text))
    command = merge_command(file, arguments, _advised(report, policy)) if file != "-" else ""
    from policies import gate

    verdicts = (*report.proof.verdicts, *report.proof.key_verdicts)
    result = gate(report.findings, verdicts, accept_unknown=options["accept_unknown"], fail_on=options["fail_on"])
    if form == "table":
        describe_target(report.proof.contract, report.proof.target)
        print_text("\n".join((*_table(report, command), *gate_lines(result))))
    else:
        findings = [_finding(each) for each in report.findings]
        summary = {**_summary(report, policy.kind), "gate": gate_document(result, options["fail_on"])}
        _print_json(form, {**summary, "command": command or None}, findings)
    code = exit_code_of(result)
    write_reasons(code, [f"  {line}" for each in _reasons(report, command) for line in each.splitlines()])
    return code


def _arguments(options: dict[str, Any]) -> list[str]:
    """Return the arguments that name the same target for another command."""
    names = {
        "mode": "--mode",
        "bucket": "--bucket",
        "prefix": "--prefix",
        "input_prefix": "--input",
        "output_prefix": "--output",
        "kms_key": "--kms-key",
        "principal": "--principal",
        "cloud": "--cloud",
        "kind": "--kind",
    }
    return [f"{flag} {shlex.quote(options[name])}" for name, flag in names.items() if options.get(name)]


def _report(
    options: TargetOptions,
    policy: PolicyDocument,
    key_policy: PolicyDocument | None,
    given: Mapping[str, Any],
    size: int,
) -> CheckReport:
    from policies import check as check_policy

    contract, resolved = options.resolve(policy.kind)
    if (policy.kind == "gcs") is not (contract.cloud == "gs"):
        raise option_inapplicable(
            f"the document is a {policy.kind.upper()} policy, --cloud is {contract.cloud}",
            "--cloud",
            needs="--kind KIND",
        )
    above = read_inherited(given["inherited"], contract.cloud, given["max_policy_bytes"])
    with policy_errors():
        return check_policy(contract, resolved, policy, key_policy, raw_size=size, inherited=above)


def _advised(report: CheckReport, policy: PolicyDocument) -> DesiredState | None:
    """Return the change that makes the document pass; None where it passes, and where only edits by hand would."""
    from policies import advised_change

    return advised_change(
        policy, report.proof.contract, report.proof.target, report.findings, inherited=report.inherited, at=report.at
    )


def _invalid(text: bytes, source: str, kind: str | None, bucket: str) -> dict[str, Any] | None:
    """Return the finding of a document that does not parse; None when it does."""
    from policies import GrammarError, ParseError, finding

    try:
        parse_raw(text, source, kind, bucket)
    except ParseError as error:
        found = {**_finding(finding("not-json", error.problem)), "fix": policy_step(error)}
        return {**found, "line": error.line, "column": error.column}
    except GrammarError as error:
        return {**_finding(finding("not-a-policy", error.problem, path=error.path)), "fix": policy_step(error)}
    return None


def _print_json(form: str, summary: dict[str, Any], findings: list[dict[str, Any]]) -> None:
    if form == "json":
        print_text(json.dumps({**summary, "findings": findings}, indent=2, ensure_ascii=False))
        return
    lines = [
        *({"type": "verdict", **each} for each in summary.pop("verdicts")),
        *({"type": "finding", **each} for each in findings),
        {"type": "summary", **summary},
    ]
    print_text("\n".join(json.dumps(each, ensure_ascii=False) for each in lines))


def _summary(report: CheckReport, kind: str) -> dict[str, Any]:
    proof = report.proof
    return {
        "schema": SCHEMA,
        "kind": kind,
        "mode": proof.contract.mode,
        "cloud": proof.contract.cloud,
        "principal": proof.contract.principal,
        "bucket": proof.target.bucket,
        "prefixes": dict(proof.target.prefixes),
        "complete": proof.complete,
        "state": proof.state,
        "verdicts": [_verdict(each) for each in (*proof.verdicts, *proof.key_verdicts)],
        "chips": {each.access: _chip(each) for each in report.chips},
        "not_proven": list(proof.not_proven),
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "requirement": verdict.requirement.id,
        "inferred": verdict.requirement.inferred,
        "state": verdict.state,
        "effect": verdict.effect,
        "action": verdict.action,
        "operation": verdict.operation or None,
        "resource": verdict.resource,
        "example": verdict.example,
        "statements": [{"index": each.index, "sid": each.sid} for each in verdict.statements],
        "assumptions": [_assumption(each) for each in verdict.assumptions],
        "reasons": [_reason(each) for each in verdict.reasons],
        "needs": list(verdict.needs),
        "holds_until": verdict.holds_until.isoformat() if verdict.holds_until else None,
    }


def _assumption(assumption: Assumption) -> dict[str, Any]:
    return {
        "key": assumption.key,
        "statement": assumption.statement,
        "source": assumption.source.title,
        "date": assumption.source.date,
        "inferred": assumption.inferred,
    }


def _reason(reason: UnknownReason) -> dict[str, Any]:
    return {
        "reason": reason.code,
        "values": list(reason.values),
        "permission": reason.permission or None,
        "detail": reason.detail or None,
    }


def _chip(forecast: ChipForecast) -> dict[str, Any]:
    chip = forecast.chip
    return {
        "chip": chip.name if chip else None,
        "text": chip.text if chip else None,
        "note": forecast.note or None,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "statement": finding.where or None,
        "path": finding.path,
        "message": finding.message,
        "consequences": list(finding.consequences),
        "fix": fix_text(finding),
        "provider_message": finding.provider_message or None,
    }


def _table(report: CheckReport, command: str) -> Iterator[str]:
    proof = report.proof
    for each in (*proof.verdicts, *proof.key_verdicts):
        detail = _detail(each)
        text = f"{each.requirement.id}{f': {detail}' if detail else ''}"
        yield wrap(printable(text), first=f"{_MARKS[each.state]:<9}")
    if proof.assumptions:
        yield "\nassuming"
        for assumption in proof.assumptions:
            source = f"{assumption.source.title}, {assumption.source.date}"
            yield wrap(f"{assumption.statement} ({source})", first="  - ")
    yield from _chips(report)
    if report.findings:
        yield ""
    for found in report.findings:
        yield from _finding_lines(found)
    if command:
        yield "\nto resolve it"
        yield f"  {printable(command)} >merged.json"
    yield "\nnot proven by documents"
    for unproven in proof.not_proven:
        yield wrap(unproven, first="  - ")


def _reasons(report: CheckReport, command: str) -> Iterator[str]:
    """Yield why the exit code is not 0: what is not granted, the findings, and the command that resolves them."""
    proof = report.proof
    for each in (*proof.verdicts, *proof.key_verdicts):
        if not each.granted:
            yield wrap(printable(f"{each.requirement.id}: {_detail(each)}"), first=f"{_MARKS[each.state]:<9}")
    for found in report.findings:
        if found.severity != "info":
            yield from _finding_lines(found)
    if command:
        yield f"{printable(command)} >merged.json"


def _chips(report: CheckReport) -> Iterator[str]:
    if not report.chips:
        return
    chips = "; ".join(f"{each.access} {_chip_text(each)}" for each in report.chips)
    if report.proof.contract.mode == "async":
        yield wrap(f"Test Connection belongs to jobs; of this policy it would show: {chips}", first="\n", rest="  ")
        return
    yield "\nTest Connection would show"
    for each in report.chips:
        yield wrap(_chip_text(each), first=f"  {each.access:<7}")


def _finding_lines(found: Finding) -> Iterator[str]:
    yield f"{found.severity}: {found.code}"
    where = f"{found.where}, " if found.where else ""
    yield wrap(printable(f"{where}{found.path}: {found.message}"), first="  ")
    if found.provider_message:
        yield wrap(f"the cloud answers: {found.provider_message}", first="  ")
    from policies import is_advised

    offered = change_flags(found) if not is_advised(found) else None
    text = fix_text(found) + (" (policy merge and policy apply)" if offered else "")
    yield wrap(printable(text), first="  fix: ", rest="  ")


def _detail(verdict: Verdict) -> str:
    if verdict.state == "fails":
        return f"not for {verdict.example}"
    if verdict.state == "unknown":
        return ", ".join(map(str, verdict.reasons))
    notes = ["inferred, not documented"] if verdict.requirement.inferred else []
    if verdict.holds_until:
        notes.append(f"until {verdict.holds_until:%Y-%m-%dT%H:%M:%SZ}")
    return "; ".join(notes)


def _chip_text(forecast: ChipForecast) -> str:
    text = forecast.chip.text if forecast.chip else "not known"
    return f"{text} ({forecast.note})" if forecast.note else text
