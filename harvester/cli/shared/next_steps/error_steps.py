"""The next step after an error."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from harvester.cli.shared.next_steps.api_steps import API_STEPS
from harvester.cli.shared.next_steps.backfill_steps import BACKFILL_STEPS
from harvester.cli.shared.next_steps.destination_steps import DESTINATION_STEPS
from harvester.cli.shared.next_steps.event_steps import EVENT_STEPS
from harvester.cli.shared.next_steps.fix_commands import refusal_step
from harvester.cli.shared.next_steps.option_steps import OPTION_STEPS
from harvester.cli.shared.next_steps.policy_steps import ACCESS_STEPS
from harvester.cli.shared.next_steps.step_values import StepText, StepValues
from harvester.cli.shared.next_steps.store_steps import STORE_STEPS
from harvester.error_codes import ErrorCode
from harvester.errors import HarvesterError
from policies import MergeError


def next_step(error: HarvesterError) -> str:
    """Return the next command to run after an error, or the next thing to do; empty where there is none."""
    refused = error.__cause__
    step = refusal_step(refused) if isinstance(refused, MergeError) else ""
    if step:
        return step + _backup_note(error.parameters)
    return step_for(error.code, error.subject, error.parameters)


def step_for(code: ErrorCode, subject: str, parameters: Mapping[str, object]) -> str:
    """Return the next step after an error of that code."""
    words = NEXT_STEPS.get(code, "")
    values = StepValues(subject=subject, **parameters)
    step = words(values) if callable(words) else words.format_map(values)
    return step + _backup_note(parameters)


def _backup_note(parameters: Mapping[str, object]) -> str:
    """Return where the policies are kept as they were, with the command that restores them if any was written."""
    backup = parameters.get("backup")
    if not backup:
        return ""
    if parameters.get("written"):
        undo = "nimble-harvester policy revert {location} --backup {backup}".format_map(StepValues(parameters))
        return f"   (to undo what has been written: {undo})"
    return f"   (the policies as they were: {backup})"


def error_document(error: HarvesterError) -> dict[str, object]:
    """Return an error as the published JSON has it, with its next step."""
    return {**error.as_document(), "next_step": next_step(error)}


TABLES = (OPTION_STEPS, STORE_STEPS, EVENT_STEPS, DESTINATION_STEPS, BACKFILL_STEPS, API_STEPS, ACCESS_STEPS)
"""The tables of next steps by area; a code is in one of them."""

NEXT_STEPS: Mapping[ErrorCode, StepText] = MappingProxyType(
    {code: step for table in TABLES for code, step in table.items()}
)
"""What to do after an error of each code."""


_C = ErrorCode
WITHOUT_NEXT_STEP: Mapping[ErrorCode, str] = MappingProxyType(
    {
        _C.BUG: "the program prints how to report it",
        _C.USAGE: "what is wrong and the cause name the option and its values",
        _C.ACCESS_DENIED: "raised without a closer code only where the cause names the permission",
        _C.CONNECTION_FAILED: "raised without a closer code only where the cause names the service",
        _C.INTEGRITY: "the cause names what is wrong in the document",
        _C.CONFIGURATION: "the cause names the setting",
        _C.DIFFERENCE: "the report lists the differences, each with its own step",
        _C.DESTINATION_UNUSABLE: "the cause is that of the operating system",
        _C.TIMED_OUT: "the same command waits again",
        _C.REQUEST_REFUSED: "raised with a closer code only",
    }
)
"""The codes without a step of their own, and why."""
