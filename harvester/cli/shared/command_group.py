"""A command group that imports its commands on use, and lists them by purpose."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

from harvester.cli.shared.options.option_variables import name_variables, unknown_variables, upper
from harvester.cli.shared.standard_streams import stdout_errors
from harvester.text import printable


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def __init__(
        self,
        *args: object,
        lazy: Mapping[str, str],
        summaries: Mapping[str, str],
        sections: Mapping[str, Sequence[str]] | None = None,
        **kwargs: object,
    ) -> None:
        """Take ``lazy``: the command's name to ``module:attribute``; ``summaries``: the line of --help for each.

        ``sections`` are the headings of --help with the names under each; one heading for all by default.
        """
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own signature is wide; passed through
        self._lazy = lazy
        self._summaries = summaries
        self._sections = sections or {"Commands": list(lazy)}

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
        placed = {name for names in self._sections.values() for name in names}
        for heading, names in self._sections.items():
            rest = [name for name in self._lazy if name not in placed] if heading == [*self._sections][-1] else []
            with formatter.section(heading):
                formatter.write_dl([(name, self._summaries[name]) for name in (*names, *rest) if name in self._lazy])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; name the nearest one when it is misspelt. Raises UsageError."""
        if args[0] not in self._lazy and not ctx.resilient_parsing:
            import difflib

            similar = difflib.get_close_matches(args[0], self._lazy, n=1)
            if similar:
                ctx.fail(f"No such command {args[0]!r}. Did you mean {similar[0]!r}?")
        name, command, rest = super().resolve_command(ctx, args)
        if ctx.parent is None and command is not None and not ctx.resilient_parsing:
            for variable, nearest in unknown_variables(command, str(name), self._lazy):
                meant = f"; the nearest is {nearest}" if nearest else ""
                click.echo(f"warning: {printable(variable)} is no variable of this program{meant}", err=True)
        return name, command, rest

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None for an unknown name."""
        target = self._lazy.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        path = [*_groups(ctx), cmd_name]
        name_variables(command, upper("_".join(("nimble-harvester", *path))))
        return command


def _groups(ctx: click.Context) -> list[str]:
    """Return the names of the groups a command is in, the program itself aside."""
    return [] if ctx.parent is None else [*_groups(ctx.parent), str(ctx.info_name)]
