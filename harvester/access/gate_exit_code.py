"""The exit code of a decision about documents: one for the check of files, for live buckets, and for changes."""

from __future__ import annotations

from harvester.errors import ExitCode
from policies import GateResult


def exit_code_of(result: GateResult) -> ExitCode:
    """Return 0, 7 where a document is invalid or refused, or 10 where access is not as wanted."""
    if result.passed:
        return ExitCode.OK
    return ExitCode.INTEGRITY if result.outcome == "invalid" else ExitCode.DIFFERENCE
