"""The file that node_exporter's textfile collector reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable
from harvester.file_replacement import replace_file
from harvester.metrics.metric import Metric, metrics_text

LAST_SUCCESS = "last_success_timestamp_seconds"
"""Name of the metric that a failed run leaves as it was."""
_LONGEST = 1024 * 1024


def write_metrics_file(path: Path, metrics: Iterable[Metric], labels: Mapping[str, str]) -> None:
    """Replace the file as a whole, readable for all: the collector never reads half of it.

    Where ``metrics`` has no last success, the one in the present file is kept. Raises DestinationUnusable.
    """
    metrics = list(metrics)
    if not any(metric.name == LAST_SUCCESS for metric in metrics):
        before = _last_success(path, labels)
        if before is not None:
            metrics.append(last_success(before))
    text = metrics_text(metrics, labels)
    try:
        # What is renamed does not end with .prom: the collector reads every file that does.
        replace_file(path, text.encode(), mode=0o644)
    except OSError as error:
        raise DestinationUnusable(
            f"cannot write the metrics to {path}",
            cause=error.strerror or str(error),
            code=ErrorCode.METRICS_FILE_UNWRITABLE,
            subject=str(path),
        ) from error


def end_metrics(started_at: float, ended_at: float, exit_code: int) -> list[Metric]:
    """Return duration, exit code and end of a run; times in seconds since the epoch."""
    seconds = max(0.0, ended_at - started_at)
    return [
        Metric("run_seconds", "gauge", "Duration of the last run.", {"": seconds}),
        Metric("run_exit_code", "gauge", "Exit code of the last run.", {"": exit_code}),
        Metric("run_timestamp_seconds", "gauge", "When the last run ended.", {"": ended_at}),
    ]


def last_success(moment: float) -> Metric:
    """Return the metric of the last success, in seconds since the epoch."""
    return Metric(LAST_SUCCESS, "gauge", "When a run was last complete, its problems all accepted.", {"": moment})


def _last_success(path: Path, labels: Mapping[str, str]) -> float | None:
    from prometheus_client.parser import text_string_to_metric_families

    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST).decode()
        for family in text_string_to_metric_families(content):
            for sample in family.samples:
                if sample.name.endswith(LAST_SUCCESS) and sample.labels == dict(labels):
                    return float(sample.value)
    except (OSError, ValueError, KeyError, IndexError):
        # No file yet, or one that is not ours.
        return None
    return None
