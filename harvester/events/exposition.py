"""Prometheus's text format, for as little as is told here.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

_PREFIX = "nimble_harvester_"


class Metric(NamedTuple):
    """One metric with its values."""

    name: str
    """Its name, without the program's."""
    kind: Literal["counter", "gauge"]
    """What it is."""
    words: str
    """What it means, on one line."""
    label: str
    """Name of its label; empty for none."""
    values: Mapping[str, int]
    """Its values by the label's value."""


def exposition(metrics: Iterable[Metric]) -> str:
    """Return the text that is scraped."""
    lines = []
    for metric in metrics:
        name = _PREFIX + metric.name
        lines += [f"# HELP {name} {metric.words}", f"# TYPE {name} {metric.kind}"]
        for value, number in sorted(dict(metric.values).items()):
            label = f'{{{metric.label}="{value}"}}' if metric.label else ""
            lines.append(f"{name}{label} {number}")
    return "\n".join(lines) + "\n"
