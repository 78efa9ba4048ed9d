"""The chips that Nimble's Test Connection would show, as far as the documents decide them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from policies.checks.proof import HEAD_BUCKET, LIST_OBJECTS, VerdictState, request_scenarios, resource_arn, worst
from policies.contracts import AccessContract, Chip, Target, facts
from policies.evaluation import Prepared, evaluate, prepare
from policies.language import PolicyDocument

_PUT_OBJECT = "put_object"
_MAY_BE_EMPTY = "or, as long as nothing is under the prefix: "
_SCOPES: dict[str, Sequence[str]] = {"read": ("input", "prefix"), "write": ("output", "prefix")}


@dataclass(frozen=True, slots=True)
class ChipForecast:
    """What Nimble's Test Connection would show, as far as the documents decide it."""

    access: str
    """``read`` or ``write``."""
    chip: Chip | None
    """The chip; None when it is not decided."""
    note: str
    """What else is to be known; may be empty."""


def forecast_chips(
    contract: AccessContract,
    target: Target,
    policy: PolicyDocument | None,
    key_policy: PolicyDocument | None = None,
    *,
    at: datetime | None = None,
) -> Iterator[ChipForecast]:
    """Yield the chip that Test Connection would show for reading, and for writing."""
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


def _step(
    contract: AccessContract,
    target: Target,
    policy: Prepared,
    key: Prepared | None,
    step: str,
    scope: str,
    at: datetime | None,
) -> VerdictState:
    if step != _PUT_OBJECT:
        return _decided(contract, target, policy, "s3:ListBucket", target.bucket_arn, step, at)
    probe = f"{target.bucket_arn}/{target.prefixes[scope]}{facts().test_connection.probe_name}"
    states = [_decided(contract, target, policy, "s3:PutObject", probe, step, at)]
    if key is not None:
        arn = str(resource_arn(target, "key", key))
        states.append(_decided(contract, target, key, "kms:GenerateDataKey", arn, step, at))
    return worst(states)


def _decided(
    contract: AccessContract,
    target: Target,
    policy: Prepared,
    action: str,
    resource: str,
    step: str,
    at: datetime | None,
) -> VerdictState:
    operation = step if step in (HEAD_BUCKET, LIST_OBJECTS) else ""
    effects = {
        evaluate(policy, scenario.request(contract.principal, action, resource)).effect
        for scenario in request_scenarios(contract, target, action, operation, at=at)
    }
    if effects == {"allowed"}:
        return "holds"
    return "unknown" if "unknown" in effects or "allowed" in effects else "fails"
