"""Does a policy give Nimble what the contract asks: for every key under the prefix, not for a sample.

Resource patterns are regular languages. All keys that match the same patterns are decided alike, so one
key of each kind is asked about, and the answers hold for all of them. A requirement that fails comes with
a key that fails, and the statement that takes it away.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from policies.checks.gcs_bindings import prove_bindings
from policies.checks.request_scenarios import World, keys_under, worlds
from policies.contracts import AccessContract, Requirement, Target
from policies.evaluation import (
    Decision,
    Effect,
    OpenRequest,
    Prepared,
    StatementReference,
    evaluate,
    known_actions,
    prepare,
    resource_pattern,
)
from policies.language import Pattern, PolicyDocument, StateLimitError, Wildcard, regions, template

State = Literal["holds", "fails", "depends"]
_FROM_GOOD_TO_BAD: Sequence[State] = ("holds", "depends", "fails")
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one requirement holds."""

    requirement: Requirement
    """The requirement."""
    state: State
    """``holds`` for every key; ``fails`` for at least one; ``depends`` on what is not known of Nimble's
    requests."""
    effect: Effect
    """The decision on ``example``."""
    action: str
    """The action asked about."""
    operation: str
    """The API operation, where the contract tells several apart."""
    resource: str
    """The resource the verdict is about, as an ARN or a pattern of one."""
    example: str
    """The ARN of a bucket, object or key for which it comes out so; for ``fails`` the counter-example, on
    one way of Nimble's requests if ``reason`` says that it turns on the way."""
    statements: tuple[StatementReference, ...]
    """The statements that decide the example."""
    depends_on: tuple[str, ...]
    """The condition keys it depends on."""
    needs: tuple[str, ...]
    """For ``depends`` and ``fails``: what the deciding conditions want, in words."""
    reason: str
    """Why it could not be decided, where that is not plain from the keys."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a contract finds in the documents."""

    contract: AccessContract
    """The contract."""
    target: Target
    """The target."""
    verdicts: tuple[Verdict, ...]
    """One verdict per requirement of the bucket's policy."""
    key_verdicts: tuple[Verdict, ...]
    """One verdict per requirement of the key's policy; empty when no key policy was given."""
    not_proven: tuple[str, ...]
    """What the documents do not say."""

    @property
    def state(self) -> State:
        """The worst of the verdicts."""
        return worst(each.state for each in (*self.verdicts, *self.key_verdicts))

    @property
    def complete(self) -> bool:
        """True when every requirement holds."""
        return self.state == "holds"


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


def worst(states: Iterable[State]) -> State:
    """Return the worst of some states."""
    return max(states, key=_FROM_GOOD_TO_BAD.index, default="holds")


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
    return max(verdicts, key=lambda each: _FROM_GOOD_TO_BAD.index(each.state))


def _verdict(
    contract: AccessContract,
    target: Target,
    policy: Prepared,
    requirement: Requirement,
    action: str,
    operation: str,
) -> Verdict:
    """Combine what holds in each world: exactly one of them is true, so they must agree, or it depends."""
    resource = resource_arn(target, requirement.scope, policy)
    ways = tuple(worlds(contract, target, action, operation))
    each_world = [_in_world(contract, policy, action, world, resource) for world in ways]
    states = {each.state for each in each_world}
    chosen = max(each_world, key=lambda each: ("holds", "fails", "depends").index(each.state))
    if states == {"fails"}:
        chosen = _failing(contract, policy, action, resource, ways, each_world)
    elif len(states) > 1 and chosen.state != "depends":
        chosen = _differing(each_world)
    return Verdict(
        requirement,
        chosen.state,
        chosen.decision.effect,
        action,
        operation,
        str(resource).replace("?*", "*"),
        chosen.example,
        chosen.decision.statements,
        chosen.decision.depends_on,
        tuple(dict.fromkeys(needs(policy, chosen.decision))),
        chosen.decision.reason,
    )


@dataclass(frozen=True, slots=True)
class _Finding:
    state: State
    example: str
    decision: Decision


_STATES: dict[Effect, State] = {
    "allowed": "holds",
    "depends": "depends",
    "explicitly_denied": "fails",
    "implicitly_denied": "fails",
}


_WAY = "turns on how Nimble's requests reach the bucket, which is not documented"


def _failing(
    contract: AccessContract,
    policy: Prepared,
    action: str,
    resource: Pattern,
    ways: Sequence[World],
    findings: Sequence[_Finding],
) -> _Finding:
    """It fails on every way through the network: find a key that fails on all of them, or say that none was found."""

    def examples() -> Iterator[str]:
        yield from (each.example for each in findings)
        asked = [OpenRequest.of(policy, world.request(contract.principal, action, "")) for world in ways]
        patterns = dict.fromkeys(
            each for open_ in asked for each in _patterns(policy, contract.principal, action, open_)
        )
        with contextlib.suppress(StateLimitError):
            yield from (each.example for each in itertools.islice(regions([*patterns], (resource,)), KINDS))

    for arn in examples():
        decisions = [evaluate(policy, world.request(contract.principal, action, arn)) for world in ways]
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
    return _Finding("depends", failing.example, Decision("depends", decisive.decision.statements, keys, reason))


def _in_world(
    contract: AccessContract,
    policy: Prepared,
    action: str,
    world: World,
    resource: Pattern,
) -> _Finding:
    def ask(arn: str) -> _Finding:
        decision = evaluate(policy, world.request(contract.principal, action, arn))
        return _Finding(_STATES[decision.effect], arn, decision)

    single = resource.literal
    if single is not None:
        return ask(single)
    best: _Finding | None = None
    complete = True
    open_request = OpenRequest.of(policy, world.request(contract.principal, action, ""))
    patterns = [*_patterns(policy, contract.principal, action, open_request)]
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
        best = _Finding("depends", example, Decision("depends", (), (), reason))
    return _with_open_resources(best, policy, contract.principal, action, open_request)


def _patterns(policy: Prepared, principal: str, action: str, request: OpenRequest) -> Iterator[Pattern]:
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
    finding: _Finding, policy: Prepared, principal: str, action: str, request: OpenRequest
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
    return _Finding("depends", finding.example, Decision("depends", tuple(statements), tuple(dict.fromkeys(names))))


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


def _from_bindings(
    contract: AccessContract, target: Target, policy: PolicyDocument | None, requirement: Requirement
) -> Verdict:
    found = prove_bindings(contract.principal, target, policy.bindings if policy else (), requirement.action)
    effect: Effect = {"holds": "allowed", "depends": "depends", "fails": "implicitly_denied"}[found.state]  # type: ignore[assignment]
    return Verdict(
        requirement,
        found.state,
        effect,
        requirement.action,
        "",
        f"{target.url(requirement.scope)}*",
        found.example,
        tuple(StatementReference(each.index, each.role) for each in found.bindings),
        found.depends_on,
        found.needs,
        "",
    )
