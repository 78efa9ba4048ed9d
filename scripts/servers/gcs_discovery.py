"""Check requests and answers against the discovery document of Cloud Storage's JSON API.

``gcs_discovery.json`` is an excerpt of https://storage.googleapis.com/$discovery/rest?version=v1: the methods that this
program calls, with their parameters, and the schemas of what they return.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from scripts.servers.loopback_server import Request

DOCUMENT: Final[Mapping[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_bytes())
"""The excerpt."""
_INTEGERS: Final = {"int64": range(-(2**63), 2**63), "uint64": range(2**64), "uint32": range(2**32)}


def request_fault(request: Request) -> str:
    """Return why a request is none of the document's; empty if it is one."""
    path = request.target.partition("?")[0]
    methods = [
        method
        for method in DOCUMENT["methods"].values()
        if method["httpMethod"] == request.method and any(_fits(path, template) for template in _paths(method))
    ]
    if not methods:
        return f"no method {request.method} {path}"
    (method,) = methods
    for name, value in request.query.items():
        known = method["parameters"].get(name, DOCUMENT["parameters"].get(name))
        if known is None or known.get("location") != "query":
            return f"{method['id']} has no parameter {name}"
        if not _is_of_type(value, known):
            return f"{name} of {method['id']} is no {known.get('format', known['type'])}: {value}"
    return ""


def resource_fault(resource: Mapping[str, Any], schema: str) -> str:
    """Return why a resource is none of a schema; empty if it is one."""
    properties = DOCUMENT["schemas"][schema]["properties"]
    for name, value in resource.items():
        known = properties.get(name)
        if known is None:
            return f"{schema} has no property {name}"
        nested = known.get("$ref") or known.get("items", {}).get("$ref")
        if nested is not None:
            for each in value if isinstance(value, list) else [value]:
                if fault := resource_fault(each, nested):
                    return fault
        elif not isinstance(value, _TYPES[known["type"]]) or (isinstance(value, str) and not _is_of_type(value, known)):
            return f"{name} of {schema} is no {known.get('format', known['type'])}: {value!r}"
    return ""


_TYPES: Final = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict}


def _paths(method: Mapping[str, Any]) -> list[str]:
    root = f"/{DOCUMENT['servicePath']}"
    paths = [root + method["path"]]
    if "mediaUpload" in method:
        paths.append(method["mediaUpload"]["protocols"]["simple"]["path"])
    if method.get("useMediaDownloadService"):
        paths.append(f"/download{root}{method['path']}")
    return paths


def _fits(path: str, template: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{[a-zA-Z]+\\\}", "[^/]+", re.escape(template)), path) is not None


def _is_of_type(value: str, known: Mapping[str, str]) -> bool:
    if known["type"] == "boolean":
        return value in ("true", "false")
    if known.get("format") in _INTEGERS:
        return re.fullmatch(r"-?\d+", value, re.ASCII) is not None and int(value) in _INTEGERS[known["format"]]
    if known.get("format") == "date-time":
        return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", value, re.ASCII) is not None
    return True
