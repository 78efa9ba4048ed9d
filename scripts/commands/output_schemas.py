"""Check a command's JSON output against its published schema."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

import jsonschema

# Checking takes time; a document of more bytes is one of many objects of the same form.
_LONGEST = 300_000


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads(resources.files("harvester.cli").joinpath("schemas", f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def validate_outputs(out: str, err: str) -> None:
    """Validate what names its schema on standard output, and the log of JSON lines on standard error.

    A document, or a line of JSON Lines, that is an event of another schema has separate tests.
    """
    if out.startswith("{") and len(out) <= _LONGEST:
        for document in _documents(out):
            named = str(document.get("schema", "")).startswith("urn:nimble-harvester:")
            if document.get("type") in ("verdict", "finding", "summary"):
                validate("policy-check-line", document)
            elif named and "event" not in document:
                validate(document["schema"].split(":")[2], document)
    if err.startswith('{"time": '):
        for line in err.splitlines():
            validate("log-line", json.loads(line))


def _documents(text: str) -> list[dict[str, Any]]:
    try:
        return [json.loads(text)]
    except ValueError:
        return [found for found in map(_document, text.splitlines()) if found is not None]


def _document(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def validate(name: str, document: object) -> None:
    """Raise jsonschema.ValidationError unless the document satisfies the schema of that name."""
    _validator(name).validate(document)
