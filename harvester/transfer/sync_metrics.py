"""A sync run, as metrics."""

from __future__ import annotations

from dataclasses import fields

from harvester.metrics import Metric, last_success
from harvester.transfer.sync_report import SyncReport


def run_metrics(report: SyncReport) -> list[Metric]:
    """Return the end, duration, exit code, outcomes and bytes of a run, and its end as last success if it was one."""
    counts = {each.name: getattr(report.counts, each.name) for each in fields(report.counts)}
    seconds = max(0.0, report.finished_at - report.started_at)
    metrics = [
        Metric("run_objects", "gauge", "Listed objects of the last run by outcome.", counts, "outcome"),
        Metric("run_bytes_fetched", "gauge", "Bytes of bodies that the last run fetched.", {"": report.bytes_fetched}),
        Metric("run_bytes_written", "gauge", "Bytes that the last run landed.", {"": report.bytes_written}),
        Metric("run_seconds", "gauge", "Duration of the last run.", {"": seconds}),
        Metric("run_exit_code", "gauge", "Exit code of the last run.", {"": int(report.exit_code)}),
        Metric("run_timestamp_seconds", "gauge", "When the last run ended.", {"": report.finished_at}),
    ]
    if report.is_success:
        metrics.append(last_success(report.finished_at))
    return metrics
