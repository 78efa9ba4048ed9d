"""Decide one request by resource policies: allowed, explicitly or implicitly denied, or unknown.

The decision is the resource's side alone. A matching Deny wins, else a matching Allow, else the request is
denied implicitly. A key that the request's context does not hold is absent, unless it is named unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from policies.evaluation.decisions import IMPLICITLY_DENIED, Decision, Request, StatementReference, context_value
from policies.evaluation.partial_requests import PartialRequest
from policies.evaluation.prepared import Prepared
from policies.language import PolicyDocument, document

_prepared: WeakKeyDictionary[PolicyDocument, Prepared] = WeakKeyDictionary()


def prepare(documents: PolicyDocument | Sequence[PolicyDocument]) -> Prepared:
    """Compile documents for many requests; several documents are policies of one resource."""
    if not isinstance(documents, PolicyDocument):
        return Prepared(documents)
    known = _prepared.get(documents)
    if known is None:
        known = _prepared[documents] = Prepared((documents,))
    return known


def evaluate(
    policy: Prepared | PolicyDocument | Sequence[PolicyDocument] | Mapping[str, Any], request: Request
) -> Decision:
    """Decide one request by resource policies; also takes a policy that is only parsed as JSON.

    Raises GrammarError for JSON that is no policy, ContractError for an invalid request.
    """
    if not isinstance(policy, Prepared):
        policy = prepare(document(policy) if isinstance(policy, Mapping) else policy)
    context = {key.lower(): context_value(key, value) for key, value in request.context.items()}
    relevant = policy.relevant(request.principal, request.action)
    if request.unknown:
        return PartialRequest(policy, request, context).decide(relevant)

    def lookup(key: str) -> str | None:
        value = context.get(key)
        return value if isinstance(value, str) else None

    allowing: list[StatementReference] = []
    denying: list[StatementReference] = []
    undecided = False
    for compiled, principal in relevant:
        if compiled.matches(request.resource, context, lookup):
            undecided = undecided or principal is not None
            (allowing if compiled.allow else denying).append(compiled.reference)
    if undecided:
        return PartialRequest(policy, request, context).decide(relevant)
    if denying:
        return Decision("explicitly_denied", tuple(denying))
    return Decision("allowed", tuple(allowing)) if allowing else IMPLICITLY_DENIED
