"""``policy diff`` and ``policy merge``: our statements in somebody else's document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harvester.cli.shared.output import print_text
from harvester.cli.shared.policy_options import (
    TargetOptions,
    cloud_option,
    kind_option,
    parse_document,
    policy_errors,
    read_text,
    say,
    say_target,
    target_of,
    target_options,
)
from harvester.errors import ExitCode

if TYPE_CHECKING:
    from policies import Change, PolicyDocument


_OUTCOMES = {
    "holds": "the contract holds",
    "holds_assuming": "the contract holds under assumptions",
    "unknown": "whether the contract holds is unknown",
    "fails": "the contract still does not hold",
}


@click.command(short_help="Show what merge would change.")
@click.argument("file", metavar="FILE|-")
@target_options
@cloud_option
@kind_option
@click.option("--exempt", is_flag=True, help="Also show the exemptions from statements that deny Nimble.")
def diff(file: str, **options: Any) -> int:
    """Show what merge would change in a document, as a unified diff; exits 10 if anything.

    Statements of others are no difference.

    \b
    Example:
      nimble-harvester policy diff policy.json --mode async --bucket my-bucket --prefix nimble/
    """
    target = target_of(options)
    policy = parse_document(read_text(file), file, options["kind"])
    change = plan(target, policy, exempt=options["exempt"])
    if change.diff:
        print_text(change.diff.removesuffix("\n"))
    explain(change, exempted=options["exempt"])
    return ExitCode.DIFFERENCE if change.changed else ExitCode.OK


@click.command(short_help="Add our statements to a policy.")
@click.argument("file", metavar="FILE|-")
@target_options
@cloud_option
@kind_option
@click.option(
    "--exempt",
    is_flag=True,
    help="Exempt Nimble from statements that deny it, as proposed without this flag.",
)
def merge(file: str, **options: Any) -> int:
    """Print a document with our statements added or brought up to date; nothing else in it is touched.

    FILE itself is never written. Exits 10 when the contract does not hold in the outcome, because a
    statement of somebody else denies Nimble: the exemption is then proposed on standard error.

    \b
    Example:
      nimble-harvester policy merge policy.json --mode jobs --bucket my-bucket >merged.json
    """
    target = target_of(options)
    text = read_text(file)
    policy = parse_document(text, file, options["kind"])
    change = plan(target, policy, exempt=options["exempt"])
    click.echo(change.after.dump() if change.changed else text.decode(), nl=False)
    explain(change, exempted=options["exempt"])
    return ExitCode.OK if change.proof.complete else ExitCode.DIFFERENCE


def plan(target: TargetOptions, policy: PolicyDocument, *, exempt: bool) -> Change:
    """Return what a merge does to a document, wherever the document came from."""
    from policies import merge as merge_policy

    contract, resolved = target.resolve(policy.kind)
    say_target(contract, resolved)
    with policy_errors():
        return merge_policy(policy, contract, resolved, exempt=exempt)


def explain(change: Change, *, exempted: bool) -> None:
    """Tell the person the steps, what keeps Nimble out, and whether the contract holds in the outcome."""
    from policies import describe, unified_diff

    if not change.changed:
        say("nothing to change: our statements are current")
    for line in describe(change):
        say(line)
    for each in change.exemptions if not exempted else ():
        say(f"{each.where} denies Nimble, or may do so; not being ours, it stays. With --exempt:")
        say(unified_diff(each.before, each.after, each.where, "exempting Nimble"))
        say(f"  then {_OUTCOMES[each.proof.state]}; for everybody else the statement")
        say("  says what it said: the added condition is true of every other principal")
    for verdict in (*change.proof.verdicts, *change.proof.key_verdicts):
        if verdict.state != "holds":
            word = "does not hold" if verdict.state == "fails" else "is not certain"
            say(f"{verdict.requirement.id} {word}: {'; '.join(verdict.needs) or verdict.example}")
