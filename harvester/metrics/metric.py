"""Metrics as values, and their text: Prometheus's format 0.0.4, without timestamps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX = "nimble_harvester_"


class Metric(NamedTuple):
    """One metric with its values."""

    name: str
    """Name without the program's prefix, and without ``_total`` for a counter."""
    kind: Literal["counter", "gauge"]
    """Metric type."""
    help: str
    """Help text, one line."""
    values: Mapping[str, float]
    """Its values by the value of ``label``; the only key is empty if there is no label."""
    label: str = ""
    """Name of the label that distinguishes the values; empty for none."""


def metrics_text(metrics: Iterable[Metric], labels: Mapping[str, str] | None = None) -> str:
    """Return the text that Prometheus reads; ``labels`` are added to every value."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(list(metrics), dict(labels or {})))
    return generate_latest(registry).decode()


class _Families:
    """The metrics in the classes of prometheus_client, which also escapes what labels contain."""

    def __init__(self, metrics: list[Metric], labels: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._labels = {name: _unicode(value) for name, value in labels.items()}

    def collect(self) -> Iterable[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for metric in self._metrics:
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            own = [metric.label] if metric.label else []
            family = kind(_PREFIX + metric.name, metric.help, labels=[*self._labels, *own])
            for value, number in sorted(dict(metric.values).items()):
                family.add_metric([*self._labels.values(), *([_unicode(value)] if metric.label else [])], number)
            yield family


def _unicode(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
