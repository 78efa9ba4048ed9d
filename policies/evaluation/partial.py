"""What remains open of a request whose context is not wholly known, and what that leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from policies.evaluation.branching import Box, Constraint, Term, TooManyBranchesError, decide
from policies.evaluation.compiled import (
    CANONICAL_USER,
    EVERYTHING,
    IMPLICITLY_DENIED,
    CompiledStatement,
    Decision,
    Prepared,
    RelevantStatement,
    Request,
    StatementReference,
    context_value,
)
from policies.language import NO_VALUES, Condition, Lookup, Pattern, Template, Token, Value, Variable, Wildcard, literal

_MAX_PARTS = 64
"""For how many parts of a text an unknown variable may stand before it counts as opaque."""
_ELSEWHERE = "\x00"
"""A value that no text compared with a variable holds."""
_REMEMBERED = 10_000
"""How many decisions are kept: requests that differ in nothing a statement looks at get the same one."""


class PartialRequest:
    """One request with unknown keys: what remains open of each statement, and what that leads to."""

    def __init__(self, policy: Prepared, request: Request, context: Mapping[str, Value]) -> None:
        """Take the request and its context, keys in lower case."""
        self.policy = policy
        self.request = request
        self.named = {key.lower(): key for key in request.unknown}
        self.absent = {key.lower() for key in request.absent}
        self.constraints = {key.lower(): each for key, each in request.constraints.items()}
        self.constraints[CANONICAL_USER.lower()] = Constraint(present=True)
        self.context = {key: value for key, value in context.items() if key not in self.named}

    @classmethod
    def of(cls, policy: Prepared, request: Request) -> PartialRequest:
        """Take a request as it was asked."""
        return cls(
            policy,
            request,
            {key.lower(): context_value(key, value) for key, value in request.context.items()},
        )

    def is_unknown(self, key: str) -> bool:
        """Tell whether nothing, or too little, is known of a key in lower case."""
        if key in self.context or key in self.absent:
            return False
        return EVERYTHING in self.named or key in self.named

    def lookup(self, key: str) -> str | None:
        """Return the known single value of a key in lower case."""
        value = self.context.get(key)
        return value if isinstance(value, str) else None

    def decide(self, relevant: Sequence[RelevantStatement]) -> Decision:
        """Decide the request by the statements that speak of its principal and action."""
        boxes = [box for each in relevant if (box := self._box(each)) is not None]
        identity = (
            tuple((box.statement, *(term.identity for term in box.terms)) for box in boxes),
            tuple(self.request.unknown),
            tuple(self.constraints.items()),
        )
        known = self.policy.decisions.get(identity)
        if known is None:
            if len(self.policy.decisions) > _REMEMBERED:
                self.policy.decisions.clear()
            known = self.policy.decisions[identity] = self._decide(boxes)
        return known

    def may_match(self, compiled: CompiledStatement) -> bool:
        """Tell whether a statement's conditions may hold, whatever the resource."""
        return all(self._condition(each) is not False for each in compiled.conditions)

    def _decide(self, boxes: Sequence[Box]) -> Decision:
        try:
            outcome = decide(boxes, self.constraints, self.policy.branches)
        except TooManyBranchesError as bound:
            return self._bounded(boxes, str(bound))
        if len(outcome.effects) > 1:
            terms = [term for box in boxes for term in box.terms if term.key in outcome.keys]
            remaining = (box for box in boxes if any(term.key in outcome.keys for term in box.terms))
            return Decision("unknown", self._references(remaining), self._names(terms))
        (effect,) = outcome.effects
        if effect == "implicitly_denied":
            return IMPLICITLY_DENIED
        deciding = [box for box in boxes if box.allow is (effect == "allowed")]
        # Those that match in any case decide; without any, it takes all of them together.
        certain = [box for box in deciding if box.statement in outcome.certain]
        return Decision(effect, self._references(iter(certain or deciding)))

    def _bounded(self, boxes: Sequence[Box], reason: str) -> Decision:
        if any(not box.terms for box in boxes if not box.allow):
            return Decision("explicitly_denied", self._references(box for box in boxes if not (box.allow or box.terms)))
        terms = [term for box in boxes for term in box.terms]
        return Decision("unknown", self._references(iter(boxes)), self._names(terms), reason)

    def _references(self, boxes: Iterator[Box]) -> tuple[StatementReference, ...]:
        return tuple(self.policy.statements[box.statement].reference for box in boxes)

    def _names(self, terms: Sequence[Term]) -> tuple[str, ...]:
        names = (self.named.get(name.lower(), name) for term in terms for name in term.names)
        return tuple(dict.fromkeys(names))

    def _box(self, relevant: RelevantStatement) -> Box | None:
        """Return what remains open of a statement; None when it cannot match."""
        compiled, canonical = relevant
        terms: list[Term] = [canonical] if canonical else []
        resource = self._resource(compiled)
        if resource is False:
            return None
        if isinstance(resource, Term):
            terms.append(resource)
        for condition in compiled.conditions:
            term = self._condition(condition)
            if term is False:
                return None
            if isinstance(term, Term):
                terms.append(term)
        return Box(compiled.reference.index, compiled.allow, tuple(terms))

    def _resource(self, compiled: CompiledStatement) -> Term | bool:
        text = self.request.resource
        unknown = [each for each in compiled.variable if self._is_open(each)]
        if not unknown or compiled.matches_fixed(text):
            return compiled.matches_resource(text, self.lookup)
        return self._over_variables(unknown, text, lambda lookup: compiled.matches_resource(text, lookup))

    def _is_open(self, of: Template) -> bool:
        return any(self.is_unknown(part.key) for part in of.variables)

    def _condition(self, condition: Condition) -> Term | bool:
        if condition.undocumented and (self.is_unknown(condition.key) or condition.key in self.context):
            return _opaque((condition.name,), (condition,))
        unknown = [each for each in condition.templates if self._is_open(each)] if condition.dynamic else []
        if not self.is_unknown(condition.key):
            value = self.context.get(condition.key)
            if not unknown or value is None:
                return condition.holds(value, self.lookup)
            # Which part of the value a variable stands for is looked for to the letter and across segments.
            if isinstance(value, str) and condition.family not in ("arn", "fold"):
                return self._over_variables(unknown, value, lambda lookup: condition.holds(value, lookup))
            return _opaque((condition.name, *_variable_names(unknown)), (condition, value))
        if unknown:
            return _opaque((condition.name, *_variable_names(unknown)), (condition,))
        if condition.dynamic:
            variables = {part.key: self.lookup(part.key) for each in condition.templates for part in each.variables}
            return _term(condition, self.lookup, (condition, *variables.items()))
        known = self.policy.terms.get(condition)
        if known is None:
            known = self.policy.terms[condition] = _term(condition, NO_VALUES, condition)
        return known

    def _over_variables(self, templates: Sequence[Template], text: str, test: Callable[[Lookup], bool]) -> Term:
        """Return the term over the one unknown variable of ``templates``: its values are parts of
        ``text``."""
        names = {part.key: part.name for each in templates for part in each.variables if self.is_unknown(part.key)}
        possible = sorted({part for each in templates for part in _possible_parts(each, text, self)})
        if len(names) > 1 or len(possible) > _MAX_PARTS:
            return _opaque(tuple(names.values()), (text, *templates))
        ((key, name),) = names.items()
        known = self.lookup
        truths: dict[Value, bool] = {}
        for value in (*possible, None, _ELSEWHERE):
            truths[value] = test(_with(key, value, known))
        otherwise = truths[_ELSEWHERE]
        return Term(
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


def _term(condition: Condition, lookup: Lookup, identity: object) -> Term:
    return Term(
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


def _opaque(names: tuple[str, ...], identity: object) -> Term:
    """Return a term that may come out either way: what several unknown keys make together is not told
    apart."""
    key = f"opaque:{identity!r}"
    return Term(
        key,
        tuple(dict.fromkeys(names)),
        lambda value: value == "true",
        "opaque",
        (),
        (),
        (),
        several=False,
        identity=identity,
    )


def _possible_parts(of: Template, text: str, request: PartialRequest) -> Iterator[str]:
    """Yield every part of ``text`` for which the first unknown variable could stand."""
    unknown = [at for at, part in enumerate(of.parts) if isinstance(part, Variable) and request.is_unknown(part.key)]
    before = Template(of.parts[: unknown[0]], of.variables).resolve(request.lookup)
    rest = Template(of.parts[unknown[0] + 1 :], of.variables)
    after = rest.resolve(request.lookup) if len(unknown) == 1 else (Wildcard.RUN,)
    if before is None or after is None:
        return
    starts = [at for at in _possible(before, text, at_end=True) if Pattern(before).matches(text[:at])]
    if not starts:
        return
    ends = [at for at in _possible(after, text, at_end=False) if Pattern(after).matches(text[at:])]
    for start in starts:
        for end in ends:
            if end >= start:
                yield text[start:end]


def _possible(tokens: tuple[Token, ...], text: str, *, at_end: bool) -> Iterator[int]:
    """Yield where ``text`` may be cut so that ``tokens`` match what is before (``at_end``) or behind the
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
