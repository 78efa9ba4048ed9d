"""The shape of a parsed document, by its keys."""

from __future__ import annotations

from typing import Any

from harvester.results.record import ContentReason, ContentRefused, Shape

_PAGE_KEYS = ("html", "markdown")


def shape_of(document: Any) -> Shape:
    """Return the shape of a document. Raises ContentRefused if it is none of Nimble's.

    An array is rows. An object with ``data`` is an envelope: an agent's if it names its agent or holds
    ``parsing`` without a page, a crawl page if it has neither ``status`` nor ``task_id``, else an extract.
    Without ``data``, one with ``files`` is a jobs document, one with ``run`` and ``output`` or ``error`` a
    research run, one with ``status`` an extract.
    """
    if isinstance(document, list):
        return Shape.ROWS
    if not isinstance(document, dict):
        raise ContentRefused(
            ContentReason.UNKNOWN_SHAPE,
            f"the document is {json_type(document)}, expected an object or an array of objects",
        )
    if "data" not in document:
        if "files" in document:
            return Shape.JOBS_DOCUMENT
        if "run" in document and ("output" in document or "error" in document):
            return Shape.RUN
        if "status" not in document:
            raise ContentRefused(
                ContentReason.UNKNOWN_SHAPE,
                "the object has none of the keys data, status, files, run with output or error",
            )
        return Shape.EXTRACT
    data = document["data"]
    metadata = document.get("metadata")
    if isinstance(metadata, dict) and "agent" in metadata:
        return Shape.AGENT
    if isinstance(data, dict) and "parsing" in data and not any(key in data for key in _PAGE_KEYS):
        return Shape.AGENT
    if "status" not in document and "task_id" not in document:
        return Shape.CRAWL_PAGE
    return Shape.EXTRACT


def json_type(value: Any) -> str:
    """Name a value's JSON type."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
