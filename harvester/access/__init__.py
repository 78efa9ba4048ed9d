"""The door, live: test it, explain it, open it, close it again."""

from harvester.access.probe import probe_connection
from harvester.access.probe_report import ProbeReport, ProbeStep, worst_exit_code

__all__ = ["ProbeReport", "ProbeStep", "probe_connection", "worst_exit_code"]
