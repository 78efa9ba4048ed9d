"""A sync run, as metrics."""

from __future__ import annotations

from dataclasses import fields

from harvester.metrics import Metric, end_metrics, last_success
from harvester.transfer.sync_report import SyncReport


def run_metrics(report: SyncReport) -> list[Metric]:
    """Return the end, duration, exit code, outcomes and bytes of a run, and its end as last success if it was one."""
    counts = {each.name: getattr(report.counts, each.name) for each in fields(report.counts)}
    metrics = [
        Metric("run_objects", "gauge", "Listed objects of the last run by outcome.", counts, "outcome"),
        Metric("run_bytes_fetched", "gauge", "Bytes of bodies that the last run fetched.", {"": report.bytes_fetched}),
        Metric("run_bytes_written", "gauge", "Bytes that the last run landed.", {"": report.bytes_written}),
        *end_metrics(report.started_at, report.finished_at, int(report.exit_code)),
    ]
    if report.is_success:
        metrics.append(last_success(report.finished_at))
    return metrics
