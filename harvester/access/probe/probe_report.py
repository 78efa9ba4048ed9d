"""The report of a connection test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harvester.error_codes import ErrorCode
from harvester.errors import ExitCode
from harvester.location import Location
from policies import Chip

ProbedAccess = Literal["read", "write"]
"""``read``: the test of a job's input path; ``write``: of its output path."""
StepOutcome = Literal["ok", "failed", "skipped"]

_WORSE = (
    ExitCode.OK,
    ExitCode.CONNECTION_FAILED,
    ExitCode.REFUSED,
    ExitCode.ACCESS_DENIED,
    ExitCode.NO_SUCH_BUCKET,
    ExitCode.CONFIGURATION,
)


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """One request of a test, or one that was left out."""

    access: ProbedAccess
    """Which test it belongs to."""
    operation: str
    """The operation's name as the cloud has it."""
    target: str
    """The bucket, or the URL of prefix or object."""
    outcome: StepOutcome
    """How it ended."""
    documented: bool
    """True for a step of Nimble's own test; False for one of this program's."""
    milliseconds: float
    """How long it took, retries included."""
    request_id: str
    """The store's id of the request; empty where there was no answer."""
    code: str
    """The store's error code; empty on success."""
    note: str
    """What else is to be known, in words; may be empty."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a test of one location found."""

    location: Location
    """The location."""
    chip: Chip
    """What Nimble's form would show; with both tests the worse of the two."""
    chips: tuple[tuple[ProbedAccess, Chip], ...]
    """The chip of each test."""
    steps: tuple[ProbeStep, ...]
    """Every request, in order."""
    not_proven: tuple[str, ...]
    """What this run did not prove, in words."""
    cause: str
    """Why it is not green, as far as known; empty when it is."""
    code: ErrorCode | None
    """What kind of failure it is; None when there is nothing to do about it."""
    parameters: Mapping[str, object]
    """The parameters of the code."""
    request_id: str
    """The id of the request that failed first."""
    exit_code: ExitCode
    """The code this test alone ends with."""

    @property
    def ok(self) -> bool:
        """Whether every step worked, ours included."""
        return self.exit_code is ExitCode.OK

    def as_document(self) -> dict[str, object]:
        """Return the report as JSON has it."""
        return {
            "schema": "urn:nimble-harvester:connection-test:v1",
            "location": self.location.url,
            "ok": self.ok,
            "chip": self.chip.text,
            "chips": {access: chip.text for access, chip in self.chips},
            "exit_code": int(self.exit_code),
            "cause": self.cause,
            "code": self.code,
            "parameters": self.parameters,
            "request_id": self.request_id,
            "steps": [
                {
                    "access": step.access,
                    "operation": step.operation,
                    "target": step.target,
                    "outcome": step.outcome,
                    "documented": step.documented,
                    "milliseconds": round(step.milliseconds, 1),
                    "request_id": step.request_id,
                    "code": step.code,
                    "note": step.note,
                }
                for step in self.steps
            ],
            "not_proven": list(self.not_proven),
        }


def badness(code: ExitCode) -> int:
    """Return how grave a test's exit code is: what has to be corrected is graver than what may pass."""
    return _WORSE.index(code)


def worst_exit_code(codes: Sequence[ExitCode]) -> ExitCode:
    """Return the exit code of several tests."""
    return max(codes, key=badness, default=ExitCode.OK)
