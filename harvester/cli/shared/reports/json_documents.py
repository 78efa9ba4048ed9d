"""JSON as the command line prints it: documents of the lower packages, with next steps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from harvester.error_codes import ErrorCode

OutputFormat = Literal["table", "json", "jsonl"]
"""The values of ``--format``."""


def published(value: Any) -> Any:
    """Return a document with the next step of every error in place of its parameters.

    An error is an object with ``code`` and ``parameters``, as `HarvesterError.as_document` returns it.
    """
    if isinstance(value, Mapping):
        document = {name: published(each) for name, each in value.items()}
        if "code" in value and "parameters" in value:
            # Loaded by documents that hold an error.
            from harvester.cli.shared.next_steps import step_for

            code = value["code"]
            step = step_for(ErrorCode(code), value.get("subject", ""), value["parameters"]) if code else ""
            document["next_step"] = step
            del document["parameters"]
        return document
    if isinstance(value, list | tuple):
        return [published(each) for each in value]
    return value


def json_text(document: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return the JSON text of a document as it is published."""
    return json.dumps(published(document), indent=indent, ensure_ascii=False)
