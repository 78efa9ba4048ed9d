"""Whether a policy passes, and with which options, as JSON and as a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies import GateResult, Severity


def gate_document(result: GateResult, fail_on: Severity) -> dict[str, Any]:
    """Return the decision as JSON has it: its causes, and what ``--fail-on`` and ``--accept-unknown`` did."""
    return {
        "outcome": result.outcome,
        "causes": list(result.causes),
        "fail_on": fail_on,
        "accepted": [each.code for each in result.accepted],
    }


def gate_lines(result: GateResult) -> Iterator[str]:
    """Yield what was accepted, and the findings that stop a policy in which every requirement is granted."""
    if result.accepted:
        yield f"accepted although unknown: {', '.join(each.code for each in result.accepted)}"
    if result.outcome == "findings":
        yield f"stopped by --fail-on: {', '.join(result.causes)}"
