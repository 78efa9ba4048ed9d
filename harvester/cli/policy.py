"""``policy``: the documents that open a bucket to Nimble."""

from __future__ import annotations

from collections.abc import Mapping

import click

from harvester.cli.application import LazyGroup

# Imported only when used; in the order of use.
COMMANDS: Mapping[str, str] = {
    "show": "harvester.cli.policy_show:show",
    "check": "harvester.cli.policy_check:check",
    "simulate": "harvester.cli.policy_simulate:simulate",
    "diff": "harvester.cli.policy_merge:diff",
    "merge": "harvester.cli.policy_merge:merge",
}


@click.group(cls=LazyGroup, lazy=COMMANDS)
def policy() -> None:
    """Print, check, decide, compare and merge the policies that open a bucket to Nimble.

    Documents in, documents out: none of this asks a cloud for anything.

    \b
    Examples:
      nimble-harvester policy show --mode async --bucket my-bucket --prefix nimble/
      nimble-harvester policy check policy.json --mode jobs --bucket my-bucket
    """  # \b is click's
