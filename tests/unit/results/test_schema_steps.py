"""The steps of a check are counted without being taken, and a schema of the user's cannot hang a run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.results.record import ContentReason, ContentRefused
from harvester.results.schema_steps import CircularSchema, SchemaSteps
from harvester.results.schema_validation import UserSchema, UserSchemaError

MANY = 10**30
NODE = {"$ref": "#/$defs/node"}
TWICE = {"$defs": {"node": {"anyOf": [{"type": "array", "items": NODE}] * 2}}, **NODE}
"""Doubles the steps with each level of an array."""


def chain(length: int) -> dict[str, Any]:
    """Return a schema without recursion and with 2**length paths to its last subschema."""
    definitions: dict[str, Any] = {
        str(number): {"anyOf": [{"$ref": f"#/$defs/{number + 1}"}] * 2} for number in range(length)
    }
    return {"$defs": {**definitions, str(length): {"type": "integer"}}, "$ref": "#/$defs/0"}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def taken(schema: Any, value: Any, root: Any) -> int:
    """Count the steps by taking them, for the keywords that ``schemas`` draws."""
    if not isinstance(schema, dict):
        return 1
    steps = 1
    if "$ref" in schema:
        steps += taken(root["$defs"]["node"], value, root)
    steps += sum(taken(each, value, root) for each in schema.get("anyOf", ()))
    if "not" in schema:
        steps += taken(schema["not"], value, root)
    if isinstance(value, dict):
        for name, member in value.items():
            if name in schema.get("properties", {}):
                steps += taken(schema["properties"][name], member, root)
            if "additionalProperties" in schema:
                steps += taken(schema["additionalProperties"], member, root)
    if isinstance(value, list):
        for number, element in enumerate(value):
            if number < len(schema.get("prefixItems", ())):
                steps += taken(schema["prefixItems"][number], element, root)
            if "items" in schema:
                steps += taken(schema["items"], element, root)
    return steps


leaves: st.SearchStrategy[Any] = st.sampled_from([True, {}, {"type": "integer"}])
below: st.SearchStrategy[Any] = st.just(NODE) | leaves
schemas: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "properties": st.dictionaries(st.sampled_from("ab"), inner | below, max_size=2),
            "additionalProperties": inner | below,
            "prefixItems": st.lists(inner | below, min_size=1, max_size=2),
            "items": inner | below,
        },
    ),
    max_leaves=6,
)
values: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([1, "x", None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(schemas, values)
def test_as_many_steps_are_counted_as_are_taken(node: Any, value: Any) -> None:
    schema = {"$defs": {"node": node}, **NODE}
    steps = taken(schema, value, schema)
    counter = SchemaSteps(schema)
    assert counter.count(value, MANY) == steps
    assert counter.count(value, steps) == steps
    assert counter.count(value, steps - 1) > steps - 1


@pytest.mark.parametrize(
    ("schema", "value", "steps"),
    [
        (True, [1, 2], 1),
        ({"items": [{}, {}], "additionalItems": {}}, [1, 2, 3], 1 + 2 + 3),
        ({"patternProperties": {"a": {}}, "propertyNames": {}}, {"a": 1, "b": 1}, 3),
        ({"dependentSchemas": {"a": {}}, "if": {}, "then": {}, "else": {}}, {}, 5),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "dependencies": {"a": ["b"], "b": {}}}, {}, 3),
        ({"$defs": {"x": {"$id": "urn:x", "$defs": {"y": {}}, "$ref": "#/$defs/y"}}, "$ref": "#/$defs/x"}, 1, 3),
        (TWICE, nested(2), 1 + 1 + 2 * (1 + 1 + 1 + 2 * (1 + 1 + 1 + 2))),
    ],
)
def test_every_keyword_that_applies_a_schema_counts(schema: Any, value: Any, steps: int) -> None:
    assert SchemaSteps(schema).count(value, MANY) == steps


@pytest.mark.parametrize(
    ("schema", "is_bounded"),
    [(True, True), ({"properties": {"a": {"anyOf": [{}, {}]}}}, True), (chain(8), True), (chain(12), False),
     (TWICE, False), ({"properties": {"next": {"$ref": "#"}}}, False)],
)  # fmt: skip
def test_which_schemas_can_multiply_steps(schema: Any, is_bounded: bool) -> None:
    assert SchemaSteps(schema).is_bounded is is_bounded


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"anyOf": [{"type": "integer"}, {"not": {"$ref": "#"}}]}])
def test_a_schema_that_would_never_end_is_refused(schema: Any) -> None:
    with pytest.raises(CircularSchema):
        SchemaSteps(schema)
    with pytest.raises(UserSchemaError, match="applies itself"):
        UserSchema(json.dumps(schema))


@pytest.mark.parametrize("depth", [12, 30, 40, 400])
@pytest.mark.parametrize("schema", [TWICE, chain(60)])
def test_a_value_that_takes_too_many_steps_is_refused_without_taking_them(schema: Any, depth: int) -> None:
    with pytest.raises(ContentRefused) as caught:
        UserSchema(json.dumps(schema), 1_000).check(json.dumps(nested(depth)).encode())
    assert caught.value.problem.reason is ContentReason.USER_SCHEMA
    assert caught.value.problem.detail == "$.data.parsing: a check against the schema takes more than 1,000 steps"


def test_a_value_just_below_the_limit_is_checked() -> None:
    value = json.dumps([[[]]] * 40).encode()
    steps = SchemaSteps(TWICE).count(json.loads(value), MANY)
    UserSchema(json.dumps(TWICE), steps).check(value)
    with pytest.raises(ContentRefused) as caught:
        UserSchema(json.dumps(TWICE), steps - 1).check(value)
    assert f"more than {steps - 1:,} steps" in caught.value.problem.detail


def test_what_takes_many_steps_is_refused_without_an_explanation() -> None:
    schema = UserSchema(json.dumps(TWICE))
    for depth, detail in ((3, "an array refused by anyOf"), (13, "to find where takes more than 10,000 steps")):
        with pytest.raises(ContentRefused) as caught:
            schema.check(json.dumps(nested(depth)).encode())
        assert detail in caught.value.problem.detail
