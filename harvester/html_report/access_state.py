"""The access of Nimble to a source, as the report shows it."""

from __future__ import annotations

from typing import NamedTuple

from harvester.access import AccessReport, explain_access
from harvester.errors import HarvesterError
from harvester.html_report.report_options import AccessRequest, ReportWording
from harvester.location import parse_location


class AccessState(NamedTuple):
    """The access to the source of one destination."""

    mode: str
    """The delivery mode."""
    verdict: str
    """``go``, ``no-go`` or ``unknown``; empty with an error."""
    compared: bool
    """Whether there was a baseline."""
    requirements: tuple[tuple[str, str, str], ...] = ()
    """Each requirement: name, verdict, and the statements that decide it."""
    changes: tuple[str, ...] = ()
    """What changed since the baseline."""
    lost: tuple[str, ...] = ()
    """Requirements that held then and do not now."""
    next_steps: tuple[str, ...] = ()
    """What to run to correct it."""
    error: HarvesterError | None = None
    """Why it could not be explained."""


def explain_state(source: str, request: AccessRequest, wording: ReportWording) -> AccessState:
    """Explain the access of Nimble to a source; an error is part of the state."""
    try:
        report = explain_access(
            parse_location(source), request.mode, settings=request.settings, baseline=request.baseline
        )
    except HarvesterError as error:
        return AccessState(request.mode, "", request.baseline is not None, error=error)
    return state_of(report, request, wording)


def state_of(report: AccessReport, request: AccessRequest, wording: ReportWording) -> AccessState:
    """Return what is shown of an explained access."""
    comparisons = [each for each in report.comparisons if each is not None]
    return AccessState(
        request.mode,
        report.verdict,
        request.baseline is not None,
        tuple(
            (each.id, each.state, ", ".join(each.decided_by))
            for explanation in report.explanations
            for each in explanation.requirements
        ),
        tuple(str(drift) for each in comparisons for drift in each.drifts),
        tuple(name for each in comparisons for name in each.lost),
        tuple(step for explanation in report.explanations for step in wording.access_steps(explanation)),
    )
