"""``policy diff``: what would have to change, in a file or in a live bucket."""

from __future__ import annotations

from typing import Any

import click

from harvester.access import plan_policy
from harvester.cli.commands.policy.apply import render_plan
from harvester.cli.commands.policy.merge import diff as diff_of_file
from harvester.cli.shared.output import print_text
from harvester.cli.shared.parameters import store_options
from harvester.cli.shared.policy_options import cloud_option, kind_option
from harvester.errors import ExitCode, UsageError
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
@click.option("--input", "input_prefix", metavar="PREFIX", help="jobs: where the input lies. Default: input/.")
@click.option("--output", "output_prefix", metavar="PREFIX", help="jobs: where results go. Default: output/.")
@click.option("--kms-key", metavar="ARN", help="The customer-managed key that encrypts the bucket.")
@click.option("--kms-profile", metavar="NAME", help="LOCATION: AWS profile that may look at the key.")
@click.option("--principal", metavar="ARN", help="Another principal than the one Nimble documents.")
@cloud_option
@kind_option
@click.option("--exempt", is_flag=True, help="Also show the exemptions from statements that deny Nimble.")
@store_options
def diff_command(what: str, *, settings: StoreSettings, kms_profile: str | None, **options: Any) -> int:
    """Show what would have to change for our statements to be current; exits 10 if anything.

    Of a saved document, as policy merge would; of a live bucket and its key, as policy apply would. Statements of
    others are no difference. Nothing is written.
    """
    if "://" not in what:
        if options["bucket"] is None:
            raise UsageError(
                f"{what} does not say which bucket it is for",
                parameters={"advice": f"nimble-harvester policy diff {what} --mode {options['mode']} --bucket BUCKET"},
            )
        assert diff_of_file.callback is not None  # noqa: S101  # a command has one; narrows the type
        code: int = diff_of_file.callback(file=what, **options)
        return code
    given = next((name for name in _ONLY_FILE if options[name] is not None), None)
    if given is not None:
        raise UsageError(
            f"--{given} is for a FILE", cause=f"{what} says it already", parameters={"advice": f"leave --{given} out"}
        )
    plan = plan_policy(
        what,
        options["mode"],
        inputs=[options["input_prefix"]] if options["input_prefix"] is not None else (),
        outputs=[options["output_prefix"]] if options["output_prefix"] is not None else (),
        prefix=options["prefix"],
        principal=options["principal"],
        key_arn=options["kms_key"],
        kms_profile=kms_profile,
        exempt=options["exempt"],
        settings=settings,
    )
    print_text("\n".join(render_plan(plan)))
    return int(ExitCode.DIFFERENCE if plan.changed or plan.handovers or plan.gaps else ExitCode.OK)
