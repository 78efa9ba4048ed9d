"""``policy check``: does a document give Nimble what it needs, and nothing more, and would the cloud
store it."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from harvester.cli.shared.output import print_text
from harvester.cli.shared.policy_options import (
    TargetOptions,
    cloud_option,
    kind_option,
    parse_document,
    parse_raw,
    policy_errors,
    read_text,
    say_target,
    target_of,
    target_options,
)
from harvester.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from policies import Assumption, ChipForecast, Finding, Report, UnknownReason, Verdict

SCHEMA = "urn:nimble-harvester:policy-check:v1"
_MARKS = {"holds": "✓", "holds_assuming": "✓", "unknown": "?", "fails": "✗"}


@click.command(short_help="Check a policy against what Nimble needs.")
@click.argument("file", metavar="FILE|-")
@target_options
@cloud_option
@kind_option
@click.option("--key-policy", metavar="FILE", help="The policy of the bucket's KMS key, or the statement for it.")
@click.option("--region", metavar="REGION", help="The bucket's region, where a condition turns on it.")
@click.option("--account", metavar="ID", help="The account that owns the bucket, where a condition turns on it.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info"]),
    default="error",
    show_default=True,
    help="From which severity of findings on to exit 7.",
)
@click.option("--format", "form", type=click.Choice(["table", "json", "jsonl"]), default="table", show_default=True)
def check(file: str, **options: Any) -> int:
    """Check a policy: a verdict per requirement, for every key; the chips Nimble would show; and findings.

    Exits 7 when something is wrong, also with a document that does not parse.

    \b
    Examples:
      nimble-harvester policy check policy.json --mode async --bucket my-bucket --prefix nimble/
      aws s3api get-bucket-policy --bucket my-bucket --query Policy --output text |
        nimble-harvester policy check - --mode jobs --bucket my-bucket --format json
    """  # \b is click's
    target = target_of(options)
    form = options["form"]
    if file == "-" and options["key_policy"] == "-":
        raise UsageError("both documents from standard input", parameters={"advice": "save one of them to a file"})
    text = read_text(file)
    if form != "table":
        broken = _broken(text, file, options["kind"])
        if broken is not None:
            _print_json(form, {"schema": SCHEMA, "complete": False, "verdicts": []}, [broken])
    policy = parse_document(text, file, options["kind"])
    key_policy = None
    if options["key_policy"]:
        key_policy = parse_document(read_text(options["key_policy"]), options["key_policy"], "kms")
    report = _report(target, policy, key_policy, len(text))
    if form == "table":
        say_target(report.proof.contract, report.proof.target)
        print_text("\n".join(map(_fitted, _table(report))))
    else:
        _print_json(form, _summary(report, policy.kind), [_finding(each) for each in report.findings])
    return ExitCode.INTEGRITY if report.fails(options["fail_on"]) else ExitCode.OK


def _report(target: TargetOptions, policy: Any, key_policy: Any, size: int) -> Report:
    from policies import check as check_policy

    contract, resolved = target.resolve(policy.kind)
    if (policy.kind == "gcs") is not (contract.cloud == "gs"):
        raise UsageError(
            f"the document is a {policy.kind.upper()} policy, --cloud is {contract.cloud}",
            parameters={"advice": "leave out --cloud, or name the kind of document with --kind"},
        )
    with policy_errors():
        return check_policy(contract, resolved, policy, key_policy, raw_size=size)


def _broken(text: bytes, source: str, kind: str | None) -> dict[str, Any] | None:
    """Return the finding of a document that does not parse; None when it does."""
    from policies import GrammarError, ParseError, finding

    try:
        parse_raw(text, source, kind)
    except ParseError as error:
        found = _finding(finding("not-json", error.problem, fix=error.next_step))
        return {**found, "line": error.line, "column": error.column}
    except GrammarError as error:
        return _finding(finding("not-a-policy", error.problem, path=error.path, fix=error.next_step))
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


def _summary(report: Report, kind: str) -> dict[str, Any]:
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
        "fix": finding.fix,
        "provider_message": finding.provider_message or None,
    }


def _table(report: Report) -> Iterator[str]:
    proof = report.proof
    rows = [
        (f"{_MARKS[each.state]} {each.state}", each.requirement.id, _detail(each))
        for each in (*proof.verdicts, *proof.key_verdicts)
    ]
    yield from _columns(rows)
    if report.chips:
        yield ""
        yield "Test Connection would show:"
        yield from _columns([(f"  {each.access}", _chip_text(each), "") for each in report.chips])
    if report.findings:
        yield ""
    for each in report.findings:
        where = f"{each.where}, " if each.where else ""
        yield f"{each.severity}: {each.code}"
        yield f"  {where}{each.path}: {each.message}"
        if each.provider_message:
            yield f"  the cloud says: {each.provider_message}"
        yield f"  fix: {each.fix}"
    yield ""
    yield "Not proven by documents:"
    for text in proof.not_proven:
        yield f"  - {text}"


def _fitted(line: str) -> str:
    """Break a line at the width of the terminal, if there is one, its continuations indented."""
    if not sys.stdout.isatty():
        return line
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    width = shutil.get_terminal_size().columns
    # Bucket names and ARNs hold hyphens: to be copied, they stay whole.
    wrapped = textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapped)


def _detail(verdict: Verdict) -> str:
    if verdict.state == "fails":
        return f"not for {verdict.example}"
    if verdict.state == "unknown":
        return ", ".join(map(str, verdict.reasons))
    notes = [f"assuming that {each.statement}" for each in verdict.assumptions]
    if verdict.requirement.inferred:
        notes.insert(0, "inferred, not documented")
    return "; ".join(notes)


def _chip_text(forecast: ChipForecast) -> str:
    text = forecast.chip.text if forecast.chip else "not known"
    return f"{text} ({forecast.note})" if forecast.note else text


def _columns(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    widths = [max((len(row[at]) for row in rows), default=0) for at in range(2)]
    for first, second, third in rows:
        yield f"{first:<{widths[0]}}  {second:<{widths[1]}}  {third}".rstrip()
