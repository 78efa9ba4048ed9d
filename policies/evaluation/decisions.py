"""A request, and the decision on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from policies.evaluation.residuals import Constraint
from policies.language import Value
from policies.policy_errors import ContractError, PolicyErrorCode

Effect = Literal["allowed", "explicitly_denied", "implicitly_denied", "unknown"]
"""``unknown``: allowed or denied, depending on a key of the request that is not known."""
Scalar = str | bool | int | float
EVERYTHING = "*"
"""In ``Request.unknown``: every key the context does not hold."""
OPEN_ENDS = ("/", ":")
"""What precedes the part of a condition key that the customer names, such as a tag."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as far as it is known."""

    principal: str
    """The ARN or account of the requester, ``*`` for an anonymous request, ``NAME.amazonaws.com`` for a
    service."""
    action: str
    """The action, such as ``s3:PutObject``."""
    resource: str
    """The ARN of the object, bucket or key."""
    context: Mapping[str, Scalar | Sequence[Scalar]] = field(default_factory=dict)
    """Condition keys and their values; complete, except for the unknown keys."""
    unknown: Sequence[str] | frozenset[str] = ()
    """Condition keys of which nothing is known; ``*`` for all that the context does not hold."""
    absent: Sequence[str] | frozenset[str] = ()
    """Condition keys the request does not carry, where ``unknown`` is ``*``; one with an end of `OPEN_ENDS` is every
    key that starts with it."""
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    """What is known of unknown keys."""


@dataclass(frozen=True, slots=True)
class StatementReference:
    """A statement on which a decision is based."""

    index: int
    """Its index, from 0, counted through all documents."""
    sid: str | None
    """Its Sid, if it has one."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one request."""

    effect: Effect
    """The effect."""
    statements: tuple[StatementReference, ...]
    """The statements that decide it; empty for an implicit denial that no condition decides."""
    depends_on: tuple[str, ...] = ()
    """For ``unknown``: the condition keys that decide."""
    bound: str = ""
    """For ``unknown``: the name of the limit on the evaluation that was reached, if one was."""
    reason: str = ""
    """The limit as a sentence."""


IMPLICITLY_DENIED = Decision("implicitly_denied", ())
"""No statement matched."""


def context_value(key: str, value: object) -> Value:
    """Return a context value as conditions compare it; an empty list is no value.

    Raises ContractError for what is no value of a condition key.
    """
    if isinstance(value, list | tuple | set | frozenset):
        texts = tuple(_scalar(key, each) for each in value)
        return texts[0] if len(texts) == 1 else texts or None
    return _scalar(key, value)


def _scalar(key: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ContractError(
        f"no value of a condition key: {key}",
        cause="a value is a string, a number, a boolean, or a list of them",
        code=PolicyErrorCode.NOT_A_CONDITION_VALUE,
    )
