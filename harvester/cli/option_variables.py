"""Environment variables of flags: ``NIMBLE_HARVESTER_<VERB>_<FLAG>``, confirmations excepted."""

from __future__ import annotations

import click

CONFIRMATIONS = frozenset({"--yes"})
"""Flags by which a person agrees: no variable, set once and forgotten, may agree in their place."""


def name_variables(command: click.Command, prefix: str) -> None:
    """Give every option of ``command``, and of its subcommands, the variable that its flag is named after."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.envvar is None:
            flag = max(parameter.opts, key=len)
            if not CONFIRMATIONS.intersection(parameter.opts):
                parameter.envvar = f"{prefix}_{_upper(flag.lstrip('-'))}"
    if isinstance(command, click.Group):
        for name, subcommand in command.commands.items():
            name_variables(subcommand, f"{prefix}_{_upper(name)}")


def _upper(name: str) -> str:
    return name.replace("-", "_").upper()
