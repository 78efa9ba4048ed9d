"""A request whose context is only partly known: what remains open of each statement, and the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from policies.evaluation.decisions import (
    EVERYTHING,
    IMPLICITLY_DENIED,
    OPEN_ENDS,
    Decision,
    Effect,
    Request,
    StatementReference,
    context_value,
)
from policies.evaluation.prepared import CANONICAL_USER, CompiledStatement, Prepared, RelevantStatement
from policies.evaluation.reachable_effects import Reachable, reachable_effects
from policies.evaluation.residuals import (
    ANYTHING,
    BoundReachedError,
    Constraint,
    ResidualCondition,
    ResidualStatement,
    opaque_condition,
)
from policies.language import NO_VALUES, Condition, Lookup, Pattern, Template, Token, Value, Variable, Wildcard, literal

_MAX_PARTS = 64
"""For how many parts of a text an unknown variable may stand before it counts as opaque."""
_OTHER = "\x00"
"""A value that no text compared with a variable holds."""


class PartialRequest:
    """One request with unknown keys."""

    def __init__(self, policy: Prepared, request: Request, context: Mapping[str, Value]) -> None:
        """Take the request and its context, keys in lower case."""
        self.policy = policy
        self.request = request
        self.named = {key.lower(): key for key in request.unknown}
        self.absent = {key.lower() for key in request.absent}
        self.absent_starts = tuple(each for each in self.absent if each.endswith(OPEN_ENDS))
        self.constraints = {key.lower(): each for key, each in request.constraints.items()}
        self.constraints[CANONICAL_USER.lower()] = Constraint(present=True)
        self.context = {key: value for key, value in context.items() if key not in self.named}

    @classmethod
    def of(cls, policy: Prepared, request: Request) -> PartialRequest:
        """Take a request as it was given."""
        return cls(
            policy,
            request,
            {key.lower(): context_value(key, value) for key, value in request.context.items()},
        )

    def is_unknown(self, key: str) -> bool:
        """Return whether the value of a key in lower case is unknown."""
        if key in self.context or key in self.absent or key.startswith(self.absent_starts):
            return False
        return EVERYTHING in self.named or key in self.named

    def lookup(self, key: str) -> str | None:
        """Return the known single value of a key in lower case."""
        value = self.context.get(key)
        return value if isinstance(value, str) else None

    def has_unknown(self, of: Template) -> bool:
        """Return whether a variable of a template is unknown."""
        return any(self.is_unknown(part.key) for part in of.variables)

    def decide(self, relevant: Sequence[RelevantStatement]) -> Decision:
        """Decide the request by the statements whose principal and action elements match."""
        return self.decide_residuals([each for one in relevant if (each := self._statement(one)) is not None])

    def decide_residuals(self, statements: Sequence[ResidualStatement]) -> Decision:
        """Decide by the statements whose resource matches, each with the conditions that remain open."""
        identity = (
            tuple((each.statement, *(condition.identity for condition in each.conditions)) for each in statements),
            tuple(self.request.unknown),
            tuple(self.constraints.items()),
        )
        known = self.policy.decisions.get(identity)
        if known is None:
            known = self.policy.decisions.keep(identity, self._decide(statements))
        return known

    def open_conditions(self, relevant: RelevantStatement) -> tuple[ResidualCondition, ...] | None:
        """Return the conditions that remain open, whatever the resource; None when the statement cannot match."""
        found: list[ResidualCondition] = [relevant.principal] if relevant.principal else []
        for each in relevant.compiled.conditions:
            condition = self._condition(each)
            if condition is False:
                return None
            if isinstance(condition, ResidualCondition):
                found.append(condition)
        return tuple(found)

    def _decide(self, statements: Sequence[ResidualStatement]) -> Decision:
        try:
            reached = reachable_effects(statements, self.constraints, self.policy.candidates)
        except BoundReachedError as bound:
            return self._bounded(statements, bound)
        if "allowed" not in reached.effects:
            return self._denied(statements, reached)
        if reached.effects == {"allowed"}:
            return self._decided("allowed", [each for each in statements if each.allow], reached)
        conditions = [each for one in statements for each in one.conditions]
        # A key whose values could not be enumerated is replaced by opaque tests; it may decide too.
        deciding = [each for each in conditions if each.key in reached.keys or reached.bounds]
        keys = {each.key for each in deciding}
        remaining = (one for one in statements if any(each.key in keys for each in one.conditions))
        limit = reached.bounds[0] if reached.bounds else None
        return Decision(
            "unknown",
            self._references(remaining),
            self._names(deciding),
            limit.name if limit else "",
            str(limit) if limit else "",
        )

    def _denied(self, statements: Sequence[ResidualStatement], reached: Reachable) -> Decision:
        """Return the denial; where some values deny explicitly and others implicitly, the Denies are named."""
        if reached.effects == {"implicitly_denied"}:
            return IMPLICITLY_DENIED
        may_allow = any(each.allow and each.statement in reached.matching for each in statements)
        explicit = reached.effects == {"explicitly_denied"} or may_allow
        denying = [each for each in statements if not each.allow]
        return self._decided("explicitly_denied" if explicit else "implicitly_denied", denying, reached)

    def _decided(self, effect: Effect, deciding: Sequence[ResidualStatement], reached: Reachable) -> Decision:
        # Those that match in any case decide; without any, it takes all of them together.
        certain = [each for each in deciding if each.statement in reached.certain]
        possible = [each for each in deciding if each.statement in reached.matching]
        return Decision(effect, self._references(certain or possible))

    def _bounded(self, statements: Sequence[ResidualStatement], bound: BoundReachedError) -> Decision:
        denying = [each for each in statements if not each.allow and not each.conditions]
        if denying:
            return Decision("explicitly_denied", self._references(denying))
        if not any(each.allow for each in statements):
            return Decision("implicitly_denied", self._references(statements))
        conditions = [each for one in statements for each in one.conditions]
        return Decision("unknown", self._references(statements), self._names(conditions), bound.name, str(bound))

    def _references(self, statements: Iterable[ResidualStatement]) -> tuple[StatementReference, ...]:
        return tuple(self.policy.statements[each.statement].reference for each in statements)

    def _names(self, conditions: Sequence[ResidualCondition]) -> tuple[str, ...]:
        names = (self.named.get(name.lower(), name) for each in conditions for name in each.names)
        return tuple(dict.fromkeys(names))

    def _statement(self, relevant: RelevantStatement) -> ResidualStatement | None:
        """Return what remains open of a statement; None when it cannot match."""
        compiled = relevant.compiled
        resource = self._resource(compiled)
        if resource is False:
            return None
        conditions = self.open_conditions(relevant)
        if conditions is None:
            return None
        if isinstance(resource, ResidualCondition):
            conditions = (*conditions, resource)
        return ResidualStatement(compiled.reference.index, compiled.allow, conditions)

    def _resource(self, compiled: CompiledStatement) -> ResidualCondition | bool:
        text = self.request.resource
        unknown = [each for each in compiled.variable if self.has_unknown(each)]
        if not unknown or compiled.matches_fixed(text):
            return compiled.matches_resource(text, self.lookup)
        return self._over_variables(unknown, text, lambda lookup: compiled.matches_resource(text, lookup))

    def _condition(self, condition: Condition) -> ResidualCondition | bool:
        if condition.undocumented and (self.is_unknown(condition.key) or condition.key in self.context):
            return opaque_condition((condition.name,), (condition,))
        unknown = [each for each in condition.templates if self.has_unknown(each)] if condition.dynamic else []
        if not self.is_unknown(condition.key):
            value = self.context.get(condition.key)
            if not unknown or value is None:
                return condition.holds(value, self.lookup)
            # Which part of the value a variable represents is compared to the letter and across segments.
            if isinstance(value, str) and condition.family not in ("arn", "fold"):
                return self._over_variables(unknown, value, lambda lookup: condition.holds(value, lookup))
            return opaque_condition((condition.name, *_variable_names(unknown)), (condition, value))
        if unknown and self._is_never_equal(condition):
            return _residual(condition, lambda _: _OTHER, (condition, "never equal"))
        if unknown:
            return opaque_condition((condition.name, *_variable_names(unknown)), (condition,))
        if condition.dynamic:
            variables = {part.key: self.lookup(part.key) for each in condition.templates for part in each.variables}
            return _residual(condition, self.lookup, (condition, *variables.items()))
        known = self.policy.residuals.get(condition)
        if known is None:
            known = self.policy.residuals[condition] = _residual(condition, NO_VALUES, condition)
        return known

    def _is_never_equal(self, condition: Condition) -> bool:
        """Return whether an unknown key is compared only with variables whose value it never has."""
        unlike = self.constraints.get(condition.key, ANYTHING).unlike
        alone = [each.variables[0].key for each in condition.templates if each.variables and len(each.parts) == 1]
        dynamic = sum(bool(each.variables) for each in condition.templates)
        return (
            condition.family in ("string", "fold", "like")
            and len(alone) == dynamic
            and all(key in unlike and self._is_present(key) for key in alone)
        )

    def _is_present(self, key: str) -> bool:
        return key in self.context or self.constraints.get(key, ANYTHING).present

    def _over_variables(
        self, templates: Sequence[Template], text: str, test: Callable[[Lookup], bool]
    ) -> ResidualCondition:
        """Return the test of the one unknown variable of ``templates``: its values are parts of ``text``."""
        names = {part.key: part.name for each in templates for part in each.variables if self.is_unknown(part.key)}
        possible = sorted({part for each in templates for part in _possible_parts(each, text, self)})
        if len(names) > 1 or len(possible) > _MAX_PARTS:
            return opaque_condition(tuple(names.values()), (text, *templates))
        ((key, name),) = names.items()
        known = self.lookup
        truths: dict[Value, bool] = {}
        for value in (*possible, None, _OTHER):
            truths[value] = test(_with(key, value, known))
        otherwise = truths[_OTHER]
        return ResidualCondition(
            key,
            (name,),
            lambda value: truths.get(value, otherwise),
            "string",
            tuple(literal(part) for part in possible),
            (),
            (),
            several=False,
            identity=(key, *truths.items()),
        )


def _with(key: str, value: str | None, known: Lookup) -> Lookup:
    return lambda asked: value if asked == key else known(asked)


def _residual(condition: Condition, lookup: Lookup, identity: object) -> ResidualCondition:
    return ResidualCondition(
        condition.key,
        (condition.name,),
        lambda value: condition.holds(value, lookup),
        condition.family,
        condition.patterns(lookup),
        condition.numbers,
        condition.networks,
        several=bool(condition.quantifier),
        identity=identity,
    )


def _variable_names(templates: Sequence[Template]) -> Iterator[str]:
    for each in templates:
        for variable in each.variables:
            yield variable.name


def _possible_parts(of: Template, text: str, request: PartialRequest) -> Iterator[str]:
    """Yield every part of ``text`` that the first unknown variable can represent."""
    unknown = [at for at, part in enumerate(of.parts) if isinstance(part, Variable) and request.is_unknown(part.key)]
    before = Template(of.parts[: unknown[0]], of.variables).resolve(request.lookup)
    rest = Template(of.parts[unknown[0] + 1 :], of.variables)
    after = rest.resolve(request.lookup) if len(unknown) == 1 else (Wildcard.RUN,)
    if before is None or after is None:
        return
    starts = [at for at in _cuts(before, text, at_end=True) if Pattern(before).matches(text[:at])]
    if not starts:
        return
    ends = [at for at in _cuts(after, text, at_end=False) if Pattern(after).matches(text[at:])]
    for start in starts:
        for end in ends:
            if end >= start:
                yield text[start:end]


def _cuts(tokens: tuple[Token, ...], text: str, *, at_end: bool) -> Iterator[int]:
    """Yield where ``text`` can be cut so that ``tokens`` match what is before (``at_end``) or after the
    cut."""
    edge = (tokens[-1] if at_end else tokens[0]) if tokens else ""
    if isinstance(edge, str) and len(tokens) <= 1:
        cut = len(edge) if at_end else len(text) - len(edge)
        yield from (cut,) if 0 <= cut <= len(text) else ()
    elif isinstance(edge, str):
        at = text.find(edge)
        while at >= 0:
            yield at + (len(edge) if at_end else 0)
            at = text.find(edge, at + 1)
    else:
        yield from range(len(text) + 1)
