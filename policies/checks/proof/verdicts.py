"""The verdict on each requirement of a contract: holds, holds under assumptions, unknown, or fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from policies.contracts import AccessContract, Assumption, Requirement, Target
from policies.evaluation import Effect, StatementReference

VerdictState = Literal["holds", "holds_assuming", "unknown", "fails"]
"""``holds``: granted for every key and every request; ``holds_assuming``: granted under the assumptions
listed; ``unknown``: not decided, for the reasons listed; ``fails``: denied for at least one key."""
ReasonKind = Literal["condition", "unread", "bound"]
"""``condition``: a condition key whose value is not documented; ``unread``: a document that was not read;
``bound``: a limit on the work of the evaluation."""
_FROM_GOOD_TO_BAD: Sequence[VerdictState] = ("holds", "holds_assuming", "unknown", "fails")


@dataclass(frozen=True, slots=True)
class UnknownReason:
    """Why a requirement is not decided."""

    kind: ReasonKind
    """The kind of reason."""
    name: str
    """The condition key, the document, or the limit."""
    values: tuple[str, ...] = ()
    """For a condition: the values in the policy that decide."""
    permission: str = ""
    """For an unread document: the permission it takes to read it."""
    detail: str = ""
    """The reason as a sentence, where the name is not enough."""
    denies: bool = False
    """True where it is not known whether a deny policy applies: a further grant does not decide it."""

    @property
    def code(self) -> str:
        """Kind and name, such as ``condition:aws:SourceIp``: what ``--accept-unknown`` takes."""
        return f"{self.kind}:{self.name}"

    def __str__(self) -> str:
        """Return the code with what decides it."""
        decided_by = ", ".join(self.values) or self.permission or self.detail
        return f"{self.code} ({decided_by})" if decided_by else self.code


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one requirement."""

    requirement: Requirement
    """The requirement."""
    state: VerdictState
    """The verdict."""
    effect: Effect
    """The decision on ``example``."""
    action: str
    """The action decided."""
    operation: str
    """The API operation, where the contract distinguishes several."""
    resource: str
    """The resource the verdict is about, as an ARN or a pattern of one."""
    example: str
    """The ARN of a bucket, object or key with this verdict; for ``fails`` the counter-example."""
    statements: tuple[StatementReference, ...]
    """The statements that decide the example."""
    assumptions: tuple[Assumption, ...]
    """The assumptions without which the verdict would be ``unknown``."""
    reasons: tuple[UnknownReason, ...]
    """For ``unknown``: why."""
    needs: tuple[str, ...]
    """For ``unknown`` and ``fails``: what the deciding conditions require, in words."""
    holds_until: datetime | None = None
    """When the grant ends, or for ``fails`` when it ended; None where no condition on the time decides."""

    @property
    def granted(self) -> bool:
        """True for ``holds`` and ``holds_assuming``."""
        return self.state in ("holds", "holds_assuming")

    @property
    def decisive(self) -> bool:
        """False where Nimble's page lists the action but no delivery uses it."""
        return not self.requirement.listed_only


@dataclass(frozen=True, slots=True)
class Proof:
    """The verdicts on a contract at a target."""

    contract: AccessContract
    """The contract."""
    target: Target
    """The target."""
    verdicts: tuple[Verdict, ...]
    """One verdict per requirement of the bucket's policy."""
    key_verdicts: tuple[Verdict, ...]
    """One verdict per requirement of the key's policy; empty when no key policy was given."""
    not_proven: tuple[str, ...]
    """What the documents do not decide."""

    @property
    def state(self) -> VerdictState:
        """The worst of the verdicts on what a delivery uses."""
        return worst(each.state for each in (*self.verdicts, *self.key_verdicts) if each.decisive)

    @property
    def complete(self) -> bool:
        """True when every requirement holds, if need be under assumptions."""
        return self.state in ("holds", "holds_assuming")

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Every assumption a verdict rests on, each once."""
        verdicts = (*self.verdicts, *self.key_verdicts)
        return tuple(dict.fromkeys(assumption for each in verdicts for assumption in each.assumptions))


def worst(states: Iterable[VerdictState]) -> VerdictState:
    """Return the worst of some states; ``holds`` without any."""
    return max(states, key=_FROM_GOOD_TO_BAD.index, default="holds")
