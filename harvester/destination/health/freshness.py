"""Whether a destination is fresh: its last success, its newest delivery, and how much has landed lately."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from harvester.destination.health.problem_list import open_problem_count
from harvester.destination.manifest import Heartbeat
from harvester.destination.opened import read_destination
from harvester.location import parse_location

HARVESTING = frozenset({"sync", "watch", "listen"})
"""The verbs whose success is a success of harvesting."""


@dataclass(frozen=True, slots=True)
class FreshnessLimits:
    """What counts as fresh; None sets no limit. All times are seconds."""

    max_age: float | None = None
    """How long ago the last success may be."""
    newest_within: float | None = None
    """How long ago the newest object may have been delivered."""
    min_landed: int | None = None
    """How many objects have to have landed within ``window``."""
    window: float = 3600.0
    """The time that ``min_landed`` is about."""
    by: Literal["agent", "prefix"] | None = None
    """Check the newest delivery of each agent, or of each first folder below the location, on its own."""
    max_problem_rate: float | None = None
    """Largest share of the known objects that may have a problem which is not accepted, from 0 to 1."""


class StaleKind(StrEnum):
    """What is too old or too little."""

    NO_SUCCESS = "no_success"
    OLD_SUCCESS = "old_success"
    NO_DELIVERY = "no_delivery"
    OLD_DELIVERY = "old_delivery"
    FEW_LANDED = "few_landed"
    MANY_PROBLEMS = "many_problems"


class Stale(NamedTuple):
    """A limit that a destination does not meet."""

    kind: StaleKind
    """Which limit."""
    subject: str
    """The agent or the prefix; empty for all."""
    age: float
    """Age in seconds of the last success or of the newest delivery; 0 where there is none."""
    landed: int
    """Objects that landed within the window, for that limit."""
    problem_rate: float = 0.0
    """Share of the known objects with an open problem, for that limit."""


class LandedDelivery(NamedTuple):
    """A landed object, as far as freshness needs it."""

    key: str
    """The whole key."""
    agent: str | None
    """The agent that its envelope names."""
    delivered_at: float
    """When it was written at the source, seconds since 1970."""
    landed_at: float
    """When it landed, seconds since 1970."""


def check_freshness(
    destination: Path | str, limits: FreshnessLimits, *, state_dir: Path | None = None
) -> tuple[Stale, ...]:
    """Return the limits that a destination does not meet. Raises ConfigurationError when it was never synced."""
    with read_destination(Path(destination), state_dir) as opened:
        manifest = opened.manifest
        bound = manifest.binding()
        prefix = "" if bound is None else parse_location(bound.url).prefix
        needed = limits.newest_within is not None or limits.min_landed is not None
        deliveries = (LandedDelivery(*row) for row in manifest.newest_deliveries()) if needed else ()
        found = evaluate_freshness(manifest.heartbeats(), deliveries, limits, prefix=prefix, now=time.time())
        if limits.max_problem_rate is None:
            return found
        rate = open_problem_count(manifest) / max(1, manifest.count_known_objects())
        many = Stale(StaleKind.MANY_PROBLEMS, "", 0, 0, rate)
        return (*found, many) if rate > limits.max_problem_rate else found


def evaluate_freshness(
    heartbeats: Iterable[Heartbeat],
    deliveries: Iterable[LandedDelivery],
    limits: FreshnessLimits,
    *,
    prefix: str,
    now: float,
) -> tuple[Stale, ...]:
    """Return the limits that are not met; ``prefix`` is that of the location."""
    found: list[Stale] = []
    if limits.max_age is not None:
        successes = [
            beat.succeeded_at for beat in heartbeats if beat.verb in HARVESTING and beat.succeeded_at is not None
        ]
        if not successes:
            found.append(Stale(StaleKind.NO_SUCCESS, "", 0, 0))
        elif now - max(successes) > limits.max_age:
            found.append(Stale(StaleKind.OLD_SUCCESS, "", now - max(successes), 0))
    newest: dict[str, float] = {}
    landed = 0
    for each in deliveries:
        group = _group(each, limits, prefix)
        if group is not None:
            newest[group] = max(newest.get(group, each.delivered_at), each.delivered_at)
        landed += now - each.landed_at <= limits.window
    if limits.newest_within is not None:
        if not newest:
            found.append(Stale(StaleKind.NO_DELIVERY, "", 0, 0))
        found += [
            Stale(StaleKind.OLD_DELIVERY, group, now - at, 0)
            for group, at in sorted(newest.items())
            if now - at > limits.newest_within
        ]
    if limits.min_landed is not None and landed < limits.min_landed:
        found.append(Stale(StaleKind.FEW_LANDED, "", 0, landed))
    return tuple(found)


def _group(delivery: LandedDelivery, limits: FreshnessLimits, prefix: str) -> str | None:
    """Return what the newest delivery is looked up for; None for an object without an agent, by agent."""
    if limits.by == "agent":
        return delivery.agent
    return _first_folder(delivery.key, prefix) if limits.by == "prefix" else ""


def _first_folder(key: str, prefix: str) -> str:
    folder, slash, _ = key.removeprefix(prefix).partition("/")
    return f"{folder}/" if slash else ""
