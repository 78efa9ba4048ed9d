"""The environment variables of options: their names, and warnings about misspelt ones."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

import click

PREFIX = "NIMBLE_HARVESTER"
CONFIRMATIONS = frozenset({"--yes"})
"""Options by which a person agrees: no variable, set once and forgotten, may agree in their place."""
GENERAL = frozenset({f"{PREFIX}_DEBUG", f"{PREFIX}_CONFIG"})
"""Variables that belong to no verb."""


def name_variables(command: click.Command, prefix: str) -> None:
    """Give every option of ``command``, and of its subcommands, the variable that its flag is named after."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.envvar is None:
            flag = max(parameter.opts, key=len)
            if not CONFIRMATIONS.intersection(parameter.opts):
                parameter.envvar = f"{prefix}_{upper(flag.lstrip('-'))}"
    if isinstance(command, click.Group):
        for name, subcommand in command.commands.items():
            name_variables(subcommand, f"{prefix}_{upper(name)}")


def upper(name: str) -> str:
    """Return the name of a verb or option as a variable has it."""
    return name.replace("-", "_").upper()


def unknown_variables(command: click.Command, verb: str, verbs: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each misspelt variable of the environment with the nearest name, or with an empty one.

    Checked are those of ``verb``, whose command is given, and those of no verb; those of other ``verbs`` are not,
    because reading their options takes importing them.
    """
    known = {*GENERAL, *_variables_of(command)}
    beginnings = {each: f"{PREFIX}_{upper(each)}_" for each in verbs}
    for name in sorted(os.environ):
        if not name.startswith(f"{PREFIX}_") or name in known or name.startswith("_NIMBLE"):
            continue
        owners = [each for each, beginning in beginnings.items() if name.startswith(beginning)]
        if not owners or verb in owners:
            yield name, _nearest(name, [*known, *beginnings.values()] if not owners else sorted(known))


def _nearest(name: str, known: Collection[str]) -> str:
    import difflib

    # Without what all names begin with, which would make any two of them alike.
    own = name.removeprefix(f"{PREFIX}_")
    others = {each.removeprefix(f"{PREFIX}_"): each for each in known}
    found = difflib.get_close_matches(own, others, n=1, cutoff=0.75)
    if not found:
        # The verb may be misspelt: compare it with the beginning that the variables of a verb have.
        found = [each for each in others if each.endswith("_") and difflib.get_close_matches(own[: len(each)], [each])]
    return others[found[0]].rstrip("_") if found else ""


def _variables_of(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter.envvar, str):
            yield parameter.envvar
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            yield from _variables_of(subcommand)
