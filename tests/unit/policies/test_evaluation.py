"""The order of decisions, bounded work, and agreement with an independent evaluator."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from policies import Request, evaluate
from policies.evaluation.prepared import Prepared
from tests.unit.policies import judge, strategies
from tests.unit.policies.decided_requests import OBJECT, decide, statement
from tests.unit.policies.strategies import NIMBLE


class TestOrder:
    def test_a_deny_wins_over_an_allow(self) -> None:
        decision = decide(statement(Sid="A"), statement("Deny", Sid="D"))
        assert decision.effect == "explicitly_denied"
        assert [(each.index, each.sid) for each in decision.statements] == [(1, "D")]

    def test_an_allow_is_enough(self) -> None:
        decision = decide(statement(Action="s3:GetObject"), statement())
        assert decision.effect == "allowed"
        assert [(each.index, each.sid) for each in decision.statements] == [(1, None)]

    def test_without_either_it_is_denied_implicitly(self) -> None:
        decision = decide(statement(Action="s3:GetObject"))
        assert (decision.effect, decision.statements) == ("implicitly_denied", ())

    def test_several_documents_are_counted_through(self) -> None:
        one, two = (policies.document({"Statement": each}) for each in (statement(), statement("Deny", Sid="D")))
        decision = evaluate([one, two], Request(NIMBLE, "s3:PutObject", OBJECT))
        assert [(each.index, each.sid) for each in decision.statements] == [(1, "D")]


def test_what_is_cached_is_bounded() -> None:
    each = statement(Action="*", Resource="arn:aws:s3:::bkt/${aws:username}")
    prepared = Prepared([policies.document({"Version": "2012-10-17", "Statement": each})], kept=3)
    for number in range(9):
        request = Request(NIMBLE, f"s3:Action{number}", f"arn:aws:s3:::bkt/{number}", unknown=("*",))
        assert evaluate(prepared, request).effect == "unknown"
        assert evaluate(prepared, request).effect == "unknown"
    assert 0 < len(prepared.decisions) <= 3
    assert 0 < len(prepared.candidates) <= 3


@given(
    strategies.policies(),
    st.sampled_from(strategies.PRINCIPALS),
    st.sampled_from(strategies.ACTIONS),
    st.sampled_from(strategies.RESOURCES),
    strategies.contexts(),
)
@settings(max_examples=250)
def test_agrees_with_the_judge(
    policy: dict[str, Any], principal: str, action: str, resource: str, context: dict[str, Any]
) -> None:
    request = Request(principal, action, resource, context)
    assert _agrees(evaluate(policy, request).effect, _judged(policy, request))


@given(
    strategies.policies(3),
    st.sets(st.sampled_from(strategies.KEYS), min_size=1, max_size=2),
    strategies.contexts(),
)
@settings(max_examples=120)
def test_an_unknown_key_is_decided_as_all_its_values_are(
    policy: dict[str, Any], unknown: set[str], context: dict[str, Any]
) -> None:
    known = {key: value for key, value in context.items() if key not in unknown}
    resource = strategies.RESOURCES[1]
    decision = evaluate(policy, Request(NIMBLE, "s3:PutObject", resource, known, tuple(unknown)))
    reached = set[str]()
    names = sorted(unknown)
    for values in itertools.product(*((None, *strategies.VALUES[name]) for name in names)):
        given_values = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        reached |= _judged(policy, Request(NIMBLE, "s3:PutObject", resource, {**known, **given_values}))
    if decision.effect == "unknown":
        # The values drawn reach every region of the conditions drawn, so what decides is reached.
        variable = any("${aws:username" in str(each) for each in policy["Statement"])
        assert decision.bound or variable or {"allowed"} < reached
    else:
        assert _agrees(decision.effect, frozenset(reached))
    assert {key.lower() for key in decision.depends_on} <= {*(key.lower() for key in unknown), "notprincipal"}


def _judged(policy: dict[str, Any], request: Request) -> frozenset[str]:
    context: Any = request.context
    return judge.effects(policy, request.principal, request.action, request.resource, context)


def _agrees(effect: str, judged: frozenset[str]) -> bool:
    if "allowed" in judged and len(judged) > 1:
        return effect == "unknown"
    return effect in judged
