"""``problems``: list, accept and reopen the known problems of a destination."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from harvester import text
from harvester.cli.shared.next_steps.result_steps import accept_problem
from harvester.cli.shared.options.parameters import DESTINATION, DURATION, format_option, state_option
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.reports.json_documents import OutputFormat, json_text
from harvester.cli.shared.run_messages import write_reasons
from harvester.destination import (
    PROBLEMS_SCHEMA,
    KnownProblem,
    accept_problems,
    list_problems,
    reopen_problems,
)
from harvester.errors import ExitCode

_SHOWN = 10


@click.group("problems")
def problems() -> None:
    """List the known problems of DEST, accept them, or reopen them.

    An accepted problem makes no run fail. A new version of the object, another reason, or the end of --until reopens
    it. The problem of an object that is gone at the source ends with the next complete listing without filters.
    """


@problems.command(
    "list",
    epilog="""\b
Examples:
  nimble-harvester problems list ./results
  nimble-harvester problems list ./results --open --format jsonl
""",
)
@click.argument("dest", type=DESTINATION)
@click.option("--open", "open_only", is_flag=True, help="Only problems that are not accepted; exit 3 if there are any.")
@state_option
@format_option("table", "json", "jsonl")
@quiet_option
def list_command(*, dest: Path, open_only: bool, state_dir: Path | None, output: OutputFormat) -> int:
    """List every known problem of DEST."""
    found = [each for each in list_problems(dest, state_dir=state_dir) if not (open_only and each.acceptance)]
    _print(dest, found, output)
    code = ExitCode.PARTIAL if open_only and found else ExitCode.OK
    write_reasons(code, problem_reasons(dest, found))
    return int(code)


@problems.command(
    "accept",
    epilog="""\b
Examples:
  nimble-harvester problems accept ./results nimble/bad.json --note "client knows"
  nimble-harvester problems accept ./results --reason invalid_json --until 30d
""",
)
@click.argument("dest", type=DESTINATION)
@click.argument("key", nargs=-1)
@click.option("--reason", metavar="REASON", help="Every problem of this reason.")
@click.option("--note", default="", metavar="TEXT", help="Why; kept with the acceptance.")
@click.option("--until", type=DURATION, help="Accept for this long, e.g. 30d.  [default: for good]")
@state_option
@format_option("table", "json", "jsonl")
def accept_command(
    *,
    dest: Path,
    key: tuple[str, ...],
    reason: str | None,
    note: str,
    until: float | None,
    state_dir: Path | None,
    output: OutputFormat,
) -> None:
    """Accept problems of DEST as they are now: by KEY, or all of one reason."""
    end = None if until is None else time.time() + until
    _print(dest, accept_problems(dest, key, reason=reason, note=note, until=end, state_dir=state_dir), output)


@problems.command(
    "reopen",
    epilog="""\b
Examples:
  nimble-harvester problems reopen ./results nimble/bad.json
""",
)
@click.argument("dest", type=DESTINATION)
@click.argument("key", nargs=-1)
@click.option("--reason", metavar="REASON", help="Every problem of this reason.")
@state_option
@format_option("table", "json", "jsonl")
def reopen_command(
    *, dest: Path, key: tuple[str, ...], reason: str | None, state_dir: Path | None, output: OutputFormat
) -> None:
    """Make accepted problems of DEST count again: by KEY, or all of one reason."""
    _print(dest, reopen_problems(dest, key, reason=reason, state_dir=state_dir), output)


def problem_reasons(dest: Path, found: Sequence[KnownProblem]) -> Iterator[str]:
    """Yield the first open problems, and how to accept them."""
    for each in found[:_SHOWN]:
        yield f"  {text.printable(each.as_document()['key'])}: {each.row.outcome}, {each.row.reason.replace('_', ' ')}"
    if len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN:,} more"
    yield f"  {accept_problem(dest)}"


def _print(dest: Path, found: Iterable[KnownProblem], output: OutputFormat) -> None:
    documents = [each.as_document() for each in found]
    if output == "json":
        print(json_text({"schema": PROBLEMS_SCHEMA, "destination": str(dest), "problems": documents}, indent=2))
        return
    for each in documents:
        if output == "jsonl":
            print(json_text(each))
            continue
        accepted = each["accepted"]
        print(f"{text.printable(each['key'])}")
        print(f"  {each['outcome']}: {each['reason'].replace('_', ' ')}, since run {each['first_run']}")
        if each["detail"]:
            print(f"  {text.printable(each['detail'])}")
        if accepted is not None:
            until = f" until {accepted['until']}" if accepted["until"] else ""
            note = f": {text.printable(accepted['note'])}" if accepted["note"] else ""
            print(f"  accepted {accepted['accepted_at']}{until}{note}")
    if output == "table":
        print(f"{dest}: {text.count(len(documents), 'problem')}")
