"""Every document that the types of Nimble's SDK allow, and that a bucket can receive, lands."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from harvester.results.record import Shape
from harvester.results.result_options import ResultOptions
from harvester.results.result_reader import ResultReader

READER = ResultReader(ResultOptions())
# Map and search are answered at once and never delivered to a bucket.
DELIVERED = (
    "extract_run_response:ExtractRunResponse",
    "extract.template_run_response:TemplateRunResponse",
    "serp_run_response:SerpRunResponse",
    "media_run_response:MediaRunResponse",
    "fast_serp_run_response:FastSerpRunResponse",
    "agents.run_result_response:RunResultResponse",
)
SAMPLES: dict[Any, list[Any]] = {
    type(None): [None],
    str: ["x"],
    float: [1.5, 200.0],
    int: [3],
    bool: [True],
    dt.datetime: ["2026-09-01T00:00:00.000Z"],
    object: [{"k": 1}, "text", [1], None],
    Any: [{"k": 1}, "text", [1], None],
}


def alternatives(kind: Any) -> list[Any]:
    """Return a value for each alternative of a type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind in SAMPLES:
        return SAMPLES[kind]
    if origin is typing.Literal:
        return list(arguments)
    if origin in (typing.Union, types.UnionType):
        return [value for inner in arguments for value in alternatives(inner)]
    if origin is typing.Annotated:
        return alternatives(arguments[0])
    if origin is list:
        return [[], *([value] for value in alternatives(arguments[0]))]
    if origin is dict:
        return [{}, *({"k": value} for value in alternatives(arguments[1])[:3])]
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return list(documents(kind))
    raise AssertionError(f"a type that no sample is known for: {kind}")


def documents(model: type[BaseModel]) -> Iterator[dict[str, Any]]:
    """Yield documents of a model: the required fields alone, then with each alternative of each field."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    values = {name: alternatives(field.annotation) for name, field in fields.items()}
    base = {
        name: next((value for value in values[name] if value is not None), None)
        for name, field in fields.items()
        if field.is_required()
    }
    yield base
    for name, alternative in values.items():
        for value in alternative:
            yield {**base, name: value}


@pytest.mark.parametrize("name", DELIVERED)
def test_nothing_that_can_be_delivered_is_quarantined(name: str) -> None:
    module, _, model = name.partition(":")
    kind = getattr(importlib.import_module(f"nimble_python.types.{module}"), model)
    found = [json.dumps(document).encode() for document in alternatives(kind)]
    assert len(found) > 100
    refused = {
        (problem.reason, problem.detail)
        for body in found
        if (problem := READER.read(body, "task.json").record.problem) is not None
    }
    assert not refused


def test_a_failed_research_run_has_its_shape_and_status() -> None:
    record = READER.read(b'{"run":{"id":"r","status":"failed"},"error":{"message":"m","ref_id":"e"}}', "a.json").record
    assert (record.shape, record.status, record.problem) == (Shape.RUN, "failed", None)
