"""An export and a profile, as metrics."""

from __future__ import annotations

from collections import Counter

from harvester.metrics import Metric
from harvester.tables.exports import ExportReport
from harvester.tables.profiles import ProfileReport


def export_metrics(report: ExportReport) -> list[Metric]:
    """Return the rows and objects of the new files by table, and the rows that could not be written."""
    rows = {name: table.rows for name, table in report.tables.items()}
    objects = {name: table.objects for name, table in report.tables.items()}
    refused = {"too_long": report.oversized, "unreadable_files": len(report.unreadable)}
    return [
        Metric("export_rows", "gauge", "Rows that the last export wrote, by table.", rows, "table"),
        Metric("export_objects", "gauge", "Objects in these rows, by table.", objects, "table"),
        Metric("export_left_out", "gauge", "Rows and files that the last export left out.", refused, "reason"),
    ]


def profile_metrics(report: ProfileReport) -> list[Metric]:
    """Return the profiled rows by agent or shape, and the findings by kind."""
    rows = {name: group["rows"] for name, group in report.groups.items()}
    findings: Counter[str] = Counter(finding.kind for finding in report.findings)
    return [
        Metric("profile_rows", "gauge", "Rows of the last profile by agent or shape.", rows, "group"),
        Metric("profile_findings", "gauge", "What differs from the baseline, by kind.", dict(findings), "kind"),
    ]
