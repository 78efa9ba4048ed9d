"""Check a command's JSON output against its published schema."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

import jsonschema


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads(resources.files("harvester.cli").joinpath("schemas", f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def validate(name: str, document: object) -> None:
    """Raise jsonschema.ValidationError unless the document satisfies the schema of that name."""
    _validator(name).validate(document)
