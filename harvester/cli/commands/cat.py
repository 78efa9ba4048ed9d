"""``cat``: the landed results, for a pipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from harvester import text
from harvester.cli.shared.parameters import DESTINATION, state_option
from harvester.destination import ReadAccount, read, unreadable_error
from harvester.errors import UsageError


@click.command(
    "cat",
    epilog="""\b
Examples:
  nimble-harvester cat ./results | jq -r .url
  nimble-harvester cat ./results --select data.markdown
  nimble-harvester cat ./results --run last --meta
  nimble-harvester cat ./results --after 1200 --meta > new.jsonl
""",
)
@click.argument("dest", type=DESTINATION)
@click.option(
    "--after", type=click.IntRange(0), default=0, metavar="SEQ", help="Only what landed after this sequence number."
)
@click.option("--run", metavar="RUN", help="Only what this run landed: a number, or 'last'.")
@click.option("--select", "selected", metavar="PATH", help="Only this value of each result, e.g. data.markdown.")
@click.option("--meta", is_flag=True, help="Add sequence number, run, key, etag, task id and landing time.")
@state_option
def cat_command(
    *, dest: Path, after: int, run: str | None, selected: str | None, meta: bool, state_dir: Path | None
) -> None:
    """Stream the landed results of DEST as JSON Lines.

    One line for each envelope and for each row of a jobs file, in the order they landed, numbers unchanged to the
    digit. With --meta the last line's "seq" is the cursor for the next --after.
    """
    account = ReadAccount()
    write = sys.stdout.buffer.write
    found = False
    for row in read(dest, after=after, run=_run(run), selected=selected, state_dir=state_dir, account=account):
        found = True
        write(row.with_meta() if meta else row.text)
        write(b"\n")
    sys.stdout.buffer.flush()
    if account.evicted:
        click.echo(f"{account.evicted:,} evicted results are not here any more", err=True)
    if account.without_value and not found:
        click.echo(
            f"none of {text.count(account.without_value, 'result')} has {selected}: "
            "between its dots a path has keys, or positions in an array from 0",
            err=True,
        )
    if account.unreadable:
        raise unreadable_error(dest, account)


def _run(text: str | None) -> int | Literal["last"] | None:
    if text is None:
        return None
    if text == "last":
        return "last"
    if not text.isdecimal():
        raise UsageError(
            f"not a run: {text!r}",
            parameters={"advice": "--run takes a number or 'last'; nimble-harvester status DEST lists them"},
        )
    return int(text)
