"""``completion``: let the shell complete verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    epilog="""\b
Examples:
  eval "$(nimble-harvester completion bash)"     # in ~/.bashrc
  eval "$(nimble-harvester completion zsh)"      # in ~/.zshrc
  nimble-harvester completion fish | source      # in config.fish
""",
)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion_command(ctx: click.Context, *, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # the choices are click's own; narrows the type
    root = ctx.find_root().command
    print(kind(root, {}, "nimble-harvester", "_NIMBLE_HARVESTER_COMPLETE").source())
