"""``policy show``: print the documents that grant access to Nimble, or to the customer's own reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from harvester.cli.commands.policy.show_events import events_text, refuse_foreign_options
from harvester.cli.shared.options.option_errors import option_inapplicable, option_required
from harvester.cli.shared.options.policy_options import (
    TargetOptions,
    describe_target,
    policy_bytes_option,
    policy_errors,
    print_note,
    target_of,
    target_options,
)

if TYPE_CHECKING:
    from policies import AccessContract, PolicyDocument, Target


@click.command(short_help="Print the policy that grants Nimble access to a bucket.")
@target_options
@click.option("--cloud", type=click.Choice(["s3", "gs"]), default="s3", show_default=True, help="The cloud.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["json", "terraform", "cloudformation", "cli"]),
    default="json",
    show_default=True,
    help="How to print it; cli is a shell script.",
)
@click.option(
    "--document",
    type=click.Choice(["bucket", "key", "both"]),
    help="Which document. Default: both with --kms-key, else the bucket's.",
)
@click.option("--as-documented", is_flag=True, help="The policy of the vendor's page, to the letter.")
@click.option("--whole-key-policy", is_flag=True, help="The key's whole policy, with its account's admin statement.")
@click.option("--account", metavar="ID", help="The account of the key; with --for reader or events, of the bucket.")
@click.option("--whole", is_flag=True, help="terraform: also the resource that replaces the bucket's whole policy.")
@click.option("--no-condition", is_flag=True, help="gs: admit to the whole bucket, not only to the prefix.")
@click.option(
    "--for",
    "audience",
    type=click.Choice(["nimble", "reader", "events"]),
    default="nimble",
    show_default=True,
    help="The documents for Nimble, for the reader that runs this program, or for the events of `watch --queue`.",
)
@click.option("--can", metavar="LIST", help="reader: any of sync,test,explain,apply,backfill.")
@click.option("--reader", metavar="ARN", help="reader: its role or user; in another account more documents follow.")
@click.option("--queue", metavar="ARN", help="events: the SQS queue, or the Pub/Sub subscription.")
@click.option("--current", metavar="FILE|-", help="events: the bucket's notification configuration, to merge into.")
@policy_bytes_option
def show(**options: Any) -> None:
    """Print the policy that grants Nimble access to a bucket: least privilege, no network, no credentials.

    Standard output carries the document alone; standard error shows what was understood.

    \b
    Examples:
      nimble-harvester policy show --mode async --bucket my-bucket --prefix nimble/
      nimble-harvester policy show --mode jobs --bucket my-bucket --input in/ --output out/ --as terraform
      nimble-harvester policy show --cloud gs --mode async --bucket my-bucket --as cli
      nimble-harvester policy show --mode async --bucket my-bucket --for reader --can sync,test
      nimble-harvester policy show --mode async --bucket my-bucket --for events --queue ARN --current current.json
    """  # \b is click's
    if options["audience"] == "events":
        refuse_foreign_options()
    target = target_of(options)
    contract, resolved = target.resolve()
    with policy_errors():
        if options["audience"] == "events":
            text = events_text(resolved, target.account or None, options)
        elif options["audience"] == "reader":
            text = _reader(contract, resolved, target, options)
        else:
            text = _nimble(contract, resolved, target, options)
    click.echo(text, nl=False)


def _nimble(contract: AccessContract, resolved: Target, target: TargetOptions, options: dict[str, Any]) -> str:
    from policies import render

    for name in ("queue", "current"):
        if options[name]:
            raise option_inapplicable(f"--{name} is for --for events", f"--{name}", needs="--for events")
    for name in ("can", "reader"):
        if options[name]:
            raise option_inapplicable(f"--{name} is for --for reader", f"--{name}", needs="--for reader")
    policy, key_policy = _documents(contract, resolved, target, options)
    text = render(options["form"], resolved, policy, key_policy, whole=options["whole"])
    describe_target(contract, resolved)
    if key_policy is not None and any(each.inferred for each in contract.key_statements):
        print_note("  the key's statement is inferred: Nimble documents none for this mode")
    if options["form"] == "cloudformation" or (options["form"] == "terraform" and options["whole"]):
        print_note("  note: this sets the bucket's whole policy; statements it does not hold are removed")
    if policy is not None and policy.kind == "gcs" and "version" in policy.value:
        print_note("  note: the condition needs uniform bucket-level access; --no-condition leaves it out")
    return text


def _documents(
    contract: AccessContract, resolved: Target, target: TargetOptions, options: dict[str, Any]
) -> tuple[PolicyDocument | None, PolicyDocument | None]:
    from policies import generate, generate_key_policy, generate_key_statement

    wanted = options["document"] or ("both" if target.kms_key else "bucket")
    whole_key = options["whole_key_policy"]
    if whole_key and not target.account:
        raise option_required("--whole-key-policy needs the key's account", "--account ID")
    if whole_key and options["document"] is None:
        wanted = "key"
    if wanted != "bucket" and contract.cloud == "gs":
        raise option_inapplicable(
            "a key's policy on Google Cloud Storage",
            "--whole-key-policy" if whole_key else "--document",
            cause="a GCS bucket's key needs no grant to Nimble",
        )
    documented = options["as_documented"]
    policy = key_policy = None
    if wanted != "key":
        policy = generate(contract, resolved, as_documented=documented, scoped=not options["no_condition"])
    if whole_key:
        key_policy = generate_key_policy(contract, resolved, target.account)
    elif wanted != "bucket":
        key_policy = generate_key_statement(contract, resolved, as_documented=documented)
    return policy, key_policy


def _reader(contract: AccessContract, resolved: Target, target: TargetOptions, options: dict[str, Any]) -> str:
    from policies import dump_json, reader_documents

    if options["form"] != "json":
        raise option_inapplicable("the reader's documents are printed as JSON", "--as")
    can = [each.strip() for each in (options["can"] or "").split(",") if each.strip()]
    documents = reader_documents(contract, resolved, can, reader=options["reader"], account=target.account or None)
    for name in resolved.prefixes:
        print_note(f"reader of {resolved.url(name)}")
    if "bucket" in documents and {"explain", "apply"} & set(can):
        print_note("  note: S3 lets only identities of the bucket's own account read or change its policy,")
        print_note("  so explain and apply need a role of that account; sync and test do not")
    if len(documents) == 1:
        return dump_json(next(iter(documents.values())))
    print_note(f"documents: {', '.join(documents)}")
    return dump_json(documents)
