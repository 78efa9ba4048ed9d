"""``policy apply``: open a live bucket to Nimble, and nothing more."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from harvester.access import PolicyOutcome, PolicyPlan, apply_policy, plan_policy
from harvester.cli.shared.delivery_options import delivery_options
from harvester.cli.shared.output import print_text
from harvester.cli.shared.parameters import DIRECTORY, LOCATION, format_option, store_options
from harvester.errors import ConsentNeeded
from harvester.location import Location
from harvester.sessions import StoreSettings
from harvester.text import wrap


@click.command(
    "apply",
    short_help="Open the bucket of LOCATION to Nimble.",
    epilog="""\b
Examples:
  nimble-harvester policy apply s3://my-bucket/results/ --mode async
  nimble-harvester policy apply s3://my-bucket --mode jobs --input in/ --output out/ --dry-run
  nimble-harvester policy apply s3://my-bucket --mode jobs --kms-key ARN --yes
\b
Exit codes: 0 done or nothing to do, 4 not allowed, 10 a gap remains or somebody else
has edited the policy meanwhile, 13 not agreed to and nothing written.
""",
)
@click.argument("location", type=LOCATION, required=False)
@delivery_options
@click.option("--kms-key", metavar="ARN", help="Also the policy of this key, which encrypts the bucket.")
@click.option("--kms-profile", metavar="NAME", help="AWS profile that may change the key's policy.")
@click.option("--exempt", is_flag=True, help="Also exempt Nimble from statements of others that deny it.")
@click.option(
    "--without-statement",
    "without",
    multiple=True,
    metavar="SID",
    help="Also remove this statement of the bucket's policy, by Sid or number; may be repeated.",
)
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
    output: str,
    dry_run: bool,
    yes: bool,
    **chosen: Any,
) -> int:
    """Open the bucket of LOCATION to Nimble: add or update our statements, touch no others.

    Shows the numbered changes and the diff, asks, backs up, looks again, writes, reads back and proves. Block Public
    Access is never loosened.
    """
    plan = plan_policy(
        location,
        **delivery,
        key_arn=chosen["kms_key"],
        kms_profile=chosen["kms_profile"],
        exempt=chosen["exempt"],
        without=chosen["without"],
        settings=settings,
    )
    return carry_out(plan, backup_dir=chosen["backup_dir"], output=output, dry_run=dry_run, yes=yes)


def carry_out(plan: PolicyPlan, *, backup_dir: Path | None, output: str, dry_run: bool, yes: bool) -> int:
    """Show a plan, get consent, carry it out, show what came of it; return the exit code."""
    if output == "table":
        print_text("\n".join(render_plan(plan)))
    if dry_run:
        if output == "json":
            _print_document(plan, None, dry_run=True)
        elif plan.changed:
            print_text("\nnothing was written: --dry-run")
        return 0
    if plan.changed and not yes:
        _ask(plan)
    outcome = apply_policy(plan, backup_dir=backup_dir)
    if output == "json":
        _print_document(plan, outcome, dry_run=False)
    else:
        for line in _render_outcome(plan, outcome):
            print_text(line)
    return int(outcome.exit_code)


def _ask(plan: PolicyPlan) -> None:
    """Raise ConsentNeeded without a yes."""
    refusal = ConsentNeeded(
        f"nothing was written to {plan.location.url}",
        cause=f"{len(plan.steps)} changes need a yes, and there is no terminal to ask at",
        parameters={"advice": "run the same command with --yes"},
    )
    if not sys.stdin.isatty():
        raise refusal
    try:
        agreed = click.confirm("\nMake these changes?", default=False, err=True)
    except click.Abort:
        agreed = False
    if not agreed:
        raise ConsentNeeded(f"nothing was written to {plan.location.url}", cause="the changes were not agreed to")


def render_plan(plan: PolicyPlan) -> Iterator[str]:
    """Yield the lines that show a plan: its numbered changes, the diff, what is proposed, what is to be known."""
    if not plan.changed:
        yield f"nothing to do: the policy of {plan.location.url} is as it should be"
    for number, step in enumerate(plan.steps, start=1):
        yield wrap(step, first=f"{number}. ")
    if plan.changed:
        yield f"\n{plan.diff}".rstrip("\n")
    for change in plan.changes:
        if change.desired is None or change.desired.exempt:
            continue
        for each in change.exemptions:
            yield wrap(
                f"{each.where} of {change.store.name} denies Nimble, or may do so. It is not ours, so it stays; with "
                "--exempt it exempts Nimble, and says the same of everybody else.",
                first="\n! ",
                rest="  ",
            )
    for handover in plan.handovers:
        yield from _render_handover(handover.store, handover.reason, handover.statement.dump())
    for gap in plan.gaps:
        yield wrap(gap, first="\n! ", rest="  ")
    if plan.changed:
        yield ""
        for note in plan.notes:
            yield wrap(note, first="note: ", rest="  ")


def _render_handover(site: str, reason: str, statement: str) -> Iterator[str]:
    yield wrap(
        f"{site} cannot be changed with these credentials ({reason}); give its owner this statement:", first="\n"
    )
    yield statement.rstrip("\n")


def _render_outcome(plan: PolicyPlan, outcome: PolicyOutcome) -> Iterator[str]:
    words = {"unchanged": "unchanged", "written": "written and read back", "not read back": "written, not read back"}
    if outcome.backup is not None:
        yield ""
        for each in outcome.outcomes:
            yield f"{words[each.state]}: {each.store}"
        yield f"backup: {outcome.backup}"
    for each in outcome.outcomes:
        for verdict in (*each.proof.verdicts, *each.proof.key_verdicts) if each.proof is not None else ():
            if verdict.state != "holds":
                because = "; ".join(verdict.needs) or verdict.example
                yield wrap(f"{verdict.requirement.id} still {verdict.state}: {because}", first="! ")
    for handover in outcome.handovers[len(plan.handovers) :]:
        yield from _render_handover(handover.store, handover.reason, handover.statement.dump())
    if outcome.complete and plan.made_by == "apply" and plan.changed:
        yield "every requirement of the contract holds"


def _print_document(plan: PolicyPlan, outcome: PolicyOutcome | None, *, dry_run: bool) -> None:
    handovers = outcome.handovers if outcome is not None else plan.handovers
    print_text(
        json.dumps(
            {
                "schema": f"urn:nimble-harvester:policy-{plan.made_by}:v1",
                "location": plan.location.url,
                "dry_run": dry_run,
                "changed": plan.changed and not dry_run,
                "steps": list(plan.steps),
                "diff": plan.diff,
                "notes": list(plan.notes),
                "backup": str(outcome.backup) if outcome is not None and outcome.backup is not None else None,
                "gaps": list(plan.gaps),
                "complete": outcome.complete if outcome is not None else None,
                "policies": [
                    {
                        "policy": each.store,
                        "state": each.state,
                        "requirements": {
                            verdict.requirement.id: verdict.state
                            for verdict in (
                                (*each.proof.verdicts, *each.proof.key_verdicts) if each.proof is not None else ()
                            )
                        },
                    }
                    for each in (outcome.outcomes if outcome is not None else ())
                ],
                "handovers": [
                    {"policy": each.store, "reason": each.reason, "statement": dict(each.statement.value)}
                    for each in handovers
                ],
            },
            indent=2,
        )
    )
