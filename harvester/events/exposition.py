"""Minimal Prometheus text exposition.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

_PREFIX = "nimble_harvester_"


class Metric(NamedTuple):
    """One metric with its values."""

    name: str
    """Name without the program's prefix."""
    kind: Literal["counter", "gauge"]
    """Metric type."""
    help: str
    """Help text, one line."""
    label: str
    """Name of its label; empty for none."""
    values: Mapping[str, int]
    """Its values by the label's value."""


def exposition(metrics: Iterable[Metric]) -> str:
    """Return the text to be scraped."""
    lines = []
    for metric in metrics:
        name = _PREFIX + metric.name
        lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}"]
        for value, number in sorted(dict(metric.values).items()):
            label = f'{{{metric.label}="{value}"}}' if metric.label else ""
            lines.append(f"{name}{label} {number}")
    return "\n".join(lines) + "\n"
