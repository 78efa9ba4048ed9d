"""Shapes and schemas: three ways to one verdict, on deliveries of every shape and on many mutations."""

from __future__ import annotations

import copy
import io
import json
import socket
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.errors import UsageError
from harvester.results.json_text import fast_path
from harvester.results.json_text.json_scanner import scan
from harvester.results.record import ContentReason, ContentRefused, Shape
from harvester.results.result_options import ResultOptions, Validation
from harvester.results.result_reader import ResultReader
from harvester.results.schema_validation import (
    SHAPES_WITH_SCHEMA,
    CompiledSchema,
    UserSchemaError,
    check_shape,
    shape_schema_text,
)
from harvester.results.shapes import shape_of
from scripts.inputs.deliveries import Author, json_bytes

AUTHOR = Author(7)
ROWS = [AUTHOR.product() for _ in range(3)]
FIXTURES: tuple[Any, ...] = (
    AUTHOR.extract(300, 100),
    AUTHOR.agent(),
    AUTHOR.agent(products=2),
    AUTHOR.entities(),
    AUTHOR.crawl_page(),
    AUTHOR.error(),
    ROWS,
    {"run_id": "r", "files": ROWS},
    {"run": {"id": "r", "status": "completed", "error": None}, "output": {"type": "json", "content": {}}},
)
KEYS = (
    *(
        "url",
        "task_id",
        "status",
        "status_code",
        "task",
        "data",
        "metadata",
        "warnings",
        "pagination",
        "debug",
    ),
    *("files", "run", "output", "html", "markdown", "headers", "parsing", "agent", "id", "links", "other"),
)
SCHEMAS = {shape: json.loads(shape_schema_text(shape)) for shape in SHAPES_WITH_SCHEMA}
VALIDATORS = {shape: jsonschema.Draft202012Validator(schema) for shape, schema in SCHEMAS.items()}
READER = ResultReader(ResultOptions())

scalars: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1.5, 10**30, "", "text", "é", "\ud800", [], {}, [{}], [1], {"parsing": []}]
).map(copy.deepcopy)


@st.composite
def mutations(draw: st.DrawFn) -> Any:
    """A delivery with a few of its values replaced, removed or put where they do not belong."""
    document = json.loads(json.dumps(draw(st.sampled_from(FIXTURES))))
    for _ in range(draw(st.integers(1, 3))):
        place = document
        for _ in range(draw(st.integers(0, 2))):
            inner = [
                value
                for value in (place.values() if isinstance(place, dict) else place)
                if isinstance(value, dict | list) and value
            ]
            if inner:
                place = draw(st.sampled_from(inner))
        if isinstance(place, list):
            place.insert(draw(st.integers(0, len(place))), draw(scalars))
        elif draw(st.booleans()):
            place[draw(st.sampled_from(KEYS))] = draw(scalars)
        elif place:
            del place[draw(st.sampled_from(sorted(place)))]
    return document


def by_reference(document: Any) -> Shape | ContentReason:
    """Return the verdict of the shape rules and jsonschema on the whole document: nothing fast."""
    try:
        shape = shape_of(document)
    except ContentRefused as refused:
        return refused.problem.reason
    return shape if VALIDATORS[shape].is_valid(document) else ContentReason.SCHEMA


def verdict(content: bytes) -> Shape | ContentReason:
    record = READER.read(content, "a.json").record
    in_file = READER.read_file(io.BytesIO(content), io.BytesIO(), "a.json")
    assert in_file == record
    if record.problem is not None and record.problem.quarantine:
        return record.problem.reason
    assert record.shape is not None
    return record.shape


@pytest.mark.parametrize("document", FIXTURES, ids=range(len(FIXTURES)))
def test_every_delivery_satisfies_its_schema_and_takes_the_fast_path(document: Any) -> None:
    content = json_bytes(document)
    expected = by_reference(document)
    assert isinstance(expected, Shape)
    found = fast_path.quick_parse(content)
    assert found is not None
    assert found.shape is expected
    check_shape(scan(content).skeleton, expected)


@pytest.mark.parametrize("number", range(len(FIXTURES)))
def test_every_known_key_with_every_type_in_every_place(number: int) -> None:
    values: tuple[Any, ...] = (None, True, 0, 1.5, "text", [], {}, [{}])
    for place in ("", "data", "metadata", "run"):
        for key in KEYS:
            for value in values:
                document = json.loads(json.dumps(FIXTURES[number]))
                inner = document.setdefault(place, {}) if place and isinstance(document, dict) else document
                if isinstance(inner, dict):
                    inner[key] = value
                    content = json.dumps(document).encode()
                    found = fast_path.quick_parse(content)
                    assert found is None or found.shape == by_reference(document)


@settings(max_examples=400)
@given(mutations(), st.booleans())
def test_every_way_comes_to_the_verdict_of_the_reference(document: Any, ascii_only: bool) -> None:
    try:
        content = json.dumps(document, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        content = json.dumps(document).encode()
    expected = by_reference(document)
    assert verdict(content) == expected

    found = fast_path.quick_parse(content)
    if found is not None:
        assert found.shape == expected
        if isinstance(document, dict) and "data" in document:
            assert found.task_id == document.get("task_id")
            assert found.status == document.get("status")
    if isinstance(expected, Shape) or expected is ContentReason.SCHEMA:
        shape = shape_of(document)
        compiled = CompiledSchema(SCHEMAS[shape])
        for instance in (document, scan(content).skeleton):
            try:
                compiled.check(instance, ContentReason.SCHEMA, "$")
                outcome: Shape | ContentReason = shape
            except ContentRefused as refused:
                outcome = refused.problem.reason
            assert outcome == expected


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(["status", "task_id", "data", "url"]), scalars), max_size=6))
def test_of_duplicate_keys_the_last_decides(members: list[tuple[str, Any]]) -> None:
    content = ("{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in members) + "}").encode()
    assert verdict(content) == by_reference(json.loads(content))


def test_escaped_keys_are_the_keys_they_spell() -> None:
    assert verdict(rb'{"st\u0061tus":5,"data":{}}') is ContentReason.SCHEMA
    assert verdict(rb'{"\u0064ata":{"p\u0061rsing":[]},"status":"x"}') is Shape.AGENT


@pytest.mark.parametrize("shape", SHAPES_WITH_SCHEMA)
def test_schemas_are_schemas_and_state_which(shape: Shape) -> None:
    schema = SCHEMAS[shape]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:nimble-harvester:result:{shape}:v1"
    with pytest.raises(KeyError):
        shape_schema_text(Shape.MEDIA)


# -- the user's own schema

PRICES = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": ["object", "array"],
    "items": {"$ref": "#/$defs/product"},
    "$defs": {
        "product": {
            "type": "object",
            "required": ["price"],
            "properties": {
                "price": {"type": "number", "minimum": 1},
                "asin": {"type": "string", "pattern": "^B0[0-9]+$", "minLength": 4},
                "currency": {"enum": ["EUR", "USD"]},
                "url": {"format": "uri"},
                "images": {"type": "array", "uniqueItems": True, "maxItems": 3},
            },
        }
    },
    "if": {"type": "object"},
    "then": {"$ref": "#/$defs/product"},
}
PRICES_READER = ResultReader(ResultOptions(user_schema=json.dumps(PRICES)))

prices = st.fixed_dictionaries(
    {},
    optional={
        "price": st.sampled_from([5, 1.0, 0.5, 10**30, "5", None, True]),
        "asin": st.sampled_from(["B0123", "B0", "X", 5, "B0é", "\ud800"]),
        "currency": st.sampled_from(["EUR", "eur", None]),
        "url": st.sampled_from(["https://e.com", "no uri", 5]),
        "images": st.lists(st.sampled_from(["a", "b", 1, 1.0, True]), max_size=4),
    },
)


@settings(max_examples=400)
@given(prices | st.lists(prices, max_size=3) | st.none())
def test_the_users_schema_decides_as_the_reference_does(parsing: Any) -> None:
    content = json.dumps({"status": "success", "data": {"parsing": parsing}}).encode()
    record = PRICES_READER.read(content, "a.json").record
    expected = parsing is None or jsonschema.Draft202012Validator(PRICES).is_valid(parsing)
    assert (record.problem is None) == expected
    if record.problem is not None:
        assert record.problem.reason is ContentReason.USER_SCHEMA
        assert record.problem.detail.startswith("$.data.parsing")


def user_refusal(schema: object, parsing: object) -> str:
    reader = ResultReader(ResultOptions(user_schema=json.dumps(schema)))
    problem = reader.read(json.dumps({"status": "x", "data": {"parsing": parsing}}).encode(), "a.json").record.problem
    assert problem is not None
    assert problem.reason is ContentReason.USER_SCHEMA
    return problem.detail


def test_a_refusal_names_path_type_and_schema_path_but_no_value() -> None:
    schema = {
        "type": "object",
        "properties": {"price": {"type": "number"}, "name": {"enum": ["a"]}},
        "required": ["sku"],
    }
    assert user_refusal(schema, {"price": "secret", "sku": 1}) == (
        "$.data.parsing.price: expected number, found a string (schema #/properties/price/type)"
    )
    assert user_refusal(schema, {"name": "secret", "sku": 1}) == (
        "$.data.parsing.name: a string refused by enum (schema #/properties/name/enum)"
    )
    assert user_refusal(schema, {}) == "$.data.parsing: missing 'sku' (schema #/required)"


def test_the_users_schema_leaves_other_shapes_and_absent_parsing_alone() -> None:
    reader = ResultReader(ResultOptions(user_schema="false"))
    for content in (
        b'{"status":"failed","data":null}',
        b'{"status":"x","data":{"html":"y"}}',
        b'[{"parsing":1}]',
    ):
        assert reader.read(content, "a.json").record.problem is None
    assert reader.read(b'{"status":"x","data":{"parsing":{}}}', "a.json").record.problem is not None


@pytest.mark.parametrize("validation", [Validation.SHAPE, Validation.SCHEMA])
def test_the_users_schema_holds_on_the_slow_path_too(validation: Validation) -> None:
    reader = ResultReader(ResultOptions(user_schema='{"required":["price"]}', validation=validation))
    slow = rb'{"status":"x","data":{"html":"\ud800","parsing":%b}}'
    assert reader.read(slow % b'{"price":1}', "a.json").record.problem is None
    problem = reader.read(slow % b"{}", "a.json").record.problem
    assert problem is not None
    assert problem.reason is ContentReason.USER_SCHEMA


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "not JSON"),
        ("[]", "an array"),
        ('{"type": "nonsense"}', "not a JSON Schema: #/type"),
        ('{"$ref": "#/$defs/missing"}', r"\$ref"),
        ('{"$ref": "https://example.com/schema.json"}', r"\$ref"),
        ('{"properties": {"a": {"$ref": "file:///etc/passwd"}}}', r"\$ref"),
        ('{"$ref": "other.json"}', r"\$ref"),
    ],
)
def test_what_is_no_usable_schema_is_refused_at_the_start(text: str, what: str) -> None:
    with pytest.raises(UserSchemaError, match=what) as caught:
        ResultReader(ResultOptions(user_schema=text))
    assert isinstance(caught.value, UsageError)
    assert isinstance(caught.value, ValueError)


def test_a_remote_reference_opens_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/schema.json"
        with pytest.raises(UserSchemaError, match=r"\$ref"):
            ResultReader(ResultOptions(user_schema=json.dumps({"properties": {"a": {"$ref": address}}})))
        with pytest.raises(TimeoutError):
            server.accept()


def test_references_into_the_schema_itself_and_its_meta_schema_work() -> None:
    own = {
        "$id": "https://example.com/mine.json",
        "$defs": {"a": {"type": "integer"}},
        "additionalProperties": {"$ref": "#/$defs/a"},
    }
    assert "expected integer" in user_refusal(own, {"x": "y"})
    meta = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    assert "type" in user_refusal(meta, {"type": 5})


def test_other_drafts_are_what_they_state() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "items": [{"type": "string"}],
        "additionalItems": False,
    }
    assert "additionalItems" in user_refusal(schema, ["a", 1])


def test_what_the_schema_cannot_be_run_on_is_reported() -> None:
    schema = {"$ref": "#/$defs/tree", "$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}, "type": "array"}}}
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    reader = ResultReader(ResultOptions(user_schema=json.dumps(schema)))
    record = reader.read(b'{"status":"x","data":{"parsing":' + json.dumps(deep).encode() + b"}}", "a.json").record
    assert record.problem is None or record.problem.reason is ContentReason.USER_SCHEMA


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"properties": {"name": {"pattern": r"^(\w+\s?)*$"}}}, "pattern"),
        ({"properties": {"name": {"pattern": r"^(?=(\w+\s?)*$)."}}}, "pattern"),
        ({"patternProperties": {r"^(n+)*me$": True}, "additionalProperties": False}, "additionalProperties"),
        ({"properties": {"name": {"anyOf": [{"pattern": r"^(a|aa)+$"}, {"type": "null"}]}}}, "anyOf"),
    ],
)
def test_no_pattern_takes_long_on_any_text(schema: dict[str, Any], keyword: str) -> None:
    name = "a" * 5_000 + "!"
    refusal = user_refusal(schema, {"name": name, "n" * 5_000: 1})
    assert refusal.endswith(f"/{keyword})")
    assert name not in refusal


def test_of_a_combination_the_deepest_refusal_is_named() -> None:
    product = {"type": "object", "properties": {"price": {"type": "number"}}}
    refusal = user_refusal({"anyOf": [product, {"type": "null"}]}, {"price": "5"})
    assert refusal.startswith("$.data.parsing.price: expected number, found a string")


def test_all_missing_keys_are_named() -> None:
    assert (
        user_refusal({"required": ["a", "b", "c"]}, {"b": 1}) == "$.data.parsing: missing 'a', 'c' (schema #/required)"
    )


@pytest.mark.parametrize("pattern", [r"(?P<a>x)(?P=a)", r"x\Z", "("])
def test_a_pattern_that_is_not_supported_is_refused_at_the_start(pattern: str) -> None:
    with pytest.raises(UserSchemaError):
        ResultReader(ResultOptions(user_schema=json.dumps({"pattern": pattern})))


def test_a_schema_of_an_unknown_dialect_is_taken_for_the_newest() -> None:
    assert "integer" in user_refusal({"$schema": "https://example.com/dialect", "items": {"type": "integer"}}, ["x"])


def test_lone_surrogates_are_checked_as_one_character() -> None:
    reader = ResultReader(ResultOptions(user_schema='{"items":{"maxLength":1}}'))
    body = rb'{"status":"x","data":{"parsing":["%b"]}}'
    assert reader.read(body % rb"\ud800", "a.json").record.problem is None
    assert reader.read(body % rb"\ud800\ud800", "a.json").record.problem is not None
