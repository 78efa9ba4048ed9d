"""The limits of freshness as options, and the sentence for each that is not met."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

from harvester import text
from harvester.cli.shared.options.parameters import DURATION, RATE
from harvester.destination import FreshnessLimits, Stale, StaleKind

_BY = {"agent": "of agent", "prefix": "in"}
_Command = TypeVar("_Command", bound=Callable[..., Any])


def freshness_options(command: _Command) -> _Command:
    """Add the options; the command receives ``limits``."""

    @functools.wraps(command)
    def with_limits(
        *,
        max_age: float | None,
        newest_within: float | None,
        min_landed: int | None,
        window: float,
        by: Literal["agent", "prefix"] | None,
        max_problem_rate: float | None,
        **values: Any,
    ) -> Any:
        limits = FreshnessLimits(max_age, newest_within, min_landed, window, by, max_problem_rate)
        return command(limits=limits, **values)

    for option in (
        click.option(
            "--max-problem-rate",
            type=RATE,
            help="Exit 3 if more of the known objects, e.g. 0.1%, have a problem that is not accepted.",
        ),
        click.option(
            "--by",
            type=click.Choice(["agent", "prefix"]),
            help="Apply --newest-within to each agent, or to each folder of the source.",
        ),
        click.option(
            "--window", type=DURATION, default="1h", show_default=True, help="The time that --min-landed is about."
        ),
        click.option(
            "--min-landed", type=click.IntRange(1), metavar="N", help="Exit 15 if fewer objects landed in --window."
        ),
        click.option("--newest-within", type=DURATION, help="Exit 15 if the newest delivery is older, e.g. 3h."),
        click.option("--max-age", type=DURATION, help="Exit 15 if the last success is older, e.g. 2h."),
    ):
        option(with_limits)
    return with_limits  # type: ignore[return-value]  # the same command with further options


def stale_sentence(stale: Stale, limits: FreshnessLimits) -> str:
    """Return what is too old or too little, and the limit."""
    place = f" {_BY[limits.by]} {text.printable(stale.subject)}" if stale.subject and limits.by else ""
    match stale.kind:
        case StaleKind.NO_SUCCESS:
            return "no sync, watch or listen has succeeded"
        case StaleKind.OLD_SUCCESS:
            return f"the last success is {text.duration(stale.age)} ago, more than {text.duration(limits.max_age or 0)}"
        case StaleKind.NO_DELIVERY:
            return "no delivery names an agent" if limits.by == "agent" else "nothing has been delivered"
        case StaleKind.OLD_DELIVERY:
            limit = text.duration(limits.newest_within or 0)
            return f"the newest delivery{place} is {text.duration(stale.age)} old, more than {limit}"
        case StaleKind.FEW_LANDED:
            window = text.duration(limits.window)
            return f"{text.count(stale.landed, 'object')} landed in {window}, fewer than {limits.min_landed:,}"
        case StaleKind.MANY_PROBLEMS:
            limit = f"{limits.max_problem_rate or 0:.3%}"
            return f"{stale.problem_rate:.3%} of the known objects have a problem not accepted, more than {limit}"
