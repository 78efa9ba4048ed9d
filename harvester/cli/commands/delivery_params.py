"""``nimble-harvester delivery-params``: the delivery parameters of a request."""

from __future__ import annotations

import click

from harvester.cli.shared.options.policy_options import parse_document, policy_bytes_option, read_text
from harvester.nimble_api import as_curl, as_json, as_python, delivery_parameters

_FORMS = {"json": as_json, "python": as_python, "curl": as_curl}


@click.command(
    "delivery-params",
    epilog="""\b
Examples:
  nimble-harvester delivery-params s3://my-bucket/results/ --compress
  nimble-harvester delivery-params gs://my-bucket/results/ --batch --as python
  nimble-harvester delivery-params s3://my-bucket/results/ --policy policy.json
""",
)
@click.argument("location")
@click.option("--compress", is_flag=True, help="Deliver gzip: {task_id}.json.gz instead of {task_id}.json.")
@click.option("--name", help="Name the object instead of using the task id.")
@click.option("--callback", metavar="URL", help="An https:// URL that Nimble calls when a task has ended.")
@click.option("--batch", is_flag=True, help="For a batch: the parameters belong in its shared_inputs.")
@click.option(
    "--granted-prefix",
    metavar="PREFIX",
    help="The prefix the bucket's policy was made for (policy show --prefix); warn if it does not cover LOCATION.",
)
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    help="The bucket's policy, - for standard input; warn where it does not let Nimble deliver to LOCATION.",
)
@policy_bytes_option
@click.option(
    "--as",
    "form",
    type=click.Choice(list(_FORMS)),
    default="json",
    show_default=True,
    help="The bare parameters, a program for Nimble's Python SDK, or a curl command.",
)
def delivery_params(
    location: str,
    *,
    compress: bool,
    name: str | None,
    callback: str | None,
    batch: bool,
    granted_prefix: str | None,
    policy_file: str | None,
    max_policy_bytes: int,
    form: str,
) -> None:
    """Print the storage parameters that make Nimble deliver to LOCATION.

    They are validated; warnings about known pitfalls go to standard error.
    """
    policy = None
    if policy_file is not None:
        policy = parse_document(read_text(policy_file, max_policy_bytes), policy_file, None)
    parameters = delivery_parameters(
        location,
        compress=compress,
        name=name,
        callback=callback,
        batch=batch,
        granted_prefix=granted_prefix,
        policy=policy,
    )
    click.echo(_FORMS[form](parameters))
    for warning in parameters.warnings:
        click.echo(f"warning: {warning.message} [{warning.code}]", err=True)
