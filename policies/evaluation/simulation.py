"""Decide many requests, one a line, each with its policy; the decisions, one a line.

A line is ``{"id", "policy": {…} or […], "principal", "action", "resource", "context": {…}, "unknown":
[…]}``; the answer ``{"id", "effect", "statements": [{"index", "sid"}], "depends_on": […]}``, or ``{"id",
"error"}`` for a line that is broken. Policies that are equal to the letter are read once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from policies.evaluation.decisions import Decision, Request
from policies.evaluation.evaluator import evaluate
from policies.evaluation.prepared import Prepared
from policies.language import PolicyDocument, document, parse_json
from policies.policy_errors import ContractError, PolicyError

_PREPARED = 4096
"""How many compiled policies are cached."""


class _Line(msgspec.Struct):
    policy: msgspec.Raw
    principal: str
    action: str
    resource: str
    id: Any = None
    context: dict[str, Any] = {}
    unknown: list[str] = []


_DECODER = msgspec.json.Decoder(_Line)
_ANY = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()


def simulate_lines(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield for each line that is not blank the answer as JSON, and whether the line could be answered."""
    ready: dict[bytes, Prepared] = {}
    for number, raw in enumerate(lines, start=1):
        line = raw.strip()
        if not line:
            continue
        identity: Any = None
        try:
            given = _DECODER.decode(line)
            identity = given.id
            decision = evaluate(_prepared(given.policy, ready), _request(given))
        except msgspec.MsgspecError as error:
            yield _ENCODER.encode({"id": _identity(line), "error": f"line {number}: {error}"}), False
        except RecursionError:
            # msgspec names no position; the policy's own parser would allow far less.
            yield _ENCODER.encode({"id": None, "error": f"line {number}: nested too deeply"}), False
        except PolicyError as error:
            yield _ENCODER.encode({"id": identity, "error": f"line {number}: {error}"}), False
        else:
            yield _answer(identity, decision), True


def _prepared(policy: msgspec.Raw, ready: dict[bytes, Prepared]) -> Prepared:
    text = bytes(policy)
    known = ready.get(text)
    if known is None:
        if len(ready) >= _PREPARED:
            ready.clear()
        known = ready[text] = Prepared(tuple(_documents(text)))
    return known


def _documents(text: bytes) -> Iterator[PolicyDocument]:
    value = parse_json(text, source="policy")
    for at, each in enumerate(value) if isinstance(value, list) else [(None, value)]:
        yield document(each, kind=_kind(each), source="policy" if at is None else f"policy {at + 1}")


def _kind(value: Any) -> Any:
    # Bindings are not evaluated here; anything else is read by the one grammar S3 and KMS share.
    if isinstance(value, dict) and "bindings" in value and "Statement" not in value:
        raise ContractError("a Cloud Storage policy is not decided by requests", cause="it has bindings, no statements")
    return "s3"


def _request(line: _Line) -> Request:
    for name in ("principal", "action", "resource"):
        if not getattr(line, name):
            raise ContractError(f"an empty {name}")
    return Request(line.principal, line.action, line.resource, line.context, tuple(line.unknown))


def _identity(line: bytes) -> Any:
    """Return the id of an invalid line, where it has one."""
    try:
        value = _ANY.decode(line)
    except msgspec.MsgspecError:
        return None
    return value.get("id") if isinstance(value, dict) else None


def _answer(identity: Any, decision: Decision) -> bytes:
    answer: dict[str, Any] = {
        "id": identity,
        "effect": decision.effect,
        "statements": [{"index": each.index, "sid": each.sid} for each in decision.statements],
        "depends_on": decision.depends_on,
    }
    if decision.reason:
        answer["reason"] = decision.reason
    return _ENCODER.encode(answer)
