"""Does a policy give Nimble what the contract asks: for every key under the prefix, not for a sample.

Resource patterns are regular languages. All keys that match the same patterns are decided alike, so one
key of each kind is asked about, and the answers hold for all of them. A requirement that fails comes with
a key that fails, and the statement that takes it away.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from policies.checks.gcs_bindings import prove_bindings
from policies.checks.request_scenarios import RequestScenario, keys_under, request_scenarios
from policies.checks.verdicts import Proof, State, UnknownReason, Verdict, worst
from policies.contracts import AccessContract, Requirement, Target
from policies.evaluation import (
    Decision,
    Effect,
    PartialRequest,
    Prepared,
    StatementReference,
    evaluate,
    known_actions,
    prepare,
    resource_pattern,
)
from policies.language import Pattern, PolicyDocument, StateLimitError, Wildcard, regions, template

UNKNOWN_KEY_ARN = "arn:aws:kms:REGION:ACCOUNT:key/KEY"
"""Stands for the key when its ARN is not given."""
KINDS = 2_000
"""How many kinds of keys are asked about."""
KINDS_AFTER_DOUBT = 64
"""How many more are asked about once it is clear that the verdict at least depends."""
NOT_PROVEN = {
    "s3": (
        "that Nimble's own account allows its user the same (granted on the bucket's side only)",
        "service and resource control policies of the organisation (SCP, RCP)",
        "policies of access points and VPC endpoints",
        "Block Public Access, Object Ownership and default encryption of the bucket",
    ),
    "gs": (
        "deny policies and organisation policies of the project",
        "roles inherited from the project or a folder",
        "VPC Service Controls",
    ),
}
"""What no document shown here says."""


def prove(
    contract: AccessContract,
    target: Target,
    policy: PolicyDocument | None,
    key_policy: PolicyDocument | None = None,
) -> Proof:
    """Prove each requirement of a contract from the bucket's policy, and from its key's when given.

    No policy at all grants nothing. Only requirements of the target's prefixes count.
    """
    if contract.cloud == "gs":
        requirements = tuple(_needed(contract.requirements, target))
        verdicts = tuple(_from_bindings(contract, target, policy, each) for each in requirements)
        return Proof(contract, target, verdicts, (), NOT_PROVEN["gs"])
    prepared = Prepared(()) if policy is None else prepare(policy)
    verdicts = tuple(_prove(contract, target, prepared, each) for each in _needed(contract.requirements, target))
    key_verdicts: tuple[Verdict, ...] = ()
    if key_policy is not None:
        key = prepare(key_policy)
        key_verdicts = tuple(_prove(contract, target, key, each) for each in contract.key_requirements)
    return Proof(contract, target, verdicts, key_verdicts, NOT_PROVEN["s3"])


def prove_alone(contract: AccessContract, target: Target, policy: PolicyDocument) -> Proof:
    """Prove what one document is about: a key's policy the requirements on the key, any other those on
    the bucket."""
    if policy.kind != "kms":
        return prove(contract, target, policy)
    return replace(prove(contract, target, None, policy), verdicts=())


def _needed(requirements: Sequence[Requirement], target: Target) -> Iterator[Requirement]:
    for each in requirements:
        if each.scope in ("bucket", "key") or each.scope in target.prefixes:
            yield each


def _prove(contract: AccessContract, target: Target, policy: Prepared, requirement: Requirement) -> Verdict:
    actions = [each.name for each in known_actions(requirement.action)] or [requirement.action]
    verdicts = (
        _verdict(contract, target, policy, requirement, action, operation)
        for action in actions
        for operation in requirement.operations or ("",)
    )
    found = list(verdicts)
    return next(each for each in found if each.state == worst(one.state for one in found))


def _verdict(
    contract: AccessContract,
    target: Target,
    policy: Prepared,
    requirement: Requirement,
    action: str,
    operation: str,
) -> Verdict:
    """Combine what holds in each scenario: exactly one of them is true, so they must agree, or it depends."""
    resource = resource_arn(target, requirement.scope, policy)
    ways = tuple(request_scenarios(contract, target, action, operation))
    results = [_in_scenario(contract, policy, action, scenario, resource) for scenario in ways]
    states = {each.state for each in results}
    chosen = max(results, key=lambda each: ("holds", "fails", "unknown").index(each.state))
    if states == {"fails"}:
        chosen = _failing(contract, policy, action, resource, ways, results)
    elif len(states) > 1 and chosen.state != "unknown":
        chosen = _differing(results)
    return Verdict(
        requirement,
        chosen.state,
        chosen.decision.effect,
        action,
        operation,
        str(resource).replace("?*", "*"),
        chosen.example,
        chosen.decision.statements,
        (),
        tuple(_reasons(policy, chosen.decision)) if chosen.state == "unknown" else (),
        tuple(dict.fromkeys((*needs(policy, chosen.decision), *filter(None, [chosen.decision.reason])))),
    )


@dataclass(frozen=True, slots=True)
class _Finding:
    state: State
    example: str
    decision: Decision


_STATES: dict[Effect, State] = {
    "allowed": "holds",
    "unknown": "unknown",
    "explicitly_denied": "fails",
    "implicitly_denied": "fails",
}


_WAY = "turns on how Nimble's requests reach the bucket, which is not documented"


def _failing(
    contract: AccessContract,
    policy: Prepared,
    action: str,
    resource: Pattern,
    ways: Sequence[RequestScenario],
    findings: Sequence[_Finding],
) -> _Finding:
    """It fails on every way through the network: find a key that fails on all of them, or say that none was found."""

    def examples() -> Iterator[str]:
        yield from (each.example for each in findings)
        asked = [PartialRequest.of(policy, scenario.request(contract.principal, action, "")) for scenario in ways]
        patterns = dict.fromkeys(
            each for open_ in asked for each in _patterns(policy, contract.principal, action, open_)
        )
        with contextlib.suppress(StateLimitError):
            yield from (each.example for each in itertools.islice(regions([*patterns], (resource,)), KINDS))

    for arn in examples():
        decisions = [evaluate(policy, scenario.request(contract.principal, action, arn)) for scenario in ways]
        if all(_STATES[each.effect] == "fails" for each in decisions):
            return _Finding("fails", arn, decisions[0])
    first = findings[0]
    return replace(first, decision=replace(first.decision, reason=f"for which keys it fails {_WAY}"))


def _differing(findings: Sequence[_Finding]) -> _Finding:
    """It fails on one way through the network and holds on another: it depends on the way."""
    failing = next(each for each in findings if each.state == "fails")
    holding = next(each for each in findings if each.state == "holds")
    decisive = failing if failing.decision.statements else holding
    reason = f"it {_WAY}"
    keys = ("aws:SourceIp", "aws:SourceVpce")
    return _Finding("unknown", failing.example, Decision("unknown", decisive.decision.statements, keys, reason))


def _in_scenario(
    contract: AccessContract,
    policy: Prepared,
    action: str,
    scenario: RequestScenario,
    resource: Pattern,
) -> _Finding:
    def ask(arn: str) -> _Finding:
        decision = evaluate(policy, scenario.request(contract.principal, action, arn))
        return _Finding(_STATES[decision.effect], arn, decision)

    single = resource.literal
    if single is not None:
        return ask(single)
    best: _Finding | None = None
    complete = True
    partial_request = PartialRequest.of(policy, scenario.request(contract.principal, action, ""))
    patterns = [*_patterns(policy, contract.principal, action, partial_request)]
    try:
        for asked, region in enumerate(regions(patterns, (resource,))):
            finding = ask(region.example)
            if best is None or worst((best.state, finding.state)) != best.state:
                best = finding
            if best.state == "fails" or asked > (KINDS if best.state == "holds" else KINDS_AFTER_DOUBT):
                complete = best.state == "fails"
                break
    except StateLimitError:
        complete = False
    if best is None or (best.state == "holds" and not complete):
        example = best.example if best else str(resource)
        reason = "the resource patterns overlap in too many ways to look at all of them"
        best = _Finding("unknown", example, Decision("unknown", (), (), reason))
    return _with_open_resources(best, policy, contract.principal, action, partial_request)


def _patterns(policy: Prepared, principal: str, action: str, request: PartialRequest) -> Iterator[Pattern]:
    """Yield the resource patterns that may tell one key from another, each once."""
    seen: set[Pattern] = set()
    for compiled, _ in policy.relevant(principal, action):
        if not request.may_match(compiled):
            continue
        for text in compiled.statement.resources:
            parts = template(text, variables=compiled.statement.variables, wildcards=True)
            found = resource_pattern(parts.resolve(request.lookup))
            if found not in seen:
                seen.add(found)
                yield found


def _with_open_resources(
    finding: _Finding, policy: Prepared, principal: str, action: str, request: PartialRequest
) -> _Finding:
    """Where what takes keys away holds a variable of unknown value, no example stands for all keys: it
    depends on the variable."""
    if finding.state != "holds":
        return finding
    statements: list[StatementReference] = []
    names: list[str] = []
    for compiled, _ in policy.relevant(principal, action):
        unknown = [part.name for each in compiled.variable for part in each.variables if request.is_unknown(part.key)]
        takes_away = not compiled.allow or compiled.statement.not_resource
        if unknown and takes_away and request.may_match(compiled):
            statements.append(compiled.reference)
            names += unknown
    if not names:
        return finding
    return _Finding("unknown", finding.example, Decision("unknown", tuple(statements), tuple(dict.fromkeys(names))))


def resource_arn(target: Target, scope: str, policy: Prepared) -> Pattern:
    """Return the ARNs of a scope: the bucket's, the key's, or of every key under a prefix."""
    if scope == "bucket":
        return Pattern((target.bucket_arn,))
    if scope == "key":
        return Pattern((target.key_arn or _named_key(policy),))
    return keys_under(f"{target.bucket_arn}/{target.prefixes[scope]}")


def _named_key(policy: Prepared) -> str:
    """Return the key a key policy names, if it does: a key policy speaks of its own key alone."""
    for compiled in policy.statements:
        for text in compiled.statement.resources:
            if ":key/" in text and not any(wildcard.value[0] in text for wildcard in Wildcard):
                return text
    return UNKNOWN_KEY_ARN


def needs(policy: Prepared, decision: Decision) -> Iterator[str]:
    """Yield, in words, what the conditions of the deciding statements want."""
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
        yield UnknownReason("condition", key, tuple(values), detail=decision.reason)
    if not decision.depends_on:
        yield UnknownReason("bound", "combinations", detail=decision.reason)


def _from_bindings(
    contract: AccessContract, target: Target, policy: PolicyDocument | None, requirement: Requirement
) -> Verdict:
    found = prove_bindings(contract.principal, target, policy.bindings if policy else (), requirement.action)
    effect: Effect = {"holds": "allowed", "unknown": "unknown", "fails": "implicitly_denied"}[found.state]  # type: ignore[assignment]
    return Verdict(
        requirement,
        found.state,
        effect,
        requirement.action,
        "",
        f"{target.url(requirement.scope)}*",
        found.example,
        tuple(StatementReference(each.index, each.role) for each in found.bindings),
        (),
        tuple(UnknownReason("condition", each) for each in found.depends_on),
        found.needs,
    )
