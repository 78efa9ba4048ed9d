"""``policy merge``: add the contract's statements to a saved document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from harvester.cli.shared.next_steps.fix_commands import change_flags
from harvester.cli.shared.options.policy_options import (
    TargetOptions,
    change_options,
    cloud_option,
    describe_target,
    kind_option,
    parse_document,
    policy_bytes_option,
    policy_errors,
    print_note,
    read_text,
    target_of,
    target_options,
)
from harvester.errors import ExitCode
from harvester.text import printable

if TYPE_CHECKING:
    from policies import PlannedChange, PolicyDocument


_OUTCOMES = {
    "holds": "the contract holds",
    "holds_assuming": "the contract holds under assumptions",
    "unknown": "whether the contract holds is unknown",
    "fails": "the contract still fails",
}


@click.command(
    short_help="Add the contract's statements to a policy.",
    epilog="""\b
Examples:
  nimble-harvester policy merge policy.json --mode jobs --bucket my-bucket >merged.json
  nimble-harvester policy merge policy.json --mode async --bucket my-bucket --prefix nimble/ --exempt
""",
)
@click.argument("file", metavar="FILE|-")
@target_options
@cloud_option
@kind_option
@change_options
@policy_bytes_option
def merge(file: str, **options: Any) -> int:
    """Print a document with the contract's statements added or brought up to date; nothing else in it changes.

    FILE itself is never written. Exits 10 when the contract does not hold in the outcome, for example because a
    statement denies Nimble: the exemption is then proposed on standard error.
    """
    from policies import parse_json

    target = target_of(options)
    text = read_text(file, options["max_policy_bytes"])
    policy = parse_document(text, file, options["kind"], target.bucket)
    change = planned(target, policy, options)
    # Unchanged, a document is printed as it was written; one inside a wrapper is taken out of it.
    as_given = not change.changed and parse_json(text) == policy.value
    click.echo(text.decode() if as_given else change.after.dump(), nl=False)
    for line in describe_change(change, exempted=options["exempt"]):
        print_note(line)
    return ExitCode.OK if change.proof.complete else ExitCode.DIFFERENCE


def planned(target: TargetOptions, policy: PolicyDocument, options: dict[str, Any]) -> PlannedChange:
    """Return the change of a document. Raises IntegrityError where the cloud would refuse the outcome."""
    from policies import DesiredState, plan_change

    contract, resolved = target.resolve(policy.kind)
    describe_target(contract, resolved)
    desired = DesiredState(
        contract,
        resolved,
        exempt=options["exempt"],
        narrow=options["narrow"],
        correct=options["correct"],
        without_statements=tuple(options["without"]),
        without_principals=tuple(options["without_principals"]),
        at=datetime.now(UTC),
    )
    with policy_errors():
        return plan_change(policy, desired)


def describe_change(change: PlannedChange, *, exempted: bool) -> Iterator[str]:
    """Yield the steps of a change, what is proposed besides, and whether the contract holds in the outcome."""
    from policies import unified_diff

    if not change.changed:
        yield "nothing to change: the contract's statements are current"
    for number, step in enumerate(change.steps, start=1):
        yield printable(f"{number}. {step}")
    for each in change.exemptions if not exempted else ():
        yield printable(f"{each.where} denies Nimble, or may do so, and stays as it is. With --exempt:")
        after = each.after[0] if not each.split else {"Statement": list(each.after)}
        yield unified_diff(each.before, after, each.where, "exempting Nimble")
        limit = "; Nimble stays denied everything but the contract" if each.split else ""
        yield f"  then {_OUTCOMES[each.proof.state]}{limit}; for every other principal nothing changes"
    for found in change.findings:
        offered = change_flags(found)
        if found.severity != "info":
            flags = f" ({' '.join(offered)})" if offered else ""
            where = f"{found.where}: " if found.where else ""
            yield printable(f"{found.severity}: {found.code}: {where}{found.message}{flags}")
    for verdict in (*change.proof.verdicts, *change.proof.key_verdicts):
        if not verdict.granted:
            word = "fails" if verdict.state == "fails" else "is unknown"
            because = "; ".join((*map(str, verdict.reasons), *verdict.needs)) or verdict.example
            yield printable(f"{verdict.requirement.id} {word}: {because}")
