"""``policy``: the documents that grant Nimble access to a bucket."""

from __future__ import annotations

from collections.abc import Mapping

import click

from harvester.cli.shared.command_group import LazyGroup

# Imported only when used; in the order of use.
COMMANDS: Mapping[str, str] = {
    "show": "harvester.cli.commands.policy.show:show",
    "check": "harvester.cli.commands.policy.check:check",
    "simulate": "harvester.cli.commands.policy.simulate:simulate",
    "diff": "harvester.cli.commands.policy.diff:diff_command",
    "merge": "harvester.cli.commands.policy.merge:merge",
    "apply": "harvester.cli.commands.policy.apply:apply_command",
    "revert": "harvester.cli.commands.policy.revert:revert_command",
}

# The summaries of --help, without importing the commands.
SUMMARIES: Mapping[str, str] = {
    "show": "Print the policy that grants Nimble access to a bucket.",
    "check": "Check a policy against what Nimble needs.",
    "simulate": "Decide requests by resource policies.",
    "diff": "Show what merge or apply would change.",
    "merge": "Add the contract's statements to a policy.",
    "apply": "Grant Nimble access to the bucket of LOCATION.",
    "revert": "Put the policies of LOCATION back as they were.",
}


@click.group(cls=LazyGroup, lazy=COMMANDS, summaries=SUMMARIES)
def policy() -> None:
    """Print, check, compare, merge and apply the policies of a bucket.

    Only apply, revert, and diff of a LOCATION use the network.

    \b
    Examples:
      nimble-harvester policy show --mode async --bucket my-bucket --prefix nimble/
      nimble-harvester policy check policy.json --mode jobs --bucket my-bucket
    """  # \b is click's
