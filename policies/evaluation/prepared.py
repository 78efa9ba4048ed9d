"""Policies compiled for the decision of many requests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from policies.evaluation.bounded_cache import KEPT, BoundedCache
from policies.evaluation.decisions import Decision, StatementReference
from policies.evaluation.reachable_effects import Cache
from policies.evaluation.residuals import ResidualCondition, opaque_condition
from policies.language import (
    NO_VALUES,
    Caller,
    Condition,
    Lookup,
    Pattern,
    PolicyDocument,
    PrincipalMatch,
    Statement,
    Token,
    Value,
    Wildcard,
    arn_pattern,
    caller,
    literal,
    match_not_principals,
    match_principals,
    matcher,
    template,
)

CANONICAL_USER = "CanonicalUser"
"""The name of the unknown when a statement names an account by a canonical user id: Nimble publishes none."""
NOT_PRINCIPAL = "NotPrincipal"
"""The name of the unknown when a Deny's NotPrincipal names a user without its account, or the reverse."""


class Prepared:
    """Documents compiled for many requests."""

    def __init__(self, documents: Sequence[PolicyDocument], *, kept: int = KEPT) -> None:
        """Take the documents of one resource; statements are counted through all of them.

        At most ``kept`` results of each kind are cached between requests.
        """
        statements = [statement for each in documents for statement in each.statements]
        self.statements = tuple(CompiledStatement(index, statement) for index, statement in enumerate(statements))
        self._relevant: BoundedCache[tuple[str, str], tuple[RelevantStatement, ...]] = BoundedCache(kept)
        self.candidates: Cache = BoundedCache(kept)
        self.residuals: dict[Condition, ResidualCondition] = {}
        self.decisions: BoundedCache[object, Decision] = BoundedCache(kept)

    def relevant(self, principal: str, action: str) -> tuple[RelevantStatement, ...]:
        """Return the statements whose principal and action elements match."""
        found = self._relevant.get((principal, action))
        if found is None:
            found = self._relevant.keep((principal, action), tuple(self._find(caller(principal), action)))
        return found

    def _find(self, requester: Caller, action: str) -> Iterator[RelevantStatement]:
        for each in self.statements:
            matched = each.match(requester)
            if (matched.matches or matched.undecided) and each.matches_action(action):
                yield RelevantStatement(each, _open_principal(matched))


class RelevantStatement(NamedTuple):
    """A statement whose principal and action elements match a request."""

    compiled: CompiledStatement
    """The statement."""
    principal: ResidualCondition | None
    """What remains open of its principal element; None when it matches."""


class CompiledStatement:
    """A statement with its patterns compiled."""

    def __init__(self, index: int, statement: Statement) -> None:
        """Take the statement and its index among all."""
        self.reference = StatementReference(index, statement.sid)
        self.statement = statement
        self.allow = statement.effect == "Allow"
        self.conditions = statement.conditions
        templates = [template(text, variables=statement.variables, wildcards=True) for text in statement.resources]
        self.fixed = [resource_pattern(each.resolve(NO_VALUES)) for each in templates if not each.variables]
        self.matches_fixed = matcher(self.fixed)
        self.variable = [each for each in templates if each.variables]

    def match(self, requester: Caller) -> PrincipalMatch:
        """Match the Principal or NotPrincipal element."""
        if self.statement.not_principal:
            return match_not_principals(self.statement.principals, requester, deny=not self.allow)
        return match_principals(self.statement.principals, requester)

    def matches_action(self, action: str) -> bool:
        """Return whether the Action or NotAction element matches."""
        return any(matches_action(each, action) for each in self.statement.actions) is not self.statement.not_action

    def matches(self, resource: str, context: Mapping[str, Value], lookup: Lookup) -> bool:
        """Return whether resource and conditions match, when everything is known."""
        return self.matches_resource(resource, lookup) and all(
            each.holds(context.get(each.key), lookup) for each in self.conditions
        )

    def matches_resource(self, resource: str, lookup: Lookup) -> bool:
        """Return whether the Resource or NotResource element matches; an unresolved variable never does."""
        matched = self.matches_fixed(resource) is not None
        for each in self.variable if not matched else ():
            resolved = each.resolve(lookup)
            if resolved is None and self.statement.not_resource:
                return False
            matched = matched or resource_pattern(resolved).matches(resource)
        return matched is not self.statement.not_resource


NEVER = Pattern(("\x00never\x00",))
"""A pattern that matches no resource."""


def resource_pattern(tokens: tuple[Token, ...] | None) -> Pattern:
    """Return the pattern of a Resource element with its variables replaced.

    ``*`` alone is every resource. An ARN with a wildcard but too few segments is completed with ``*``, as
    AWS does.
    """
    if tokens is None:
        return NEVER
    if tokens == (Wildcard.RUN,):
        return Pattern(tokens)
    missing = 5 - sum(token.count(":") for token in tokens if isinstance(token, str))
    if missing > 0 and any(isinstance(token, Wildcard) for token in tokens):
        tokens = (*tokens, *(part for _ in range(missing) for part in (":", Wildcard.RUN)))
    return arn_pattern(tokens) or NEVER


@lru_cache(maxsize=65536)
def matches_action(wanted: str, action: str) -> bool:
    """Return whether a pattern of Action matches an action: service and name apart, both without case."""
    if wanted == "*":
        return True
    service, separator, name = wanted.partition(":")
    requested_service, _, requested_name = action.partition(":")
    return (
        bool(separator)
        and _glob(service).fullmatch(requested_service) is not None
        and _glob(name).fullmatch(requested_name) is not None
    )


@lru_cache(maxsize=4096)
def _glob(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.IGNORECASE | re.DOTALL)


def _open_principal(matched: PrincipalMatch) -> ResidualCondition | None:
    """Return what remains open of a principal element: the canonical user id of the requester's account, or
    what AWS makes of a partial NotPrincipal."""
    if matched.partial:
        return opaque_condition((NOT_PRINCIPAL,), NOT_PRINCIPAL)
    if not matched.undecided:
        return None
    wanted = frozenset(matched.undecided)
    return ResidualCondition(
        CANONICAL_USER.lower(),
        (CANONICAL_USER,),
        lambda value: (value in wanted) is not matched.matches,
        "string",
        tuple(literal(each) for each in matched.undecided),
        (),
        (),
        several=False,
        identity=(CANONICAL_USER, wanted, matched.matches),
    )
