"""One request against resource policies: is it allowed, explicitly denied, implicitly denied, or does it
depend?

The verdict is the resource's side alone. A matching Deny wins, else a matching Allow, else the request is
denied implicitly. What the request's context does not hold is not there, unless its key is named unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from policies.evaluation.compiled import (
    IMPLICITLY_DENIED,
    Decision,
    Prepared,
    Request,
    StatementReference,
    context_value,
)
from policies.evaluation.partial import PartialRequest
from policies.language import PolicyDocument, document

_prepared: WeakKeyDictionary[PolicyDocument, Prepared] = WeakKeyDictionary()


def prepare(documents: PolicyDocument | Sequence[PolicyDocument]) -> Prepared:
    """Make documents ready for many requests; several documents are one resource seen through all of them."""
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

    Raises GrammarError for JSON that is no policy, ContractError for a request that cannot be.
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
    for compiled, canonical in relevant:
        if compiled.matches(request.resource, context, lookup):
            undecided = undecided or canonical is not None
            (allowing if compiled.allow else denying).append(compiled.reference)
    if undecided:
        return PartialRequest(policy, request, context).decide(relevant)
    if denying:
        return Decision("explicitly_denied", tuple(denying))
    return Decision("allowed", tuple(allowing)) if allowing else IMPLICITLY_DENIED
