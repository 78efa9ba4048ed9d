"""What is known of a destination, as metrics."""

from __future__ import annotations

from pathlib import Path

from harvester.destination.consumer_store import list_consumers
from harvester.destination.health.summary import destination_status
from harvester.errors import HarvesterError
from harvester.metrics import Metric


def destination_metrics(destination: Path, *, state_dir: Path | None = None) -> list[Metric]:
    """Return problems by reason, the newest delivery and the lag of consumers; nothing of what cannot be read."""
    try:
        status = destination_status(destination, state_dir=state_dir, runs=0)
        consumers = list_consumers(destination, state_dir=state_dir)
    except HarvesterError:
        return []
    metrics = [
        Metric("problems", "gauge", "Known problems by reason.", status.problems, "reason"),
        Metric("landed_objects", "gauge", "Objects that have landed.", {"": status.totals["landed"]}),
        Metric(
            "consumer_lag_rows",
            "gauge",
            "Rows that a consumer has not acknowledged.",
            {each.name: each.rows_behind for each in consumers},
            "consumer",
        ),
    ]
    if status.newest is not None:
        newest = {"": status.newest.last_modified}
        help_text = "When the object that landed last was delivered."
        metrics.append(Metric("newest_delivery_timestamp_seconds", "gauge", help_text, newest))
    return metrics
