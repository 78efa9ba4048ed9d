"""Requests, decisions, and policies made ready to decide many requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from policies.evaluation.branching import Cache, Constraint, Term
from policies.language import (
    NO_VALUES,
    Caller,
    Condition,
    Lookup,
    Pattern,
    PolicyDocument,
    Statement,
    Token,
    Value,
    Wildcard,
    arn_pattern,
    caller,
    literal,
    match_principals,
    matcher,
    template,
)
from policies.policy_errors import ContractError

Effect = Literal["allowed", "explicitly_denied", "implicitly_denied", "unknown"]
Scalar = str | bool | int | float
EVERYTHING = "*"
"""In ``Request.unknown``: every key the context does not give."""
CANONICAL_USER = "CanonicalUser"
"""What a verdict depends on when a statement names an account by a canonical user id, which nobody can
look up."""
_CACHED = 20_000


@dataclass(frozen=True, slots=True)
class Request:
    """A request, as literally as it is known."""

    principal: str
    """The ARN or account of who asks, ``*`` for an anonymous request, ``NAME.amazonaws.com`` for a
    service."""
    action: str
    """The action, such as ``s3:PutObject``."""
    resource: str
    """The ARN of the object, bucket or key."""
    context: Mapping[str, Scalar | Sequence[Scalar]] = field(default_factory=dict)
    """Condition keys and their values; complete, except for the unknown keys."""
    unknown: Sequence[str] | frozenset[str] = ()
    """Condition keys of which nothing is known; ``*`` for all the context does not give."""
    absent: Sequence[str] | frozenset[str] = ()
    """Condition keys the request does not carry, where ``unknown`` is ``*``."""
    constraints: Mapping[str, Constraint] = field(default_factory=dict)
    """What is known of unknown keys all the same."""


@dataclass(frozen=True, slots=True)
class StatementReference:
    """A statement a decision rests on."""

    index: int
    """Its index, from 0, counted through all documents."""
    sid: str | None
    """Its Sid, if it has one."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on one request."""

    effect: Effect
    """The verdict."""
    statements: tuple[StatementReference, ...]
    """The statements that decide it; empty for an implicit denial."""
    depends_on: tuple[str, ...] = ()
    """The condition keys on which it depends."""
    reason: str = ""
    """Why it could not be decided, where that is not plain from the keys."""


class Prepared:
    """Documents made ready for many requests."""

    def __init__(self, documents: Sequence[PolicyDocument]) -> None:
        """Take the documents of one resource; statements are counted through all of them."""
        statements = [statement for each in documents for statement in each.statements]
        self.statements = tuple(CompiledStatement(index, statement) for index, statement in enumerate(statements))
        self._relevant: dict[tuple[str, str], tuple[RelevantStatement, ...]] = {}
        self.branches: Cache = {}
        self.terms: dict[Condition, Term] = {}
        self.decisions: dict[object, Decision] = {}

    def relevant(self, principal: str, action: str) -> tuple[RelevantStatement, ...]:
        """Return the statements that speak of the principal and the action."""
        found = self._relevant.get((principal, action))
        if found is None:
            if len(self._relevant) > _CACHED:
                self._relevant.clear()
            found = self._relevant[principal, action] = tuple(self._find(caller(principal), action))
        return found

    def _find(self, who: Caller, action: str) -> Iterator[RelevantStatement]:
        for each in self.statements:
            statement = each.statement
            matched = match_principals(statement.principals, who, negated=statement.not_principal)
            if (matched.matches or matched.undecided) and each.speaks_of(action):
                yield RelevantStatement(each, _canonical_term(matched.undecided, matches=matched.matches))


class RelevantStatement(NamedTuple):
    """A statement that speaks of a principal and an action."""

    compiled: CompiledStatement
    """The statement."""
    canonical: Term | None
    """What is open about its principal: whose canonical user id it names."""


class CompiledStatement:
    """A statement with its patterns ready."""

    def __init__(self, index: int, statement: Statement) -> None:
        """Take the statement and its index among all."""
        self.reference = StatementReference(index, statement.sid)
        self.statement = statement
        self.allow = statement.effect == "Allow"
        self.conditions = statement.conditions
        templates = [template(text, variables=statement.variables, wildcards=True) for text in statement.resources]
        fixed = [resource_pattern(each.resolve(NO_VALUES)) for each in templates if not each.variables]
        self.matches_fixed = matcher(fixed)
        self.variable = [each for each in templates if each.variables]

    def speaks_of(self, action: str) -> bool:
        """Tell whether the Action or NotAction element matches."""
        return any(matches_action(each, action) for each in self.statement.actions) is not self.statement.not_action

    def matches(self, resource: str, context: Mapping[str, Value], lookup: Lookup) -> bool:
        """Tell whether the statement matches, its principal and action aside, when everything is known."""
        return self.matches_resource(resource, lookup) and all(
            each.holds(context.get(each.key), lookup) for each in self.conditions
        )

    def matches_resource(self, resource: str, lookup: Lookup) -> bool:
        """Tell whether the Resource or NotResource element matches; an unresolved variable never does."""
        matched = self.matches_fixed(resource) is not None
        for each in self.variable if not matched else ():
            resolved = each.resolve(lookup)
            if resolved is None and self.statement.not_resource:
                return False
            matched = matched or resource_pattern(resolved).matches(resource)
        return matched is not self.statement.not_resource


_NEVER = Pattern(("\x00never\x00",))


def resource_pattern(tokens: tuple[Token, ...] | None) -> Pattern:
    """Return the pattern of a Resource element with its variables replaced.

    ``*`` alone is every resource. An ARN with a wildcard but too few segments is filled up with ``*``, as
    AWS does.
    """
    if tokens is None:
        return _NEVER
    if tokens == (Wildcard.RUN,):
        return Pattern(tokens)
    missing = 5 - sum(token.count(":") for token in tokens if isinstance(token, str))
    if missing > 0 and any(isinstance(token, Wildcard) for token in tokens):
        tokens = (*tokens, *(part for _ in range(missing) for part in (":", Wildcard.RUN)))
    return arn_pattern(tokens) or _NEVER


@lru_cache(maxsize=65536)
def matches_action(wanted: str, action: str) -> bool:
    """Tell whether a pattern of Action matches an action: service and name apart, both without case."""
    if wanted == "*":
        return True
    service, separator, name = wanted.partition(":")
    asked_service, _, asked_name = action.partition(":")
    return (
        bool(separator)
        and _glob(service).fullmatch(asked_service) is not None
        and _glob(name).fullmatch(asked_name) is not None
    )


@lru_cache(maxsize=4096)
def _glob(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.IGNORECASE | re.DOTALL)


IMPLICITLY_DENIED = Decision("implicitly_denied", ())
"""No statement matched."""


def context_value(key: str, value: object) -> Value:
    """Return a context value as conditions compare it; an empty list is no value at all.

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
        next_step="leave the key out if the request does not carry it, or name it unknown",
    )


def _canonical_term(ids: tuple[str, ...], *, matches: bool) -> Term | None:
    """A term over the canonical user id of the caller's account, which one may be, but which nobody can
    look up."""
    if not ids:
        return None
    wanted = frozenset(ids)
    return Term(
        CANONICAL_USER.lower(),
        (CANONICAL_USER,),
        lambda value: (value in wanted) is not matches,
        "string",
        tuple(literal(each) for each in ids),
        (),
        (),
        several=False,
        identity=(CANONICAL_USER, wanted, matches),
    )
