"""Decide from findings and verdicts whether a policy passes: the one rule of every command and of Python."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from policies.checks.findings import Finding
from policies.checks.proof import UnknownReason, Verdict
from policies.checks.rules import SEVERITIES, Severity

GateOutcome = Literal["ok", "invalid", "not_granted", "findings"]
"""``invalid``: the document is no policy, or the cloud would refuse it; ``not_granted``: a requirement fails
or is unknown; ``findings``: another finding is as severe as the limit."""
_BY_VERDICT = frozenset({"requirement-missing", "requirement-denied", "requirement-undecided"})


@dataclass(frozen=True, slots=True)
class GateResult:
    """Whether a policy passes, and why not."""

    outcome: GateOutcome
    """The outcome; the first that applies of ``invalid``, ``not_granted``, ``findings``, ``ok``."""
    causes: tuple[str, ...]
    """The codes of the findings, or the requirements, that decide it; empty for ``ok``."""
    accepted: tuple[UnknownReason, ...]
    """The reasons for unknown requirements that were accepted."""

    @property
    def passed(self) -> bool:
        """True for ``ok``."""
        return self.outcome == "ok"


def gate(
    findings: Iterable[Finding],
    verdicts: Iterable[Verdict],
    *,
    accept_unknown: Collection[str] = (),
    fail_on: Severity = "error",
) -> GateResult:
    """Return whether a policy passes.

    ``accept_unknown`` holds codes of `UnknownReason`: an unknown requirement passes when each of its reasons
    is accepted. ``fail_on`` is the severity from which findings that decide no requirement stop the policy.
    """
    found, decided = tuple(findings), tuple(verdicts)
    unknown = [each for each in decided if each.state == "unknown" and each.decisive]
    passing = [each for each in unknown if _is_accepted(each, accept_unknown)]
    accepted = tuple(dict.fromkeys(reason for each in passing for reason in each.reasons))
    invalid = [each.code for each in found if each.severity == "error" and each.provider_message]
    if invalid:
        return GateResult("invalid", tuple(dict.fromkeys(invalid)), accepted)
    missing = [
        each.requirement.id
        for each in decided
        if each.decisive and not each.granted and not any(each is other for other in passing)
    ]
    if missing:
        return GateResult("not_granted", tuple(dict.fromkeys(missing)), accepted)
    limit = SEVERITIES.index(fail_on)
    severe = [each.code for each in found if each.code not in _BY_VERDICT and SEVERITIES.index(each.severity) >= limit]
    return GateResult("findings" if severe else "ok", tuple(dict.fromkeys(severe)), accepted)


def _is_accepted(verdict: Verdict, accept_unknown: Collection[str]) -> bool:
    return bool(verdict.reasons) and all(each.code in accept_unknown for each in verdict.reasons)
