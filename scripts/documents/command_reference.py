"""The command reference, made from the program itself.

``python -m scripts.documents.command_reference`` writes docs/reference/commands.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import click

from harvester.cli.application import COMMANDS, program

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
_WIDTH = 80
_INTRODUCTION = """\
# Commands

Made from the program by `python -m scripts.documents.command_reference`; a test holds it to the program.
Data goes to standard output, everything else to standard error. Every option is also a variable,
`NIMBLE_HARVESTER_<VERB>_<OPTION>`, confirmations excepted. What the exit codes mean: [exit-codes.md](exit-codes.md).
"""


def reference() -> str:
    """Return the whole page."""
    root = click.Context(program, info_name="nimble-harvester")
    parts = [_INTRODUCTION, *_page(program, root)]
    for name, target in COMMANDS.items():
        module, _, attribute = target.partition(":")
        parts.extend(_tree(name, getattr(importlib.import_module(module), attribute), root))
    return "\n".join(parts)


def _tree(name: str, command: click.Command, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield from _page(command, context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from _tree(below, found, context)


def _page(command: click.Command, context: click.Context) -> Iterator[str]:
    context.terminal_width = _WIDTH
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## {context.command_path}\n\n```text\n{text}\n```\n"


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
