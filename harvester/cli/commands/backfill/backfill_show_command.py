"""``backfill show``: the definition of a job that runs the shards."""

from __future__ import annotations

import json

import click

from harvester.backfill import (
    SCRATCH_FOLDER,
    batch_array_size,
    batch_job_definition,
    kubernetes_job,
    open_planned,
    read_plan,
)
from harvester.cli.shared.next_steps.cloud_commands import submit_batch_job
from harvester.cli.shared.options.option_errors import option_inapplicable
from harvester.cli.shared.options.parameters import store_options
from harvester.sessions import StoreSettings


@click.command(
    "show",
    epilog="""\b
Examples:
  nimble-harvester backfill show s3://warehouse/nimble --as kubernetes --image registry/harvester:1 | kubectl apply -f -
  nimble-harvester backfill show s3://warehouse/nimble --as aws-batch --image registry/harvester:1 > job.json
""",
)
@click.argument("out", metavar="OUT")
@click.option("--as", "engine", type=click.Choice(["kubernetes", "aws-batch"]), required=True, help="For which engine.")
@click.option("--image", required=True, metavar="IMAGE", help="Image with this program, with the extra [parquet].")
@click.option("--service-account", metavar="NAME", help="Service account of the pods.")
@click.option("--job-role", metavar="ARN", help="Role of the containers of AWS Batch.")
@store_options
def show_command(
    *,
    out: str,
    engine: str,
    image: str,
    service_account: str | None,
    job_role: str | None,
    settings: StoreSettings,
) -> None:
    """Print the job that runs the shards of OUT on an engine.

    An Indexed Job of Kubernetes, or a job definition for `aws batch register-job-definition --cli-input-json`. By exit
    code, an attempt is repeated or given up. It holds no credentials: pods and containers have those of their service
    account or role.
    """
    if job_role is not None and engine != "aws-batch":
        raise option_inapplicable("--job-role is for --as aws-batch", "--job-role", needs="--as aws-batch")
    if service_account is not None and engine != "kubernetes":
        raise option_inapplicable(
            "--service-account is for --as kubernetes", "--service-account", needs="--as kubernetes"
        )
    with open_planned(out, settings) as store:
        plan, url = read_plan(store), store.url
    arguments = ["backfill", "run", url, "--workers", "1"]
    if engine == "kubernetes":
        arguments += ["--scratch", SCRATCH_FOLDER]
        print(json.dumps(kubernetes_job(plan, url, image, arguments, service_account=service_account), indent=2))
        return
    size = batch_array_size(plan)
    if size is None:
        # A job without an array has no index.
        arguments += ["--shard", "0"]
    definition = batch_job_definition(plan, url, image, arguments, job_role=job_role)
    print(json.dumps(definition, indent=2))
    click.echo("\n".join(submit_batch_job(definition["jobDefinitionName"], size)), err=True)
