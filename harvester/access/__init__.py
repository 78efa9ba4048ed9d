"""The door, live: test it, explain it, open it, close it again."""

from harvester.access.applying import PolicyOutcome, apply_policy, plan_revert, revert_policy
from harvester.access.explaining import AccessReport, explain_access
from harvester.access.planning import PolicyPlan, plan_policy
from harvester.access.probe import probe_connection
from harvester.access.probe_report import ProbeReport, ProbeStep, worst_exit_code

__all__ = [
    "AccessReport",
    "PolicyOutcome",
    "PolicyPlan",
    "ProbeReport",
    "ProbeStep",
    "apply_policy",
    "explain_access",
    "plan_policy",
    "plan_revert",
    "probe_connection",
    "revert_policy",
    "worst_exit_code",
]
