"""One answer about a policy: a verdict per requirement, the chips Nimble would show, and everything found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from policies.checks.findings import SEVERITIES, Finding, Severity, finding
from policies.checks.overgrants import excess
from policies.checks.proof import prove, prove_alone, resource_arn
from policies.checks.request_scenarios import HEAD_BUCKET, LIST_OBJECTS, request_scenarios
from policies.checks.store_limits import misplaced, path_of, refusals
from policies.checks.verdicts import Proof, State, Verdict, worst
from policies.contracts import AccessContract, Chip, Target, facts
from policies.evaluation import OLD_AFTER_DAYS, Prepared, action_table, evaluate, prepare
from policies.language import PolicyDocument

_PUT_OBJECT = "put_object"
_MAY_BE_EMPTY = "or, as long as nothing is under the prefix: "


@dataclass(frozen=True, slots=True)
class ChipForecast:
    """What Nimble's Test Connection would show, as far as the documents tell."""

    access: str
    """``read`` or ``write``."""
    chip: Chip | None
    """The chip; None when it is not decided."""
    note: str
    """What else there is to say."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything `check` has to say."""

    proof: Proof
    """The verdict per requirement."""
    chips: tuple[ChipForecast, ...]
    """What Test Connection would show for reading and for writing; empty for GCS."""
    findings: tuple[Finding, ...]
    """What was found, worst first, then in the document's order."""

    def fails(self, on: Severity = "error") -> bool:
        """Tell whether something was found that is at least as severe as ``on``."""
        return any(SEVERITIES.index(each.severity) >= SEVERITIES.index(on) for each in self.findings)


def check(
    contract: AccessContract,
    target: Target,
    policy: PolicyDocument,
    key_policy: PolicyDocument | None = None,
    *,
    raw_size: int | None = None,
    today: date | None = None,
    at: datetime | None = None,
    inherited: Sequence[PolicyDocument] | None = None,
) -> Report:
    """Check a bucket's policy, and its key's when given, against a contract.

    ``policy`` may also be the key's policy alone: then only the key's requirements count. ``raw_size`` is
    the size in bytes of the policy's text, ``today`` is compared with the date of the table of actions. For
    ``at`` and ``inherited`` see `prove`.
    """
    key_alone = policy.kind == "kms"
    if key_alone:
        proof = prove_alone(contract, target, policy, at=at)
    else:
        proof = prove(contract, target, policy, key_policy, inherited=inherited, at=at)
    found = [*refusals(policy, raw_size), *(refusals(key_policy) if key_policy else ())]
    found += misplaced(policy, target)
    found += _verdict_findings(proof, policy, key_policy)
    found += excess(proof, policy, key=key_alone)
    found += excess(proof, key_policy, key=True) if key_policy else ()
    found += _notes(proof, policy, key_policy, today)
    chips = () if key_alone or contract.cloud == "gs" else tuple(forecast(contract, target, policy, key_policy, at=at))
    found.sort(key=lambda each: -SEVERITIES.index(each.severity))
    return Report(proof, chips, tuple(dict.fromkeys(found)))


def _verdict_findings(proof: Proof, policy: PolicyDocument, key_policy: PolicyDocument | None) -> Iterator[Finding]:
    for verdicts, about in ((proof.verdicts, policy), (proof.key_verdicts, key_policy or policy)):
        for each in verdicts:
            if not each.granted and each.decisive:
                yield from _verdict_finding(each, about)
            elif not each.granted:
                message = f"{each.action} on {each.example} is not granted"
                yield finding("listed-action-missing", message)
            elif each.holds_until is not None:
                message = f"{each.action} on {each.example} is granted until {each.holds_until:%Y-%m-%dT%H:%M:%SZ}"
                yield finding("grant-ends", message)


def _verdict_finding(verdict: Verdict, about: PolicyDocument) -> Iterator[Finding]:
    statements = [each for each in about.statements if each.index in {one.index for one in verdict.statements}]
    where = statements[0].label if statements else ""
    path = path_of(about, statements[0]) if statements else "$"
    name = f"{verdict.action} on {verdict.example}"
    if verdict.operation:
        name = f"{verdict.operation} ({name})"
    if verdict.state == "unknown":
        message = f"{name} is not decided: {', '.join(map(str, verdict.reasons))}"
        message += "".join(f"; {need}" for need in verdict.needs)
        yield finding("requirement-undecided", message, where=where, path=path)
    elif verdict.effect == "explicitly_denied":
        yield finding("requirement-denied", f"{name} is denied" + _because(verdict), where=where, path=path)
    else:
        yield finding(
            "requirement-missing",
            f"{name} is allowed by no statement" + _because(verdict),
            where=where,
            path=path,
        )
    if verdict.operation == HEAD_BUCKET and verdict.effect == "implicitly_denied":
        for statement in about.statements:
            if statement.effect == "Allow" and any(each.key == "s3:prefix" for each in statement.conditions):
                message = "head_bucket carries no s3:prefix, so the statement does not allow it"
                yield finding(
                    "prefix-condition-on-list", message, where=statement.label, path=path_of(about, statement)
                )


def _because(verdict: Verdict) -> str:
    return "".join(f"; {need}" for need in verdict.needs)


def _notes(
    proof: Proof, policy: PolicyDocument, key_policy: PolicyDocument | None, today: date | None
) -> Iterator[Finding]:
    inferred = [each.requirement.id for each in (*proof.verdicts, *proof.key_verdicts) if each.requirement.inferred]
    if inferred:
        yield finding("inferred", f"not documented by Nimble: {', '.join(inferred)}")
    if proof.target.key_arn and key_policy is None and policy.kind != "kms":
        yield finding("key-not-checked", f"the policy of {proof.target.key_arn} was not given")
    if proof.contract.cloud == "s3" and proof.contract.mode != facts().test_connection.mode and policy.kind == "s3":
        yield finding("no-test-connection", "the chips shown are what it would answer all the same")
    table = action_table()
    age = ((today or date.today()) - date.fromisoformat(table.date)).days  # noqa: DTZ011  # a day either way is the same
    if age > OLD_AFTER_DAYS:
        yield finding("old-action-table", f"{table.source} is {age} days old")


def forecast(
    contract: AccessContract,
    target: Target,
    policy: PolicyDocument | None,
    key_policy: PolicyDocument | None = None,
    *,
    at: datetime | None = None,
) -> Iterator[ChipForecast]:
    """Yield the chip Nimble's Test Connection would show for reading, and for writing, where the mode
    does so."""
    connection = facts().test_connection
    prepared = Prepared(()) if policy is None else prepare(policy)
    key = prepare(key_policy) if key_policy else None
    for access, steps in connection.steps.items():
        scope = next((name for name in _SCOPES[access] if name in target.prefixes), None)
        if scope is None:
            continue
        states = [_step(contract, target, prepared, key, step, scope, at) for step in steps]
        state = worst(states)
        chip = {"holds": connection.chips["ok"], "fails": connection.chips["access_denied"]}.get(state)
        failing = next((step for step, each in zip(steps, states, strict=True) if each == state), "")
        note = f"{failing} {'is denied' if state == 'fails' else 'is not decided'}"
        if state == "holds":
            note = _MAY_BE_EMPTY + connection.chips["ok_empty"].text if access == "read" else ""
        yield ChipForecast(access, chip, note)


_SCOPES: dict[str, Sequence[str]] = {"read": ("input", "prefix"), "write": ("output", "prefix")}


def _step(
    contract: AccessContract,
    target: Target,
    policy: Prepared,
    key: Prepared | None,
    step: str,
    scope: str,
    at: datetime | None,
) -> State:
    if step != _PUT_OBJECT:
        return _asked(contract, target, policy, "s3:ListBucket", target.bucket_arn, step, at)
    probe = f"{target.bucket_arn}/{target.prefixes[scope]}{facts().test_connection.probe_name}"
    states = [_asked(contract, target, policy, "s3:PutObject", probe, step, at)]
    if key is not None:
        arn = str(resource_arn(target, "key", key))
        states.append(_asked(contract, target, key, "kms:GenerateDataKey", arn, step, at))
    return worst(states)


def _asked(
    contract: AccessContract,
    target: Target,
    policy: Prepared,
    action: str,
    resource: str,
    step: str,
    at: datetime | None,
) -> State:
    operation = step if step in (HEAD_BUCKET, LIST_OBJECTS) else ""
    effects = {
        evaluate(policy, scenario.request(contract.principal, action, resource)).effect
        for scenario in request_scenarios(contract, target, action, operation, at=at)
    }
    if effects == {"allowed"}:
        return "holds"
    return "unknown" if "unknown" in effects or "allowed" in effects else "fails"
