"""``backfill run``: work on shards."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from harvester import text
from harvester.backfill import (
    Attempts,
    BackfillPlan,
    DaskRun,
    EngineProgress,
    ShardOutcome,
    array_index,
    missing_shards,
    open_planned,
    read_plan,
    read_shard,
    run_here,
    run_shard,
)
from harvester.cli.shared.next_steps import next_step
from harvester.cli.shared.options.option_errors import option_inapplicable
from harvester.cli.shared.options.parameters import store_options
from harvester.cli.shared.run_messages import Messages, message_options
from harvester.cli.shared.signals import stop_signals
from harvester.errors import ExitCode, HarvesterError
from harvester.sessions import StoreSettings
from harvester.tables import OutputStore
from harvester.transfer import Observer


@click.command(
    "run",
    epilog="""\b
Examples:
  nimble-harvester backfill run ./tables
  nimble-harvester backfill run s3://warehouse/nimble --shard 7
  nimble-harvester backfill run s3://warehouse/nimble --engine dask --scheduler tcp://10.0.0.1:8786
  SLURM_ARRAY_TASK_ID=7 nimble-harvester backfill run s3://warehouse/nimble
""",
)
@click.argument("out", metavar="OUT")
@click.option("--shard", type=int, metavar="I", help="Only this shard, from 0.")
@click.option(
    "--engine",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="What runs the shards: this process, or Dask.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Address of a scheduler of Dask.  [default: a cluster here]")
@click.option("--final", is_flag=True, help="Commit a shard also when objects failed; its report names them.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Worker processes of a shard.  [default: one per core; 1 on Dask]",
)
@click.option("--attempts", type=click.IntRange(1), default=6, show_default=True, help="Attempts at a shard, at most.")
@click.option(
    "--scratch",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where results lie while a shard is worked on.  [default: the system's folder for temporary files]",
)
@message_options
@store_options
def run_command(
    *,
    out: str,
    shard: int | None,
    engine: str,
    scheduler: str | None,
    final: bool,
    workers: int | None,
    attempts: int,
    scratch: Path | None,
    messages: Messages,
    settings: StoreSettings,
) -> int:
    """Work on the shards of OUT that are not committed.

    All of them, or one: that of --shard, or of JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX, CLOUD_RUN_TASK_INDEX
    or SLURM_ARRAY_TASK_ID. Any number of processes may do so at once. The exit code is 0 once the shards are
    committed, whatever their reports hold: see `backfill status`.
    """
    if scheduler is not None and engine != "dask":
        raise option_inapplicable("--scheduler needs --engine dask", "--scheduler", needs="--engine dask")
    options: dict[str, Any] = {"final": final, "scratch": scratch, "settings": settings}
    with open_planned(out, settings) as store, stop_signals() as received:
        plan = read_plan(store)
        observer = Observer(
            progress=messages.show, warning=lambda each: messages.log("warning", each), stop_signal=received
        )
        index = array_index(os.environ, len(plan.spans)) if shard is None and engine == "local" else shard
        try:
            if index is not None:
                if engine == "dask":
                    raise option_inapplicable("--shard needs --engine local", "--shard", needs="--engine local")
                outcome = run_shard(
                    read_shard(store, plan, index), store.url, workers=workers or 0, observer=observer, **options
                )
                return _end_of_shard(outcome, messages)
            show = _progress_printer(messages)
            if engine == "dask":
                run = DaskRun(
                    plan,
                    store,
                    scheduler=scheduler,
                    workers=workers or 1,
                    retries=attempts - 1,
                    observer=observer,
                    progress=show,
                    **options,
                )
                ended = run.run()
            else:
                ended = run_here(
                    plan, store, workers=workers or 0, retries=attempts - 1, observer=observer, progress=show, **options
                )
        except HarvesterError as error:
            messages.end(error.exit_code, error=error)
            return int(error.exit_code)
        finally:
            messages.clear()
        return _end_of_all(ended, plan, store, messages)


def _progress_printer(messages: Messages) -> Any:
    def show(progress: EngineProgress) -> None:
        outcome = progress.outcome
        done = f"{progress.committed:,} of {text.count(progress.shards, 'shard')} committed"
        if outcome.committed:
            messages.log("info", f"shard {outcome.shard} committed; {done}")
        else:
            again = "is tried again" if progress.retried else "is given up"
            messages.log("warning", f"shard {outcome.shard} {again}: {_reason(outcome)}")

    return show


def _reason(outcome: ShardOutcome) -> str:
    if outcome.error is not None:
        return outcome.error.one_line()
    counts = outcome.counts or {}
    return f"{counts.get('failed', 0):,} objects failed, {counts.get('not_attempted', 0):,} were not attempted"


def _end_of_shard(outcome: ShardOutcome, messages: Messages) -> int:
    messages.clear()
    if outcome.committed:
        messages.log("info", f"shard {outcome.shard} is committed")
    reasons = [] if outcome.committed else [f"shard {outcome.shard} is not committed: {_reason(outcome)}"]
    retryable = not outcome.committed and outcome.may_succeed_later
    messages.end(outcome.exit_code, error=outcome.error, reasons=reasons, retryable=retryable)
    return int(outcome.exit_code)


def _end_of_all(attempts: Attempts, plan: BackfillPlan, store: OutputStore, messages: Messages) -> int:
    missing = missing_shards(store, plan)
    code = attempts.exit_code() if missing else ExitCode.OK
    if not missing:
        messages.log("info", f"all {text.count(len(plan.spans), 'shard')} are committed")
    ended = attempts.stopped_by
    reasons = [f"shard {each.shard} is not committed: {_reason(each)}" for each in attempts.failed[:20]]
    reasons += [step for step in {next_step(each.error) for each in attempts.failed if each.error} if step]
    error = ended.error if ended is not None else None
    retryable = any(each.may_succeed_later for each in attempts.failed) if missing and error is None else None
    messages.end(code, error=error, reasons=reasons, retryable=retryable)
    return int(code)
