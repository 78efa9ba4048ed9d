"""A command group that imports its commands on use, and names the environment variables of their options."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from harvester.cli.shared.standard_streams import stdout_errors

CONFIRMATIONS = frozenset({"--yes"})
"""Options by which a person agrees: no variable, set once and forgotten, may agree in their place."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def __init__(
        self, *args: object, lazy: Mapping[str, str], summaries: Mapping[str, str] | None = None, **kwargs: object
    ) -> None:
        """Take ``lazy``: the command's name to ``module:attribute``; ``summaries``: the line of --help for each."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own signature is wide; passed through
        self._lazy = lazy
        self._summaries = summaries or {}

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Parse, which may print the help."""
        with stdout_errors():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        with stdout_errors():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names in the order of the table, which is the order of use."""
        return list(self._lazy)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        """Write the list of verbs from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._summaries.get(name, "")) for name in self._lazy])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; name the nearest one when it is misspelt. Raises UsageError."""
        if args[0] not in self._lazy and not ctx.resilient_parsing:
            import difflib

            similar = difflib.get_close_matches(args[0], self._lazy, n=1)
            if similar:
                ctx.fail(f"No such command {args[0]!r}. Did you mean {similar[0]!r}?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None for an unknown name."""
        target = self._lazy.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        path = [*_groups(ctx), cmd_name]
        name_variables(command, "_".join(("nimble-harvester", *path)).replace("-", "_").upper())
        return command


def _groups(ctx: click.Context) -> list[str]:
    """Return the names of the groups a command is in, the program itself aside."""
    return [] if ctx.parent is None else [*_groups(ctx.parent), str(ctx.info_name)]


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
