"""``policy apply``: grant Nimble the contract in a live bucket, and nothing more."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import click

from harvester.access import ManualStep, PolicyOutcome, PolicyPlan, apply_policy, change_exit_code, plan_policy
from harvester.cli.shared.consent import require_consent
from harvester.cli.shared.next_steps.fix_commands import advised_commands
from harvester.cli.shared.next_steps.result_steps import INFRASTRUCTURE_NOTE
from harvester.cli.shared.options.delivery_options import delivery_options
from harvester.cli.shared.options.parameters import DIRECTORY, LOCATION, format_option, store_options
from harvester.cli.shared.options.policy_options import accept_unknown_option, change_of, change_options, fail_on_option
from harvester.cli.shared.reports.gate_output import gate_document
from harvester.cli.shared.reports.output import print_text
from harvester.cli.shared.run_messages import write_reasons
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.text import count, printable, wrap
from policies import Finding, Severity


@click.command(
    "apply",
    short_help="Grant Nimble access to the bucket of LOCATION.",
    epilog="""\b
Examples:
  nimble-harvester policy apply s3://my-bucket/results/ --mode async
  nimble-harvester policy apply s3://my-bucket --mode jobs --input in/ --output out/ --dry-run
  nimble-harvester policy apply s3://my-bucket --mode jobs --kms-key ARN --yes
\b
Exit codes: 0 every requirement is granted; 4 not allowed; 7 the outcome is invalid or would be
refused; 10 a requirement fails or is unknown all the same, or the policy has changed meanwhile;
13 not agreed to and nothing written.
""",
)
@click.argument("location", type=LOCATION, required=False)
@delivery_options
@click.option("--kms-key", metavar="ARN", help="Also the policy of this key, which encrypts the bucket.")
@click.option("--kms-profile", metavar="NAME", help="AWS profile that may change the key's policy.")
@change_options
@fail_on_option
@accept_unknown_option
@click.option("--dry-run", is_flag=True, help="Show what would be changed; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--backup-dir", type=DIRECTORY, metavar="DIR", help="Where copies of changed policies are kept.")
@format_option("table", "json")
@store_options
def apply_command(
    *,
    location: Location | None,
    delivery: dict[str, Any],
    settings: StoreSettings,
    kms_profile: str | None,
    **chosen: Any,
) -> int:
    """Grant Nimble the contract in the bucket of LOCATION: add or update its statements, change no others.

    Shows the numbered changes and the diff, asks, backs up, reads again, writes, reads back and proves. Block Public
    Access is never loosened.
    """
    plan = plan_policy(
        location,
        **delivery,
        key_arn=chosen["kms_key"],
        kms_profile=kms_profile,
        **change_of(chosen),
        settings=settings,
    )
    return carry_out(plan, settings=settings, kms_profile=kms_profile, **_consent(chosen))


def _consent(chosen: dict[str, Any]) -> dict[str, Any]:
    return {name: chosen[name] for name in ("backup_dir", "output", "dry_run", "yes", "accept_unknown", "fail_on")}


def carry_out(
    plan: PolicyPlan,
    *,
    settings: StoreSettings,
    kms_profile: str | None,
    backup_dir: Path | None,
    output: str,
    dry_run: bool,
    yes: bool,
    accept_unknown: Collection[str] = (),
    fail_on: Severity = "error",
) -> int:
    """Show a plan, get consent, carry it out, show the outcome; return the exit code."""
    if output == "table":
        print_text("\n".join(render_plan(plan, settings, kms_profile)))
    if plan.changed and not dry_run and not yes:
        require_consent(f"\nMake {count(len(plan.steps), 'change')}?", plan.location.url, yes=False)
    outcome = apply_policy(plan, backup_dir=backup_dir) if not dry_run else None
    if output == "json":
        explained = plan.outcome if outcome is None else outcome.explanation
        decision = None
        if explained is not None:
            decision = gate_document(explained.gate(accept_unknown=accept_unknown, fail_on=fail_on), fail_on)
        _print_document(plan, outcome, settings, kms_profile, decision)
    elif outcome is not None:
        print_text("\n".join(_render_outcome(plan, outcome)))
    elif plan.changed:
        print_text("\nnothing was written: --dry-run")
    explanation = plan.outcome if outcome is None else outcome.explanation
    manual_steps = plan.manual_steps if outcome is None else outcome.manual_steps
    code = change_exit_code(explanation, manual_steps, accept_unknown=accept_unknown, fail_on=fail_on)
    write_reasons(code, plan_reasons(plan))
    return int(code)


def render_plan(plan: PolicyPlan, settings: StoreSettings, kms_profile: str | None) -> Iterator[str]:
    """Yield the lines of a plan: its numbered changes, the diff, what is proposed, and what remains."""
    if not plan.changed:
        yield f"nothing to do: the policy of {plan.location.url} is as it should be"
    for number, step in enumerate(plan.steps, start=1):
        yield wrap(printable(step), first=f"{number}. ")
    if plan.changed:
        yield f"\n{plan.diff}".rstrip("\n")
    yield from _proposals(plan)
    for manual in plan.manual_steps:
        yield from _manual_step_lines(manual)
    remaining = list(_remaining(plan))
    for found in remaining:
        where = f" ({found.where})" if found.where else ""
        yield wrap(printable(f"{found.severity}: {found.code}{where}: {found.message}"), first="\n! ", rest="  ")
    if remaining and plan.outcome is not None:
        for command in advised_commands(plan.outcome, settings, kms_profile):
            yield f"  {printable(command)}"
    if plan.changed:
        yield ""
        for note in _notes(plan):
            yield wrap(printable(note), first="note: ", rest="  ")


def plan_reasons(plan: PolicyPlan) -> Iterator[str]:
    """Yield why a plan does not end with 0: its changes, and what remains once it is carried out."""
    for number, step in enumerate(plan.steps, start=1):
        yield wrap(printable(step), first=f"  {number}. ")
    for manual in plan.manual_steps:
        yield wrap(f"{manual.store} cannot be changed with these credentials ({manual.reason})", first="  ! ")
    for found in _remaining(plan):
        yield wrap(printable(f"{found.severity}: {found.code}: {found.message}"), first="  ! ")


def _proposals(plan: PolicyPlan) -> Iterator[str]:
    for change in plan.changes:
        if change.planned is None or change.desired is None or change.desired.exempt:
            continue
        for each in change.planned.exemptions:
            limit = ", and keeps Nimble denied everything but the contract" if each.split else ""
            yield wrap(
                printable(
                    f"{each.where} of {change.store.name} denies Nimble, or may do so, and stays as it is. With "
                    f"--exempt it exempts Nimble{limit}; for every other principal nothing changes."
                ),
                first="\n! ",
                rest="  ",
            )


def _remaining(plan: PolicyPlan) -> Iterator[Finding]:
    """Yield what keeps Nimble out, or the document from being stored, once the plan is carried out."""
    for each in plan.outcome.findings if plan.outcome is not None else ():
        if each.severity == "error" or each.code in ("requirement-undecided", "public-blocks-put"):
            yield each


def _notes(plan: PolicyPlan) -> Iterator[str]:
    if plan.made_by == "apply":
        yield INFRASTRUCTURE_NOTE
    yield from plan.notes


def _manual_step_lines(step: ManualStep) -> Iterator[str]:
    text = f"{step.store} cannot be changed with these credentials ({step.reason}); give its owner this statement:"
    yield wrap(printable(text), first="\n")
    yield step.statement.dump().rstrip("\n")


def _render_outcome(plan: PolicyPlan, outcome: PolicyOutcome) -> Iterator[str]:
    words = {"unchanged": "unchanged", "written": "written and read back", "not read back": "written, not read back"}
    if outcome.backup is not None:
        yield ""
        for each in outcome.edits:
            yield f"{words[each.state]}: {printable(each.store)}"
        yield f"backup: {outcome.backup}"
    for step in outcome.manual_steps[len(plan.manual_steps) :]:
        yield from _manual_step_lines(step)
    if outcome.explanation is None:
        return
    proof = outcome.explanation.report.proof
    for verdict in (*proof.verdicts, *proof.key_verdicts):
        if not verdict.granted:
            because = "; ".join((*map(str, verdict.reasons), *verdict.needs)) or verdict.example
            yield wrap(printable(f"{verdict.requirement.id} still {verdict.state}: {because}"), first="! ")
    if outcome.complete and plan.changed:
        assumed = " (under the assumptions that explain lists)" if proof.assumptions else ""
        yield f"every requirement of the contract holds{assumed}"


def _print_document(
    plan: PolicyPlan,
    outcome: PolicyOutcome | None,
    settings: StoreSettings,
    kms_profile: str | None,
    decision: dict[str, Any] | None,
) -> None:
    manual_steps = outcome.manual_steps if outcome is not None else plan.manual_steps
    explanation = outcome.explanation if outcome is not None else plan.outcome
    document = {
        "schema": f"urn:nimble-harvester:policy-{plan.made_by}:v1",
        "location": plan.location.url,
        "dry_run": outcome is None,
        "changed": plan.changed and outcome is not None,
        "steps": list(plan.steps),
        "diff": plan.diff,
        "notes": list(_notes(plan)),
        "backup": str(outcome.backup) if outcome is not None and outcome.backup is not None else None,
        "gaps": [f"{each.code}: {each.message}" for each in _remaining(plan)],
        "fixes": list(advised_commands(explanation, settings, kms_profile)) if explanation is not None else [],
        "gate": decision,
        "complete": outcome.complete if outcome is not None else None,
        "policies": [
            {"policy": each.store, "state": each.state, "requirements": _requirements(outcome, each.kind)}
            for each in (outcome.edits if outcome is not None else ())
        ],
        "handovers": [
            {"policy": each.store, "reason": each.reason, "statement": dict(each.statement.value)}
            for each in manual_steps
        ],
    }
    print_text(json.dumps(document, indent=2, ensure_ascii=False))


def _requirements(outcome: PolicyOutcome | None, kind: str) -> dict[str, str]:
    if outcome is None or outcome.explanation is None:
        return {}
    proof = outcome.explanation.report.proof
    verdicts = proof.key_verdicts if kind == "kms" else proof.verdicts
    return {each.requirement.id: each.state for each in verdicts}
