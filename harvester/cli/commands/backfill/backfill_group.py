"""``backfill``: a large harvest in shards."""

from __future__ import annotations

from collections.abc import Mapping

import click

from harvester.cli.shared.command_group import LazyGroup

# Imported only when used; in the order of use.
COMMANDS: Mapping[str, str] = {
    "plan": "harvester.cli.commands.backfill.backfill_plan_command:plan_command",
    "run": "harvester.cli.commands.backfill.backfill_run_command:run_command",
    "status": "harvester.cli.commands.backfill.backfill_status_command:status_command",
    "show": "harvester.cli.commands.backfill.backfill_show_command:show_command",
}

# The summaries of --help, without importing the commands.
SUMMARIES: Mapping[str, str] = {
    "plan": "Cut LOCATION into shards and write the plan to OUT.",
    "run": "Work on the shards of OUT that are not committed.",
    "status": "Add up the committed shards of OUT, and name the missing ones.",
    "show": "Print the job that runs the shards of OUT on an engine.",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, summaries=SUMMARIES)
def backfill() -> None:
    """Harvest a large LOCATION in shards, on one machine or many.

    Each shard is synced into a scratch folder, exported to OUT/data/ and committed once, by any number of attempts.

    \b
    Examples:
      nimble-harvester backfill plan s3://my-bucket/results/ --to s3://warehouse/nimble --shards 100
      nimble-harvester backfill run s3://warehouse/nimble
    """  # \b is click's
