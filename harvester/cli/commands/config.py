"""``config``: check the configuration file."""

from __future__ import annotations

from pathlib import Path

import click

from harvester.cli.shared.options.config_file import config_option, read_config
from harvester.cli.shared.options.pipelines import step_context
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.text import printable


@click.group("config")
def config() -> None:
    """Check the configuration file."""


@config.command(
    "check",
    epilog="""\b
Examples:
  nimble-harvester config check
  nimble-harvester --config harvest.toml config check
""",
)
@click.pass_context
@quiet_option
@config_option
def check_command(ctx: click.Context, *, config_file: Path) -> None:
    """Read the configuration file, check every pipeline, and print its steps.

    Without --config: $NIMBLE_HARVESTER_CONFIG, $XDG_CONFIG_HOME/nimble-harvester/config.toml, then
    /etc/nimble-harvester/config.toml.
    """
    root = ctx.find_root()
    for pipeline in read_config(config_file):
        for step in pipeline.steps:
            step_context(root, config_file, pipeline, step)
        steps = ", ".join(pipeline.steps)
        print(
            f"{printable(pipeline.name)}: {printable(pipeline.location)} -> {printable(pipeline.destination)}: {steps}"
        )
