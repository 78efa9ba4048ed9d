"""Conditions of Cloud Storage bindings: what is read of CEL, and what is left unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.checks.proof.gcs_conditions import (
    Combination,
    KnownTest,
    NameTest,
    Negation,
    OtherTest,
    TimeTest,
    holds,
    parse_expression,
    single_tests,
    syntax_problem,
)

NAME = "projects/_/buckets/b/objects/nimble/1.json"
AT = datetime(2026, 6, 30, 12, tzinfo=UTC)
STARTS = 'resource.name.startsWith("projects/_/buckets/b/objects/nimble/")'
ELSEWHERE = "resource.name.startsWith('projects/_/buckets/b/objects/other/')"
OBJECT = 'resource.type == "storage.googleapis.com/Object"'
LATER = 'request.time < timestamp("2026-07-01T00:00:00Z")'


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("true", True),
        ("false", False),
        (STARTS, True),
        (ELSEWHERE, False),
        (f'resource.name == "{NAME}"', True),
        (f'resource.name != "{NAME}"', False),
        ('resource.name == "projects/_/buckets/b/objects/nimble/"', False),
        (OBJECT, True),
        ('"storage.googleapis.com/Object" == resource.type', True),
        (f"'{NAME}' != resource.name", False),
        ('resource.type in ["storage.googleapis.com/Object"]', True),
        ('resource.type in ["storage.googleapis.com/Bucket", "storage.googleapis.com/Object"]', True),
        ('resource.type in ["storage.googleapis.com/Bucket"]', False),
        (f'resource.name in ["{NAME}"]', True),
        (f'!(resource.name in ["{NAME}"])', False),
        ('resource.name.startsWith(r"projects/_/buckets/b/objects/nimble/")', True),
        ("resource.name.startsWith(R'projects/_/buckets/b/objects/n\\x')", False),
        ('resource.name.startsWith("""projects/_/buckets/b/objects/nimble/""")', True),
        (f"{STARTS} // those of Nimble", True),
        (f"{'/' * 60}\n// x {'// ' * 60}\n{STARTS}", True),
        ('resource.name.startsWith("""projects/_/buckets/b/\\"objects""")', False),
        (f"// those of Nimble\n{STARTS}\n  // and no others\n && {OBJECT}", True),
        ('resource.name == "http://x"', False),
        ('resource.type != "storage.googleapis.com/Object"', False),
        ('resource.type == "storage.googleapis.com/Bucket"', False),
        ('resource.type != "storage.googleapis.com/Bucket"', True),
        ('resource.service == "storage.googleapis.com"', True),
        ('resource.service == "compute.googleapis.com"', False),
        (f"{OBJECT} && {STARTS}", True),
        (f"{OBJECT}&&{ELSEWHERE}", False),
        (f"{ELSEWHERE} || {STARTS}", True),
        (f"{ELSEWHERE} || {ELSEWHERE}", False),
        # && binds closer than ||.
        (f"{STARTS} || {STARTS} && {ELSEWHERE}", True),
        (f"({STARTS} || {STARTS}) && {ELSEWHERE}", False),
        (f"!{STARTS}", False),
        (f"!!{STARTS}", True),
        (f"!({ELSEWHERE} || {ELSEWHERE})", True),
        (f"(({STARTS}))", True),
        (f"  {STARTS}\n", True),
        (LATER, True),
        ('request.time < timestamp("2026-06-30T12:00:00Z")', False),
        ('request.time <= timestamp("2026-06-30T12:00:00Z")', True),
        ('request.time > timestamp("2026-06-30T12:00:00Z")', False),
        ('request.time >= timestamp("2026-06-30T12:00:00Z")', True),
        ('request.time > timestamp("2026-06-30T13:00:00+02:00")', True),
        ("request.time == timestamp('2026-06-30T12:00:00Z')", True),
        ("timestamp('2026-06-30T12:00:00+00:00') != request.time", False),
        # What decides whatever the rest is.
        (f"{ELSEWHERE} && api.getAttribute('x', []) == []", False),
        (f"{STARTS} || request.auth.claims.x == 1", True),
        # What is not read.
        ("resource.name.endsWith('.json')", True),
        ("resource.type.startsWith('storage.googleapis.com/')", True),
        ("resource.type.endsWith('/Bucket')", False),
        ("resource.service.startsWith('storage')", True),
        (f"{STARTS} && request.time.getHours() < 9", None),
        ("request.time < timestamp('soon')", None),
        ("request.time < timestamp('2026-06-30')", None),
        ("request.time < timestamp('2026-06-30T12:00:00')", None),
        ("request.time < timestamp('0001-01-01T00:00:00+02:00')", None),
        ("request.time < '2026-06-30'", None),
        ("resource.name in x", None),
        ("resource.name in [x]", None),
        ("resource.name in ['a' 'b']", None),
        ("resource.name in []", None),
        ("'x' == 'y'", None),
        ("resource.name == resource.type", None),
        ("other.name == 'x'", None),
        ("resource.other == 'x'", None),
        ('resource.name.startsWith("a\\n")', None),
        ("resource.name.startsWith('a', 'b')", None),
        ("resource.name.startsWith(x)", None),
        (f"!({STARTS} && x)", None),
        # What is no expression.
        ("", None),
        ("&&", None),
        (f"{STARTS} &&", None),
        (f"({STARTS}", None),
        (f"{STARTS})", None),
        ("x ? true : false", None),
        ('"unterminated', None),
        ("#", None),
        ("(" * 200 + "true" + ")" * 200, None),
        ("!" * 200 + "true", None),
    ],
)
def test_the_result_of_an_expression(expression: str, *, result: bool | None) -> None:
    assert holds(parse_expression(expression), NAME, AT) is result


def test_the_end_of_a_name_and_a_time_on_the_left() -> None:
    end = parse_expression("resource.name.endsWith('.json')")
    assert [holds(end, f"{NAME}.json", AT), holds(end, f"{NAME}.jsonl", AT)] == [True, False]
    for comparison, turned in (("<", ">"), ("<=", ">="), (">", "<"), (">=", "<=")):
        stamp = 'timestamp("2026-06-30T00:00:00Z")'
        left, right = f"{stamp} {comparison} request.time", f"request.time {turned} {stamp}"
        assert parse_expression(left) == parse_expression(right)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("", "is empty"),
        (" // nothing", "is empty"),
        ("resource.name.startsWith(", "does not close ("),
        ("resource.name in ['a'", "does not close ["),
        (f"{STARTS})", "closes ) where none is open"),
        (f"({STARTS}]", "closes ] where none is open"),
        ("resource.name == 'a", "has a text that is not closed, or a character that CEL does not have"),
        (f"{STARTS} #", "has a text that is not closed, or a character that CEL does not have"),
        (f"{STARTS} &&", "has nothing beside &&"),
        (f"|| {STARTS}", "has nothing beside ||"),
        ("resource.name ==", "has nothing beside =="),
        (STARTS.replace("sW", "sw"), "calls startswith; startsWith is meant"),
        (STARTS, ""),
        (f"!({STARTS}) && x ? y : [1, 2][0] == {{'a': 1}}.a // )", ""),
        ("resource.matchTag('1/env', 'prod')", ""),
        ("api.getAttribute('storage.googleapis.com/objectListPrefix', '').startsWith('nimble/')", ""),
        ("startswith('x')", ""),
        ('resource.name == """a\\""""', ""),
        (f"{'/' * 60}\n{STARTS} #", "has a text that is not closed, or a character that CEL does not have"),
    ],
)
def test_what_is_certainly_no_expression(expression: str, problem: str) -> None:
    assert syntax_problem(expression) == problem


def test_escapes_are_characters() -> None:
    quoted = parse_expression("resource.name.startsWith('it\\'s \\\\ ')")
    assert holds(quoted, "it's \\ x", AT) is True
    assert holds(quoted, "it's x", AT) is False


def test_without_a_time_a_comparison_with_it_is_unknown() -> None:
    assert holds(parse_expression(LATER), NAME, None) is None
    assert holds(parse_expression(f"{LATER} || {STARTS}"), NAME, None) is True
    assert holds(parse_expression(f"!{LATER}"), NAME, None) is None


def test_what_is_not_read_is_kept_as_text() -> None:
    parsed = parse_expression(f"{STARTS} && !resource . name.extract( 'a . b',1 ) == 'x'")
    others = [each.text for each in single_tests(parsed) if isinstance(each, OtherTest)]
    assert others == ["resource.name.extract('a . b', 1) == 'x'"]
    assert parse_expression("#") == OtherTest("#")
    assert sum(isinstance(each, NameTest) for each in single_tests(parsed)) == 1


_single = st.one_of(
    st.booleans().map(lambda result: ("true" if result else "false", result)),
    st.sampled_from([(STARTS, True), (ELSEWHERE, False), (OBJECT, True), (LATER, True)]),
)


def _join(parts: list[tuple[str, bool]], *, conjunction: bool) -> tuple[str, bool]:
    text = (" && " if conjunction else " || ").join(f"({each})" for each, _ in parts)
    results = [result for _, result in parts]
    return text, all(results) if conjunction else any(results)


_expressions = st.recursive(
    _single,
    lambda inner: st.one_of(
        inner.map(lambda each: (f"!({each[0]})", not each[1])),
        st.tuples(st.lists(inner, min_size=1, max_size=3), st.booleans()).map(
            lambda drawn: _join(drawn[0], conjunction=drawn[1])
        ),
    ),
    max_leaves=8,
)


@given(_expressions)
def test_combined_expressions_have_the_result_of_their_parts(drawn: tuple[str, bool]) -> None:
    assert holds(parse_expression(drawn[0]), NAME, AT) is drawn[1]


@given(st.text('resource.name()&|!" =tru', max_size=30), st.text("&|!()", max_size=6))
def test_any_text_is_an_expression_or_unknown(text: str, more: str) -> None:
    for each in (text, f"{STARTS}{more}{text}", f"{more}{STARTS}"):
        parsed: Any = parse_expression(each)
        assert isinstance(parsed, NameTest | TimeTest | KnownTest | OtherTest | Negation | Combination)
        assert holds(parsed, NAME, AT) in (True, False, None)


@given(st.timedeltas(timedelta(-5), timedelta(5)))
def test_times_are_compared(difference: timedelta) -> None:
    moment = AT + difference
    compared = {
        sign: holds(parse_expression(f'request.time {sign} timestamp("{moment.isoformat()}")'), NAME, AT)
        for sign in ("<", "<=", ">", ">=")
    }
    assert compared == {"<": moment > AT, "<=": moment >= AT, ">": moment < AT, ">=": moment <= AT}


HEAD = "projects/_/buckets/b/objects/"


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("resource.name.extract('/objects/{folder}/') == 'nimble'", True),
        ("resource.name.extract('/objects/{folder}/') == 'nim'", False),
        ("resource.name.extract('/objects/{folder}/') != 'other'", True),
        ("resource.name.extract('/objects/{folder}/') == 'nimble/1.json'", False),
        ("resource.name.extract('buckets/b/objects/{rest}') == 'nimble/1.json'", True),
        ("resource.name.extract('buckets/b/objects/{rest}').startsWith('nimble/')", True),
        ("resource.name.extract('/objects/{folder}/').startsWith('nim')", True),
        ("resource.name.extract('/objects/{folder}/').startsWith('nimble/')", False),
        ("resource.name.extract('buckets/{bucket}/objects') == 'b'", True),
        ("resource.name.extract('buckets/{bucket}/').startsWith('c')", False),
        ("!(resource.name.extract('{x}/') == 'projects')", False),
        ("resource.name.extract('nimble/{x}') == '1.json'", None),
        ("resource.name.extract('/objects/{x}.json') == 'nimble/1'", None),
        ("resource.name.extract('/objects/{x}/{y}') == 'nimble'", None),
        ("resource.name.extract('/objects/{x}/') == ''", None),
        ("resource.name.extract('/objects/') == 'x'", None),
        ("resource.name.extract(x) == 'x'", None),
        ("resource.name.extract('/objects/{x}/')", None),
    ],
)
def test_a_part_of_the_name_is_compared(expression: str, result: bool | None) -> None:
    assert holds(parse_expression(expression, head=HEAD), NAME, AT) is result


@given(
    st.text("ab/", min_size=1, max_size=6),
    st.sampled_from(["", "/"]),
    st.text("ab/", min_size=1, max_size=3),
    st.booleans(),
)
def test_a_part_is_what_extract_returns(key: str, after: str, wanted: str, whole: bool) -> None:
    end = key.find(after) if after else len(key)
    part = key[:end] if end >= 0 else ""
    test = f" == '{wanted}'" if whole else f".startsWith('{wanted}')"
    found = holds(parse_expression(f"resource.name.extract('/objects/{{x}}{after}'){test}", head=HEAD), HEAD + key, AT)
    assert found is (part == wanted if whole else part.startswith(wanted))
