"""Prove for every key under the prefix whether a policy grants Nimble what the contract requires.

A requirement that fails comes with a key that fails and the statement that denies it; one that rests on
assumptions comes with those; one that is unknown comes with its reasons.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from policies.checks.proof.gcs_bindings import is_within_calendar, prove_bindings
from policies.checks.proof.gcs_denials import prove_denials
from policies.checks.proof.scenarios import TIME_KEYS, RequestScenario, keys_under, request_scenarios
from policies.checks.proof.verdicts import Proof, UnknownReason, Verdict, VerdictState, worst
from policies.contracts import AccessContract, Assumption, Requirement, Target, facts
from policies.evaluation import (
    BoundReachedError,
    Decision,
    Effect,
    PartialRequest,
    Prepared,
    StatementReference,
    decide_every,
    evaluate,
    known_actions,
    prepare,
    region_examples,
)
from policies.language import Binding, Pattern, PolicyDocument, StateLimitError, Wildcard

UNKNOWN_KEY_ARN = "arn:aws:kms:REGION:ACCOUNT:key/KEY"
"""Represents the key when its ARN is not given."""
COMMON_EXAMPLES = 2_000
"""How many keys are tried as a counter-example that fails on every network path."""
TIME_BOUNDS = 64
"""How many dates in a policy are tried as the end of a grant."""
NOT_PROVEN = {
    "s3": (
        "that Nimble's own account allows its user the same (granted on the bucket's side only)",
        "service and resource control policies of the organisation (SCP, RCP)",
        "policies of access points and VPC endpoints",
        "Block Public Access, Object Ownership and default encryption of the bucket",
    ),
    "gs": (
        "deny policies and organisation policies of the project",
        "VPC Service Controls",
    ),
}
"""What the documents do not decide."""
_PATHS_DIFFER = "depends on how Nimble's requests reach the bucket, which is not documented"
_PATH_KEYS = ("aws:SourceIp", "aws:SourceVpce")
_STATES: dict[Effect, VerdictState] = {
    "allowed": "holds",
    "unknown": "unknown",
    "explicitly_denied": "fails",
    "implicitly_denied": "fails",
}


def prove(
    contract: AccessContract,
    target: Target,
    policy: PolicyDocument | None,
    key_policy: PolicyDocument | None = None,
    *,
    inherited: Sequence[PolicyDocument] | None = None,
    at: datetime | None = None,
) -> Proof:
    """Prove each requirement of a contract from the bucket's policy, and from its key's when given.

    No policy grants nothing. Only requirements on the target's prefixes count. ``at`` is the time of the
    request; without it, what depends on the time is unknown. ``inherited`` are, for Cloud Storage, the
    policies of project, folders and organisation; without them, what they might grant is unknown.
    """
    if contract.cloud == "gs":
        requirements = tuple(_needed(contract.requirements, target))
        verdicts = tuple(_from_bindings(contract, target, policy, each, inherited, at) for each in requirements)
        return Proof(contract, target, verdicts, (), NOT_PROVEN["gs"])
    prepared = Prepared(()) if policy is None else prepare(policy)
    verdicts = tuple(_prove(contract, target, prepared, each, at) for each in _needed(contract.requirements, target))
    key_verdicts: tuple[Verdict, ...] = ()
    if key_policy is not None:
        key = prepare(key_policy)
        key_verdicts = tuple(_prove(contract, target, key, each, at) for each in contract.key_requirements)
    return Proof(contract, target, verdicts, key_verdicts, NOT_PROVEN["s3"])


def prove_alone(
    contract: AccessContract, target: Target, policy: PolicyDocument, *, at: datetime | None = None
) -> Proof:
    """Prove from one document: a key's policy the requirements on the key, any other those on the bucket."""
    if policy.kind != "kms":
        return prove(contract, target, policy, at=at)
    return replace(prove(contract, target, None, policy, at=at), verdicts=())


def _needed(requirements: Sequence[Requirement], target: Target) -> Iterator[Requirement]:
    for each in requirements:
        if each.scope in ("bucket", "key") or each.scope in target.prefixes:
            yield each


def _prove(
    contract: AccessContract, target: Target, policy: Prepared, requirement: Requirement, at: datetime | None
) -> Verdict:
    actions = [each.name for each in known_actions(requirement.action)] or [requirement.action]
    resource = resource_arn(target, requirement.scope, policy)
    verdicts = [
        _verdict(_Question(contract, target, policy, requirement, action, operation, resource), at)
        for action in actions
        for operation in requirement.operations or ("",)
    ]
    decisive = worst(each.state for each in verdicts)
    return next(each for each in verdicts if each.state == decisive)


@dataclass(frozen=True, slots=True)
class _Question:
    """One action on every resource of one scope."""

    contract: AccessContract
    target: Target
    policy: Prepared
    requirement: Requirement
    action: str
    operation: str
    resource: Pattern

    def scenarios(self, assumptions: Iterable[Assumption], at: datetime | None) -> tuple[RequestScenario, ...]:
        return tuple(
            request_scenarios(self.contract, self.target, self.action, self.operation, assumptions=assumptions, at=at)
        )

    def decide(self, scenario: RequestScenario, arn: str) -> Decision:
        return evaluate(self.policy, scenario.request(self.contract.principal, self.action, arn))

    def partial(self, scenario: RequestScenario) -> PartialRequest:
        return PartialRequest.of(self.policy, scenario.request(self.contract.principal, self.action, ""))

    def keys(self) -> frozenset[str]:
        """Return the condition keys, in lower case, that relevant statements read."""
        relevant = [each.compiled for each in self.policy.relevant(self.contract.principal, self.action)]
        conditions = [condition for each in relevant for condition in each.conditions]
        variables = (part for each in conditions for one in each.templates for part in one.variables)
        resources = (part for each in relevant for one in each.variable for part in one.variables)
        return frozenset((*(each.key for each in conditions), *(part.key for part in (*variables, *resources))))


class _Outcome(NamedTuple):
    """What was decided, and for which resource."""

    state: VerdictState
    example: str
    decision: Decision


def _verdict(question: _Question, at: datetime | None) -> Verdict:
    outcome = _outcome(question, facts().profile.assumptions, at)
    assumptions = _necessary_assumptions(question, outcome, at)
    state: VerdictState = "holds_assuming" if outcome.state == "holds" and assumptions else outcome.state
    until = _holds_until(question, outcome, at)
    decision = outcome.decision
    needs = () if outcome.state == "holds" else (*conditions_in_words(question.policy, decision), decision.reason)
    if until is not None and outcome.state == "fails":
        needs = (f"the grant ended on {until:%Y-%m-%dT%H:%M:%SZ}", *needs)
    return Verdict(
        question.requirement,
        state,
        decision.effect,
        question.action,
        question.operation,
        str(question.resource).replace("?*", "*"),
        outcome.example,
        decision.statements,
        assumptions,
        tuple(_reasons(question.policy, decision)) if state == "unknown" else (),
        tuple(dict.fromkeys(filter(None, needs))),
        until,
    )


def _outcome(question: _Question, assumptions: Iterable[Assumption], at: datetime | None) -> _Outcome:
    """Combine the outcomes on each network path: exactly one is taken, so they must agree, or it is unknown."""
    scenarios = question.scenarios(assumptions, at)
    outcomes = [_in_scenario(question, each) for each in scenarios]
    states = {each.state for each in outcomes}
    if states == {"fails"}:
        return _failing(question, scenarios, outcomes)
    undecided = next((each for each in outcomes if each.state == "unknown"), None)
    if undecided is not None:
        return undecided
    return _differing(outcomes) if len(states) > 1 else outcomes[0]


def _in_scenario(question: _Question, scenario: RequestScenario) -> _Outcome:
    single = question.resource.literal
    if single is not None:
        decision = question.decide(scenario, single)
        return _Outcome(_STATES[decision.effect], single, decision)
    best: _Outcome | None = None
    relevant = question.policy.relevant(question.contract.principal, question.action)
    try:
        for example, decision in decide_every(question.partial(scenario), relevant, question.resource):
            state = _STATES[decision.effect]
            if best is None or worst((best.state, state)) != best.state:
                best = _Outcome(state, example, decision)
            if state == "fails":
                return best
    except BoundReachedError as bound:
        if best is None or best.state == "holds":
            example = best.example if best else str(question.resource)
            best = _Outcome("unknown", example, Decision("unknown", (), (), bound.name, str(bound)))
    assert best is not None  # noqa: S101  # a scope has at least one region
    return best


def _failing(question: _Question, scenarios: Sequence[RequestScenario], outcomes: Sequence[_Outcome]) -> _Outcome:
    """Return a key that fails on every network path, or name that none was found."""
    relevant = question.policy.relevant(question.contract.principal, question.action)

    def examples() -> Iterator[str]:
        yield from (each.example for each in outcomes)
        partial = [question.partial(each) for each in scenarios]
        with contextlib.suppress(StateLimitError):
            yield from itertools.islice(region_examples(partial, relevant, question.resource), COMMON_EXAMPLES)

    for arn in examples():
        decisions = [question.decide(each, arn) for each in scenarios]
        if all(_STATES[each.effect] == "fails" for each in decisions):
            return _Outcome("fails", arn, decisions[0])
    first = outcomes[0]
    return first._replace(decision=replace(first.decision, reason=f"for which keys it fails {_PATHS_DIFFER}"))


def _differing(outcomes: Sequence[_Outcome]) -> _Outcome:
    """Return that a requirement which fails on one network path and holds on another is unknown."""
    failing = next(each for each in outcomes if each.state == "fails")
    holding = next(each for each in outcomes if each.state == "holds")
    statements = failing.decision.statements or holding.decision.statements
    decision = Decision("unknown", statements, _PATH_KEYS, reason=f"it {_PATHS_DIFFER}")
    return _Outcome("unknown", failing.example, decision)


def _necessary_assumptions(question: _Question, outcome: _Outcome, at: datetime | None) -> tuple[Assumption, ...]:
    """Return assumptions without any one of which the outcome would be another."""
    if outcome.state == "unknown":
        return ()
    keys = question.keys()
    kept = [each for each in facts().profile.assumptions if each.key.lower() in keys]
    for each in tuple(kept):
        fewer = [other for other in kept if other is not each]
        if _outcome(question, fewer, at).state == outcome.state:
            kept = fewer
    return tuple(kept)


def _holds_until(question: _Question, outcome: _Outcome, at: datetime | None) -> datetime | None:
    """Return when a grant ends, or when one that fails ended; None where the time does not decide."""
    if at is None or outcome.state == "unknown":
        return None
    time_keys = {key.lower() for key in TIME_KEYS}
    if not time_keys & question.keys():
        return None
    relevant = question.policy.relevant(question.contract.principal, question.action)
    conditions = (each for one in relevant for each in one.compiled.conditions if each.key in time_keys)
    dates = sorted({_moment(bound) for each in conditions for bound in each.numbers} - {None})  # type: ignore[type-var]
    bounds: list[datetime] = [each for each in dates if each is not None]

    def holds(moment: datetime) -> bool:
        return _outcome(question, facts().profile.assumptions, moment).state == "holds"

    second = timedelta(seconds=1)
    if outcome.state == "holds":
        later = [each for each in bounds if each >= at][:TIME_BOUNDS]
        return next((each for each in later if not (holds(each) and holds(each + second))), None)
    earlier = [each for each in reversed(bounds) if each <= at][:TIME_BOUNDS]
    return next((each for each in earlier if holds(each) or holds(each - second)), None)


def _moment(seconds: Decimal) -> datetime | None:
    """Return a date of a policy; None for one that is nothing but long ago or never, such as the year 9999."""
    try:
        moment = datetime.fromtimestamp(float(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if is_within_calendar(moment) else None


def resource_arn(target: Target, scope: str, policy: Prepared) -> Pattern:
    """Return the ARNs of a scope: the bucket's, the key's, or of every key under a prefix."""
    if scope == "bucket":
        return Pattern((target.bucket_arn,))
    if scope == "key":
        return Pattern((target.key_arn or _named_key(policy),))
    return keys_under(f"{target.bucket_arn}/{target.prefixes[scope]}")


def _named_key(policy: Prepared) -> str:
    """Return the key that a key policy names, if it names one: a key policy applies to its own key alone."""
    for compiled in policy.statements:
        for text in compiled.statement.resources:
            if ":key/" in text and not any(wildcard.value[0] in text for wildcard in Wildcard):
                return text
    return UNKNOWN_KEY_ARN


def conditions_in_words(policy: Prepared, decision: Decision) -> Iterator[str]:
    """Yield, in words, what the conditions of the deciding statements require."""
    wanted = {key.lower() for key in decision.depends_on}
    for reference in decision.statements:
        statement = policy.statements[reference.index].statement
        for condition in statement.conditions:
            if wanted and condition.key not in wanted:
                continue
            verb = "allows only if" if statement.effect == "Allow" else "denies if"
            values = ", ".join(condition.values)
            yield f"{statement.label} {verb} {condition.operator} {condition.name}: {values}"


def _reasons(policy: Prepared, decision: Decision) -> Iterator[UnknownReason]:
    for key in decision.depends_on:
        conditions = (
            condition
            for reference in decision.statements
            for condition in policy.statements[reference.index].conditions
            if condition.key == key.lower()
        )
        values = dict.fromkeys(value for condition in conditions for value in condition.values)
        yield UnknownReason("condition", key, tuple(values), detail="" if decision.bound else decision.reason)
    if decision.bound:
        yield UnknownReason("bound", decision.bound, detail=decision.reason)


def _inherited_bindings(inherited: Sequence[PolicyDocument], *, after: int) -> list[Binding]:
    """Return bindings numbered from ``after`` on, so that none is confused with the bucket's."""
    bindings = (binding for each in inherited for binding in each.bindings)
    return [replace(each, index=number) for number, each in enumerate(bindings, start=after)]


def _from_bindings(
    contract: AccessContract,
    target: Target,
    policy: PolicyDocument | None,
    requirement: Requirement,
    inherited: Sequence[PolicyDocument] | None,
    at: datetime | None,
) -> Verdict:
    bindings = policy.bindings if policy else ()
    above = None if inherited is None else _inherited_bindings(inherited, after=len(bindings))
    found = prove_bindings(contract.principal, target, bindings, requirement.action, inherited=above, at=at)
    effects: dict[VerdictState, Effect] = {"holds": "allowed", "unknown": "unknown", "fails": "implicitly_denied"}
    denial = prove_denials(contract.principal, requirement.action, inherited or (), at=at)
    if denial.rules:
        needs = tuple(f"the {each} denies it" for each in denial.rules)
        found = replace(found, state="fails", bindings=(), reasons=(), needs=needs, holds_until=None)
        effects["fails"] = "explicitly_denied"
    elif denial.reasons and found.state != "fails":
        found = replace(found, state="unknown", reasons=(*found.reasons, *denial.reasons))
    return Verdict(
        requirement,
        found.state,
        effects[found.state],
        requirement.action,
        "",
        f"{target.url(requirement.scope)}*",
        found.example,
        tuple(StatementReference(each.index, each.role) for each in found.bindings),
        (),
        found.reasons,
        found.needs,
        found.holds_until,
    )
