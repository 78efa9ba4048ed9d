"""Decide a request for every resource that a pattern matches, not for a sample of them.

Resource patterns are regular languages, so the resources that match the same statements form a region and
have one decision. Regions are enumerated only where statements disagree: a Deny without open conditions
decides alone, and an Allow that covers the pattern replaces every other Allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from policies.evaluation.decisions import Decision
from policies.evaluation.partial_requests import PartialRequest
from policies.evaluation.prepared import RelevantStatement, resource_pattern
from policies.evaluation.residuals import (
    BoundReachedError,
    ResidualStatement,
    opaque_condition,
)
from policies.language import (
    Pattern,
    StateLimitError,
    Template,
    Variable,
    Wildcard,
    covers,
    group_regions,
    left_over,
    shared_text,
)

REGIONS = 2_000
"""How many regions are decided."""
UNDECIDED_REGIONS = 64
"""How many regions are decided after the first that is unknown."""


class RegionDecision(NamedTuple):
    """The decision for the resources of one region."""

    example: str
    """One of the resources."""
    decision: Decision
    """The decision."""


class _Scoped(NamedTuple):
    """A statement that matches some resource of the scope."""

    residual: ResidualStatement
    """What remains open of it where its resource element matches."""
    negated: bool
    """True for NotResource."""
    patterns: tuple[Pattern, ...]
    """The patterns without unknown variables."""
    wider: tuple[Pattern, ...]
    """For patterns with unknown variables: patterns that match at least the same."""
    variables: tuple[str, ...]
    """The unknown variables."""

    @property
    def certain(self) -> bool:
        """True when the statement matches wherever its resource element does."""
        return not self.residual.conditions

    def example(self, scope: Pattern) -> str | None:
        """Return a resource of the scope that the statement matches in any case, or None."""
        if self.negated:
            return None if self.wider else left_over(scope, self.patterns)
        return shared_text(self.patterns, scope)

    def covers(self, scope: Pattern) -> bool:
        """Return whether the statement matches every resource of the scope in any case."""
        if self.negated:
            return not self.wider and shared_text(self.patterns, scope) is None
        return any(covers((each,), scope) for each in self.patterns) or covers(self.patterns, scope)

    def touches(self, scope: Pattern) -> bool:
        """Return whether the statement may match some resource of the scope."""
        if self.negated:
            return left_over(scope, self.patterns) is not None
        return shared_text((*self.patterns, *self.wider), scope) is not None


def decide_every(
    request: PartialRequest, relevant: Sequence[RelevantStatement], scope: Pattern
) -> Iterator[RegionDecision]:
    """Yield decisions that together hold for every resource that ``scope`` matches.

    Denials that need no enumeration come first. Raises BoundReachedError when the resource patterns overlap
    in too many combinations.
    """
    try:
        yield from _decide_every(request, relevant, scope)
    except StateLimitError:
        raise BoundReachedError("regions", "the resource patterns overlap in too many combinations") from None


def region_examples(
    requests: Sequence[PartialRequest], relevant: Sequence[RelevantStatement], scope: Pattern
) -> Iterator[str]:
    """Yield one resource of each region that a statement distinguishes for one of ``requests``.

    Raises StateLimitError when the resource patterns overlap in too many combinations.
    """
    groups: list[tuple[Pattern, ...]] = []
    for request in requests:
        groups += _groups([each for one in relevant if (each := _scoped(request, one)) is not None])
    yield from (region.example for region in group_regions(list(dict.fromkeys(groups)), (scope,)))


def _decide_every(
    request: PartialRequest, relevant: Sequence[RelevantStatement], scope: Pattern
) -> Iterator[RegionDecision]:
    statements = [each for one in relevant if (each := _scoped(request, one)) is not None and each.touches(scope)]
    for each in statements:
        if not each.residual.allow and each.certain and (example := each.example(scope)) is not None:
            yield RegionDecision(example, request.decide_residuals([each.residual]))
    statements = _without_redundant(statements, scope)
    if all(each.certain and _covers(each, scope) for each in statements):
        matching = [each.residual for each in statements]
        yield RegionDecision(_any_text(scope), request.decide_residuals(matching))
        return
    yield from _enumerate(request, statements, scope)


def _without_redundant(statements: list[_Scoped], scope: Pattern) -> list[_Scoped]:
    """Return the statements without those that cannot change the effect in the scope."""
    if not any(each.residual.allow for each in statements):
        # Denied in any case; the Denies would only name which.
        return [each for each in statements if each.certain and _covers(each, scope)]
    allowing = (each for each in statements if each.residual.allow and each.certain)
    covering = next((each for each in allowing if _covers(each, scope)), None)
    if covering is None:
        return statements
    return [each for each in statements if each is covering or not each.residual.allow]


def _covers(statement: _Scoped, scope: Pattern) -> bool:
    with suppress(StateLimitError):
        return statement.covers(scope)
    return False


def _any_text(scope: Pattern) -> str:
    return next(each.example for each in group_regions([], (scope,)))


def _enumerate(request: PartialRequest, statements: Sequence[_Scoped], scope: Pattern) -> Iterator[RegionDecision]:
    undecided = 0
    for at, region in enumerate(group_regions(_groups(statements), (scope,))):
        matching = [matched for each in statements if (matched := _at(each, region.example)) is not None]
        decision = request.decide_residuals(matching)
        yield RegionDecision(region.example, decision)
        undecided += decision.effect == "unknown"
        if at >= REGIONS or undecided > UNDECIDED_REGIONS:
            raise BoundReachedError("regions", f"more than {at:,} combinations of resource patterns")


def _groups(statements: Sequence[_Scoped]) -> list[tuple[Pattern, ...]]:
    """Return the groups of patterns to distinguish: statements that match alike act as one."""
    groups: dict[object, dict[Pattern, None]] = {}
    for each in statements:
        key: object = each.residual.statement if each.negated else each.residual.identity
        groups.setdefault((each.negated, key), {}).update(dict.fromkeys(each.patterns))
        groups.setdefault(("wider", each.residual.statement), {}).update(dict.fromkeys(each.wider))
    return [tuple(each) for each in groups.values() if each]


def _at(statement: _Scoped, resource: str) -> ResidualStatement | None:
    """Return what remains open of a statement for one resource; None when it does not match."""
    fixed = any(each.matches(resource) for each in statement.patterns)
    if fixed:
        return None if statement.negated else statement.residual
    if statement.negated:
        return _opened(statement) if statement.wider else statement.residual
    return _opened(statement) if any(each.matches(resource) for each in statement.wider) else None


def _opened(statement: _Scoped) -> ResidualStatement:
    """Return the residual where it is open whether the resource, with its unknown variables, matches."""
    residual = statement.residual
    opened = opaque_condition(statement.variables, (residual.statement, statement.variables))
    return residual._replace(conditions=(*residual.conditions, opened))


def _scoped(request: PartialRequest, relevant: RelevantStatement) -> _Scoped | None:
    conditions = request.open_conditions(relevant)
    if conditions is None:
        return None
    compiled = relevant.compiled
    patterns, wider, variables = list(compiled.fixed), list[Pattern](), dict[str, None]()
    for each in compiled.variable:
        if request.has_unknown(each):
            wider.append(resource_pattern(_widened(each, request)))
            variables.update((part.name, None) for part in each.variables if request.is_unknown(part.key))
        else:
            resolved = each.resolve(request.lookup)
            if resolved is None and compiled.statement.not_resource:
                return None
            patterns.append(resource_pattern(resolved))
    residual = ResidualStatement(compiled.reference.index, compiled.allow, conditions)
    return _Scoped(residual, compiled.statement.not_resource, tuple(patterns), tuple(wider), tuple(variables))


def _widened(of: Template, request: PartialRequest) -> tuple[str | Wildcard, ...] | None:
    """Return a template with each unknown variable replaced by every value it can have."""
    tokens: list[str | Wildcard] = []
    for part in of.parts:
        if not isinstance(part, Variable):
            tokens.append(part)
        elif request.is_unknown(part.key):
            within = request.constraints[part.key].within if part.key in request.constraints else ()
            only = within[0].tokens if len(within) == 1 and part.default is None else (Wildcard.RUN,)
            tokens += only
        else:
            value = request.lookup(part.key)
            value = part.default if value is None else value
            if value is None:
                return None
            tokens.append(value)
    return tuple(tokens)
