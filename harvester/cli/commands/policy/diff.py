"""``policy diff``: show what merge or apply would change, in a file or in a live bucket."""

from __future__ import annotations

from typing import Any

import click

from harvester.access import plan_policy
from harvester.cli.commands.policy.apply import plan_reasons, render_plan
from harvester.cli.commands.policy.merge import describe_change, planned
from harvester.cli.shared.options.option_errors import option_inapplicable, option_required
from harvester.cli.shared.options.parameters import store_options
from harvester.cli.shared.options.policy_options import (
    change_of,
    change_options,
    cloud_option,
    kind_option,
    parse_document,
    policy_bytes_option,
    print_note,
    read_text,
    target_of,
)
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.reports.output import print_text
from harvester.cli.shared.run_messages import write_reasons
from harvester.errors import ExitCode
from harvester.sessions import StoreSettings

_ONLY_FILE = ("bucket", "cloud", "kind")


@click.command(
    "diff",
    short_help="Show what merge or apply would change.",
    epilog="""\b
Examples:
  nimble-harvester policy diff policy.json --mode async --bucket my-bucket --prefix nimble/
  nimble-harvester policy diff s3://my-bucket/nimble/ --mode async
""",
)
@click.argument("what", metavar="FILE|LOCATION")
@click.option("--mode", type=click.Choice(["async", "jobs"]), required=True, help="The delivery mode.")
@click.option("--bucket", metavar="NAME", help="FILE: the bucket's name.")
@click.option("--prefix", metavar="PREFIX", help="async: where results are delivered. Default: the whole bucket.")
@click.option("--input", "input_prefix", metavar="PREFIX", help="jobs: the prefix of the input. Default: input/.")
@click.option("--output", "output_prefix", metavar="PREFIX", help="jobs: the prefix of the results. Default: output/.")
@click.option("--kms-key", metavar="ARN", help="The customer-managed key that encrypts the bucket.")
@click.option("--kms-profile", metavar="NAME", help="LOCATION: AWS profile that may read the key's policy.")
@click.option("--principal", metavar="ARN", help="Another principal than the one Nimble documents.")
@cloud_option
@kind_option
@change_options
@policy_bytes_option
@store_options
@quiet_option
def diff_command(what: str, *, settings: StoreSettings, kms_profile: str | None, **options: Any) -> int:
    """Show what would have to change for the contract's statements to be current; exits 10 if anything.

    Of a saved document, as policy merge would; of a live bucket and its key, as policy apply would. Other statements
    are no difference. Nothing is written.
    """
    if "://" not in what:
        if options["bucket"] is None:
            raise option_required(f"{what} does not name its bucket", "--bucket BUCKET")
        return _of_file(what, options)
    given = next((name for name in _ONLY_FILE if options[name] is not None), None)
    if given is not None:
        raise option_inapplicable(f"--{given} is for a FILE", f"--{given}", cause=f"{what} names it already")
    plan = plan_policy(
        what,
        options["mode"],
        inputs=[options["input_prefix"]] if options["input_prefix"] is not None else (),
        outputs=[options["output_prefix"]] if options["output_prefix"] is not None else (),
        prefix=options["prefix"],
        principal=options["principal"],
        key_arn=options["kms_key"],
        kms_profile=kms_profile,
        **change_of(options),
        settings=settings,
    )
    print_text("\n".join(render_plan(plan, settings, kms_profile)))
    complete = plan.outcome is None or plan.outcome.report.proof.complete
    code = ExitCode.OK if complete and not (plan.changed or plan.manual_steps) else ExitCode.DIFFERENCE
    write_reasons(code, plan_reasons(plan))
    return int(code)


def _of_file(file: str, options: dict[str, Any]) -> int:
    target = target_of(options)
    policy = parse_document(read_text(file, options["max_policy_bytes"]), file, options["kind"], target.bucket)
    change = planned(target, policy, options)
    if change.diff:
        print_text(change.diff.removesuffix("\n"))
    for line in describe_change(change, exempted=options["exempt"]):
        print_note(line)
    return ExitCode.DIFFERENCE if change.changed else ExitCode.OK
