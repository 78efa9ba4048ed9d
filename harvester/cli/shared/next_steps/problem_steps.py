"""What to run about the known problems of one cause."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvester.cli.shared.next_steps.step_values import SYNC, StepValues
from harvester.cli.shared.next_steps.store_steps import fetch_step

_ACCEPT = "nimble-harvester problems accept {destination} --reason {reason} --note TEXT"
_REASON_STEPS: Mapping[str, str] = MappingProxyType(
    {
        "parquet_extra_missing": f"pip install 'nimble-harvester[parquet]' && {SYNC}",
        "too_large": f"{SYNC} --max-object-bytes SIZE",
        "gzip_bomb": _ACCEPT,
        "time_exceeded": f"{SYNC} --decode-timeout DURATION",
        "memory_exceeded": f"{SYNC} --max-worker-memory SIZE",
        "path_obstructed": f"move away what lies at its path, then {SYNC}",
    }
)
_OUTCOME_STEPS: Mapping[str, str] = MappingProxyType(
    {
        "failed": SYNC,
        "refused": f"{SYNC} --unsafe-names hash",
        "quarantined": _ACCEPT,
        "landed": _ACCEPT,
    }
)


def access_step(destination: str) -> str:
    """Return what to run to have the access of Nimble in the report of a destination."""
    command = "nimble-harvester report {destination} --mode async --baseline DIR"
    return command.format_map(StepValues(destination=destination))


def problem_step(outcome: str, reason: str, destination: str, location: str) -> str:
    """Return what to run or do about problems of one outcome and reason.

    What could not be fetched is fetched again; what was delivered invalid is accepted, once a person has inspected it.
    """
    advice = fetch_step(reason) if outcome == "failed" else ""
    if advice:
        return advice
    step = _REASON_STEPS.get(reason) or _OUTCOME_STEPS.get(outcome, "")
    return step.format_map(StepValues(destination=destination, location=location, reason=reason))
