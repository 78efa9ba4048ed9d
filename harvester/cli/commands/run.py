"""``run``: the pipelines of the configuration file."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import click

from harvester import text
from harvester.cli.shared.failures import print_error
from harvester.cli.shared.options.config_file import STEPS, Pipeline, config_option, read_config
from harvester.cli.shared.options.parameters import format_option
from harvester.cli.shared.options.pipelines import step_context
from harvester.cli.shared.reports.json_documents import json_text
from harvester.cli.shared.run_messages import LOG_FORMAT, RETRYABLE, Messages, log_format_option
from harvester.errors import EXIT_MEANINGS, ExitCode, HarvesterError, UsageError

RUN_SCHEMA = "urn:nimble-harvester:pipeline-run:v1"
_GOES_ON = frozenset({ExitCode.OK, ExitCode.PARTIAL, ExitCode.EMPTY, ExitCode.STALE, ExitCode.DATA_CHANGED})
_INTERRUPTED = frozenset({ExitCode.SIGHUP, ExitCode.SIGINT, ExitCode.SIGTERM})


class StepResult(NamedTuple):
    """How a step of a pipeline ended."""

    pipeline: str
    """The name of the pipeline."""
    step: str
    """The step."""
    exit_code: int | None
    """Its exit code; None when it was not run, because an earlier step failed."""
    seconds: float
    """How long it took."""
    retryable: bool = False
    """Whether the same step may end better later with nothing changed by a person."""


@click.command(
    "run",
    epilog="""\b
Examples:
  nimble-harvester run
  nimble-harvester --config harvest.toml run acme --only sync
""",
)
@click.argument("name", nargs=-1)
@click.option("--only", type=click.Choice([*STEPS]), multiple=True, help="Only this step; may be repeated.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing unless the exit code is not 0.")
@log_format_option
@format_option("table", "json")
@click.pass_context
@config_option
def run_command(
    ctx: click.Context,
    *,
    config_file: Path,
    name: tuple[str, ...],
    only: tuple[str, ...],
    quiet: bool,
    log_format: Literal["text", "json"],
    output: Literal["table", "json"],
) -> int:
    """Run the pipelines of the configuration file, or each NAME.

    The steps in their order: access, sync, freshness, profile, export, evict. A failing pipeline does not stop the
    others. The exit code is that of the failing step, and 3 where several fail with different codes. Why a step failed
    is on standard error.
    """
    root = ctx.find_root()
    root.meta[LOG_FORMAT] = log_format
    path = config_file
    pipelines = _chosen(path, read_config(path), name)
    for pipeline in pipelines:
        for step in pipeline.steps:
            step_context(root, path, pipeline, step)
    if only and not any(step in pipeline.steps for pipeline in pipelines for step in only):
        raise UsageError(
            f"no pipeline of {path} has the step {' or '.join(only)}",
            cause=f"their steps: {', '.join(dict.fromkeys(step for pipeline in pipelines for step in pipeline.steps))}",
        )
    results: list[StepResult] = []
    for pipeline in pipelines:
        results += _run_pipeline(root, path, pipeline, only)
        if results and results[-1].exit_code in _INTERRUPTED:
            break
    code = _exit_code(results)
    if code is not ExitCode.OK or not quiet:
        _print(path, results, code, output)
        # Before the line of the end, where both streams go to one log.
        sys.stdout.flush()
    if log_format == "json":
        failed = [f"{each.pipeline}: {each.step} exit {each.exit_code}" for each in results if each.exit_code]
        steps = [each._asdict() for each in results]
        Messages(as_json=True, quiet=quiet).end(code, reasons=failed, steps=steps, retryable=_retryable(results))
    return int(code)


def _chosen(path: Path, pipelines: Sequence[Pipeline], names: Sequence[str]) -> list[Pipeline]:
    known = {pipeline.name: pipeline for pipeline in pipelines}
    for name in names:
        if name not in known:
            raise UsageError(f"{path} has no pipeline {name!r}", cause=f"its pipelines: {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)] if names else list(pipelines)


def _run_pipeline(root: click.Context, path: Path, pipeline: Pipeline, only: Sequence[str]) -> Iterator[StepResult]:
    failed = False
    for step in pipeline.steps:
        if only and step not in only:
            continue
        if failed:
            yield StepResult(pipeline.name, step, None, 0.0)
            continue
        started = time.monotonic()
        root.meta.pop(RETRYABLE, None)
        code = _run_step(root, path, pipeline, step)
        failed = code not in _GOES_ON
        retryable = bool(root.meta.get(RETRYABLE)) if code else False
        yield StepResult(pipeline.name, step, int(code), time.monotonic() - started, retryable)


def _run_step(root: click.Context, path: Path, pipeline: Pipeline, step: str) -> ExitCode:
    """Run a step without its report: why it failed, it writes to standard error."""
    with Path(os.devnull).open("w", encoding="utf-8") as discarded, contextlib.redirect_stdout(discarded):
        code = _invoke(step_context(root, path, pipeline, step))
    if code is not ExitCode.OK:
        ending = f"{pipeline.name}: {step} ended with exit {int(code)}: {EXIT_MEANINGS[code].meaning}"
        Messages(as_json=root.meta[LOG_FORMAT] == "json").log("info", ending)
    return code


def _invoke(context: click.Context) -> ExitCode:
    try:
        with context:
            result: Any = context.command.invoke(context)
    except HarvesterError as error:
        context.meta[RETRYABLE] = error.retryable
        if context.meta[LOG_FORMAT] == "json":
            Messages(as_json=True).end(ExitCode(error.exit_code), error=error)
        else:
            print_error(error)
        return ExitCode(error.exit_code)
    except click.exceptions.Exit as ending:
        return ExitCode(ending.exit_code)
    except click.ClickException as error:
        error.show(sys.stderr)
        return ExitCode.USAGE
    return ExitCode(result) if isinstance(result, int) else ExitCode.OK


def _exit_code(results: Sequence[StepResult]) -> ExitCode:
    codes = {result.exit_code for result in results if result.exit_code}
    interrupted = codes & _INTERRUPTED
    if interrupted:
        return ExitCode(min(interrupted))
    if len(codes) > 1:
        return ExitCode.PARTIAL
    return ExitCode(codes.pop()) if codes else ExitCode.OK


def _retryable(results: Sequence[StepResult]) -> bool:
    """Return whether the same run may end better later: one of its failed steps may."""
    return any(result.retryable for result in results)


def _print(path: Path, results: Sequence[StepResult], code: ExitCode, output: str) -> None:
    if output == "json":
        document = {
            "schema": RUN_SCHEMA,
            "config": str(path),
            "exit_code": int(code),
            "retryable": _retryable(results),
            "steps": [result._asdict() for result in results],
        }
        print(json_text(document, indent=2))
        return
    rows = [
        [each.pipeline, each.step, "not run" if each.exit_code is None else each.exit_code, text.duration(each.seconds)]
        for each in results
    ]
    print("\n".join(text.table(["pipeline", "step", "exit", "time"], rows)))
