"""The tables of an export and their columns: one row of a result as one row of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from harvester.results import Shape

ROW_COLUMNS: Final = (
    *("position", "seq", "row_index", "key", "version", "task_id", "source", "dest_id", "sync_run", "landed_at"),
    *("delivered_at", "shape", "agent", "tag", "status", "url", "parsing", "html", "markdown", "rest"),
)
"""The columns of every table, in order; typed columns follow."""
OBJECT_COLUMNS: Final = (
    *("seq", "key", "version", "task_id", "source", "dest_id", "sync_run", "landed_at", "delivered_at", "shape"),
)
"""The columns that all rows of an object share, in the order of `ObjectFacts`."""
JSON_COLUMNS: Final = ("parsing", "rest")
"""Columns whose text is JSON."""
DROPPABLE: Final = ("html", "markdown", "parsing", "rest")
"""Columns that can be left out."""

DELIVERED, RESCUED, PURGED = "delivered", "rescued", "purged"


class TableName(StrEnum):
    """One table for each family of shapes."""

    ENVELOPES = "envelopes"
    """A row for each envelope: extract, agent and crawl page."""
    JOB_ROWS = "job_rows"
    """A row for each row of a jobs file."""
    RUN_DOCUMENTS = "run_documents"
    """A row for each research run."""


SHAPES: Final[Mapping[TableName, tuple[Shape, ...]]] = {
    TableName.ENVELOPES: (Shape.EXTRACT, Shape.AGENT, Shape.CRAWL_PAGE),
    TableName.JOB_ROWS: (Shape.JOBS_DOCUMENT, Shape.ROWS, Shape.JSONL, Shape.CSV, Shape.PARQUET),
    TableName.RUN_DOCUMENTS: (Shape.RUN,),
}
"""The shapes of each table."""


class ObjectFacts(NamedTuple):
    """What the rows of one object have in common."""

    seq: int
    """Sequence number."""
    key: str
    """Key, or ``nimble-task:ID`` for a rescued result."""
    version: str
    """Version of the object."""
    task_id: str | None
    """The task it belongs to."""
    source: str
    """``delivered``, ``rescued``, or ``purged`` for a tombstone."""
    dest_id: str
    """Id of the destination."""
    sync_run: int
    """The sync run that landed it; 0 for a tombstone."""
    landed_at: float
    """When it landed, or was purged, seconds since the epoch."""
    delivered_at: float | None
    """When it was written, by the store's clock, seconds since the epoch; None for a tombstone."""
    shape: str | None
    """Its shape; None for a tombstone."""


class RowFields(NamedTuple):
    """What the text of a row itself holds. Texts of JSON are as written."""

    agent: str | None = None
    tag: str | None = None
    status: str | None = None
    url: str | None = None
    parsing: bytes | None = None
    html: str | None = None
    markdown: str | None = None
    rest: bytes | None = None


class _Row(msgspec.Struct, gc=False):
    url: Any = None


_ROW: Final = msgspec.json.Decoder(_Row)
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_FAILED: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def split_row(text: bytes, table: TableName) -> RowFields:
    """Split the text of a row into the fields of its table."""
    if table is TableName.JOB_ROWS:
        return RowFields(None, None, None, _url(text), text)
    members = _members(text)
    if members is None:
        # Text that msgspec refuses, such as a key with a lone surrogate: nothing is taken out of it.
        return RowFields(rest=text)
    if table is TableName.RUN_DOCUMENTS:
        parsing = _take(members, "output")
        run = _members(members.get("run", b"null"))
        return RowFields(status=_string(run, "status"), parsing=parsing, rest=_joined(members))
    metadata = _members(members.get("metadata", b"null"))
    status, url = _string(members, "status"), _string(members, "url")
    agent, tag = _string(metadata, "agent"), _string(metadata, "tag")
    parsing = html = markdown = None
    data = _members(members.get("data", b"null"))
    if data is not None:
        parsing = _take(data, "parsing")
        html, markdown = _take_text(data, "html"), _take_text(data, "markdown")
        members["data"] = _joined(data)
    return RowFields(agent, tag, status, url, parsing, html, markdown, _joined(members))


def split_columns(texts: Sequence[bytes | None], table: TableName) -> dict[str, Sequence[Any]]:
    """Split the texts of rows as `split_row` does; return columns by name, without those that are NULL in every row.

    None is a row without content.
    """
    if table is TableName.JOB_ROWS:
        urls = [None if text is None else _url(text) for text in texts]
        return {"url": urls, "parsing": texts} if any(urls) else {"parsing": texts}
    nothing = RowFields()
    fields = [nothing if text is None else split_row(text, table) for text in texts]
    return dict(zip(RowFields._fields, zip(*fields, strict=True), strict=True))


def _url(text: bytes) -> str | None:
    """Return ``url`` of a row of a jobs file."""
    try:
        value = _ROW.decode(text).url
    except _FAILED:
        return None
    return value if isinstance(value, str) else None


def _members(text: bytes) -> dict[str, bytes] | None:
    """Return the members of an object; None for any other value, and for what msgspec refuses."""
    if not text.startswith(b"{"):
        return None
    try:
        return {name: bytes(value) for name, value in _OBJECT.decode(text).items()}
    except _FAILED:
        return None


def _joined(members: dict[str, bytes]) -> bytes:
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + value for name, value in members.items()) + b"}"


def _take(members: dict[str, bytes], name: str) -> bytes | None:
    """Take a member out; null stays."""
    return members.pop(name) if members.get(name, b"null") != b"null" else None


def _take_text(members: dict[str, bytes], name: str) -> str | None:
    """Take a text out; what is no text, or holds a lone surrogate, stays."""
    text = _string(members, name)
    if text is not None:
        del members[name]
    return text


def _string(members: dict[str, bytes] | None, name: str) -> str | None:
    value = None if members is None else members.get(name)
    if value is None or not value.startswith(b'"'):
        return None
    try:
        return _TEXT.decode(value)
    except _FAILED:
        return None
