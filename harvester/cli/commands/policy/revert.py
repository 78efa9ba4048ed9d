"""``policy revert``: restore a live policy from a backup."""

from __future__ import annotations

from pathlib import Path

import click

from harvester.access import plan_revert
from harvester.cli.commands.policy.apply import carry_out
from harvester.cli.shared.options.parameters import DIRECTORY, LOCATION, format_option, store_options
from harvester.location import Location
from harvester.sessions import StoreSettings


@click.command(
    "revert",
    short_help="Put the policies of LOCATION back as they were.",
    epilog="""\b
Examples:
  nimble-harvester policy revert s3://my-bucket
  nimble-harvester policy revert s3://my-bucket --dry-run
  nimble-harvester policy revert s3://my-bucket --backup 20260131T120000.000000Z-apply.json --yes
""",
)
@click.argument("location", type=LOCATION)
@click.option("--backup", metavar="FILE", help="This backup, by file or name.  [default: the newest of an apply]")
@click.option("--backup-dir", type=DIRECTORY, metavar="DIR", help="Where backups are kept.")
@click.option("--kms-profile", metavar="NAME", help="AWS profile that may change the key's policy.")
@click.option("--dry-run", is_flag=True, help="Show what would be changed; write nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@format_option("table", "json")
@store_options
def revert_command(
    *,
    location: Location,
    backup: str | None,
    backup_dir: Path | None,
    kms_profile: str | None,
    dry_run: bool,
    yes: bool,
    output: str,
    settings: StoreSettings,
) -> int:
    """Put the policies of LOCATION back exactly as they were before policy apply.

    Under the same guards: shows the diff, asks, backs up, reads again, writes, reads back. Where there was no policy
    before, there is none after.
    """
    plan = plan_revert(location, backup=backup, backup_dir=backup_dir, kms_profile=kms_profile, settings=settings)
    return carry_out(
        plan,
        settings=settings,
        kms_profile=kms_profile,
        backup_dir=backup_dir,
        output=output,
        dry_run=dry_run,
        yes=yes,
    )
