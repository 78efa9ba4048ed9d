"""``status``: what is known of destinations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from harvester import text
from harvester.cli.shared.next_steps.result_steps import list_open_problems
from harvester.cli.shared.options.freshness_options import freshness_options, stale_sentence
from harvester.cli.shared.options.option_errors import options_exclusive
from harvester.cli.shared.options.parameters import DESTINATION, format_option, state_option, store_options
from harvester.cli.shared.options.quiet_option import quiet_option
from harvester.cli.shared.run_messages import write_reasons
from harvester.destination import (
    HARVESTING,
    DestinationStatus,
    FreshnessLimits,
    ProblemRow,
    RunRow,
    Stale,
    StaleKind,
    check_freshness,
    destination_status,
    problem_rows,
)
from harvester.errors import ExitCode
from harvester.sessions import StoreSettings


@click.command(
    "status",
    epilog="""\b
Examples:
  nimble-harvester status ./results
  nimble-harvester status ./results --problems
  nimble-harvester status ./worker-1 ./worker-2 --format json
  nimble-harvester status --export-to s3://warehouse/nimble
""",
)
@click.argument("dest", type=DESTINATION, nargs=-1)
@click.option("--export-to", metavar="OUT", help="Instead of DEST: count the rows of an output, and those that repeat.")
@click.option("--runs", type=click.IntRange(0, 1_000_000), default=5, show_default=True, help="How many runs to show.")
@click.option("--problems", is_flag=True, help="Also every known problem: its object, cause, and quarantined bytes.")
@freshness_options
@state_option
@format_option("table", "json")
@store_options
@quiet_option
def status_command(
    *,
    dest: tuple[Path, ...],
    export_to: str | None,
    runs: int,
    problems: bool,
    limits: FreshnessLimits,
    state_dir: Path | None,
    settings: StoreSettings,
    output: str,
) -> int:
    """Show what is known of each DEST.

    Its source, last runs, counts, known problems, the newest object, and the run that holds it. Several are added up.
    With --export-to the rows of an output are counted instead, and those that repeat.
    With a limit such as --max-age, a DEST that does not meet it makes the exit code 15; --max-problem-rate alone 3.
    """
    if bool(dest) == (export_to is not None):
        raise options_exclusive(
            "DEST and --export-to exclude each other, and one of them is needed", "DEST", "--export-to OUT"
        )
    if export_to is not None:
        return _print_output(export_to, settings, output)
    stale = {each: check_freshness(each, limits, state_dir=state_dir) for each in dest}
    sentences = {
        each: [*(stale_sentence(one, limits) for one in found), *_obstacles(each, found, state_dir)]
        for each, found in stale.items()
    }
    if output == "json":
        _print_document(dest, runs, state_dir, stale if limits != FreshnessLimits() else None, problems=problems)
    else:
        _print(dest, runs, state_dir, sentences, problems=problems)
    lines = [f"  {each}: {sentence}" for each, found in sentences.items() for sentence in found]
    kinds = {one.kind for found in stale.values() for one in found}
    problems_only = kinds == {StaleKind.MANY_PROBLEMS}
    code = ExitCode.PARTIAL if problems_only else ExitCode.STALE if kinds else ExitCode.OK
    write_reasons(code, lines)
    return int(code)


def _obstacles(dest: Path, found: Sequence[Stale], state_dir: Path | None) -> list[str]:
    """Return what keeps the runs of a destination from being successes, where one is missing or old."""
    if not {one.kind for one in found} & {StaleKind.NO_SUCCESS, StaleKind.OLD_SUCCESS}:
        return []
    open_problems = destination_status(dest, state_dir=state_dir, runs=0).open_problems
    if not open_problems:
        return []
    accepted = f"{text.count(open_problems, 'problem')} {'is' if open_problems == 1 else 'are'} accepted"
    return [f"no run is a success until {accepted} or solved: {list_open_problems(dest)}"]


def _print_output(out: str, settings: StoreSettings, output: str) -> int:
    """Print how many rows an output holds, and how many of them repeat another."""
    # Loaded by the call that reads parts.
    from harvester.tables import count_rows, open_output

    with open_output(out, settings) as store:
        counted = count_rows(store)
    if output == "json":
        document = {"schema": "urn:nimble-harvester:export-status:v1", "output": out, **counted._asdict()}
        print(json.dumps(document, indent=2))
    else:
        print(
            f"{text.count(counted.rows, 'row')} in {text.count(counted.parts, 'file')} of {counted.series:,} series,"
            f" of which {counted.repeated:,} repeat another"
        )
    return int(ExitCode.OK)


def _print_document(
    dest: tuple[Path, ...],
    runs: int,
    state_dir: Path | None,
    stale: Mapping[Path, tuple[Stale, ...]] | None,
    *,
    problems: bool,
) -> None:
    found = [destination_status(each, state_dir=state_dir, runs=runs) for each in dest]
    documents = [status.as_document() for status in found]
    for each, document in zip(dest, documents, strict=True):
        if stale is not None:
            document["stale"] = [one._asdict() for one in stale[each]]
        if problems:
            document["known_problems"] = [_problem(row) for row in problem_rows(each, state_dir=state_dir)]
    schema = "urn:nimble-harvester:status-list:v2"
    several = {"schema": schema, "destinations": documents, "total": _total(found)}
    print(json.dumps(documents[0] if len(documents) == 1 else several, indent=2))


def _print(
    dest: tuple[Path, ...],
    runs: int,
    state_dir: Path | None,
    stale: Mapping[Path, list[str]],
    *,
    problems: bool,
) -> None:
    found = [destination_status(each, state_dir=state_dir, runs=runs) for each in dest]
    for number, (each, status) in enumerate(zip(dest, found, strict=True)):
        print(("\n" if number else "") + "\n".join([_render(status), *(f"  ! {line}" for line in stale[each])]))
        if problems and status.problems:
            print("every known problem:")
            for row in problem_rows(each, state_dir=state_dir):
                print("\n".join(_problem_lines(row)))
    if len(found) > 1:
        total = _total(found)
        print(
            f"\ntogether: {total['landed']:,} landed ({total['evicted']:,} evicted), {text.size(total['bytes'])} here"
        )


def _total(found: list[DestinationStatus]) -> dict[str, int]:
    return {name: sum(status.totals[name] for status in found) for name in found[0].totals}


def _render(status: DestinationStatus) -> str:
    totals = status.totals
    evicted, size = f"({totals['evicted']:,} evicted)", text.size(totals["bytes"])
    landed = f"{text.count(totals['landed'], 'object')} {evicted}, {size} here"
    lines = [
        f"{status.destination} is the copy of {status.source}",
        f"  landed    {landed}, up to sequence number {status.last_seq:,}",
    ]
    if status.newest is not None:
        lines.append(f"  newest    {status.newest.path}, {text.moment(status.newest.landed_at)}")
    successes = [(beat.succeeded_at, beat.verb) for beat in status.heartbeats if beat.succeeded_at is not None]
    harvested = max((each for each in successes if each[1] in HARVESTING), default=None)
    lines.append(f"  success   {f'{text.moment(harvested[0])}, {harvested[1]}' if harvested else 'none yet'}")
    if totals["source_gone"]:
        lines.append(f"  gone      {totals['source_gone']:,} no longer in the source, kept here")
    if totals["non_finite"]:
        lines.append(f"  values    {totals['non_finite']:,} NaN or infinite, read as text")
    total_problems = sum(status.problems.values())
    if status.problems:
        summary = ", ".join(f"{number:,} {reason.replace('_', ' ')}" for reason, number in status.problems.items())
        open_ones = f"; {status.open_problems:,} not accepted" if status.open_problems != total_problems else ""
        lines.append(text.wrap(f"{summary}{open_ones}", first="  problems  "))
    if status.holder is not None:
        since = text.moment(status.holder.since)
        lines.append(f"  held by   process {status.holder.process} on {status.holder.host} since {since}")
    lines.extend(_run_line(run, held=status.holder is not None and run is status.runs[0]) for run in status.runs)
    return "\n".join(lines)


def _run_line(run: RunRow, *, held: bool) -> str:
    begun = f"  run {run.run:<5} {text.moment(run.started_at)}"
    if run.ended_at is None:
        return f"{begun}  {'works' if held else 'was killed'}"
    counts = json.loads(run.report)["counts"] if run.report else {}
    summary = ", ".join(
        f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items() if number and name != "listed"
    )
    first = f"{begun}  exit {run.exit_code}  "
    return text.wrap(summary or "nothing listed", first=first, rest=" " * len("  run 12345 "))


def _problem(row: ProblemRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "outcome": row.outcome,
        "reason": row.reason,
        "detail": row.detail,
        "first_run": row.first_run,
        "last_run": row.run,
        "path": row.path,
    }


def _problem_lines(row: ProblemRow) -> Iterator[str]:
    yield f"  {text.printable(row.key)}"
    met = f"in run {row.run}" if row.run == row.first_run else f"since run {row.first_run}, last in run {row.run}"
    yield f"      {row.outcome}: {row.reason.replace('_', ' ')}, met {met}"
    if row.detail:
        yield f"      {row.detail}"
    if row.path is not None:
        yield f"      its bytes: {text.printable(row.path)}"
