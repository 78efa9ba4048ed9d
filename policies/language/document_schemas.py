"""The published JSON Schemas (2020-12) of the documents."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from policies.language.documents import DocumentKind
from policies.policy_errors import ContractError

KINDS: tuple[DocumentKind, ...] = ("s3", "kms", "gcs")
"""The kinds of documents that have a schema."""


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of document.

    Raises ContractError for a kind that has none.
    """
    if kind not in KINDS:
        raise ContractError(f"no schema of {kind!r}", cause=f"known are {', '.join(KINDS)}")
    text = files("policies.language").joinpath("schemas", f"{kind}.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(text)
    return value
