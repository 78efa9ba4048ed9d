"""Fast validation of the common case; what it does not accept is decided by `scan`.

One msgspec pass over the bytes checks the syntax and the types that the shapes' schemas require; the long
texts (HTML, Markdown, parsing) are skipped, not built. msgspec checks the syntax of skipped values, but not
their UTF-8, nor the length of numbers, nor (depending on the interpreter) the depth: those are checked here.
"""

from __future__ import annotations

import codecs
import io
import re
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from harvester.results.json_text.json_scanner import MAX_DEPTH, MAX_NUMBER_DIGITS
from harvester.results.record import Shape
from harvester.results.row_batches import RowCount

# A number of more than 4,300 digits covers at least eight of the samples taken every 512 bytes; so many in a row
# may be chance.
_SAMPLE_EVERY: Final = 512
_SAMPLES_OF_A_LONG_NUMBER = re.compile(rb"[-+.0-9eE]{%d,}" % (MAX_NUMBER_DIGITS // _SAMPLE_EVERY)).finditer
_LONG_NUMBER = re.compile(rb"[-+.0-9eE]{%d}" % (MAX_NUMBER_DIGITS + 1)).search
# orjson refuses more than 1,024 levels; with this many around it, a document of more than 1,000.
_ORJSON_MAX_DEPTH: Final = 1024
_WRAPPING = _ORJSON_MAX_DEPTH - MAX_DEPTH

# The smallest row, with its comma, takes 3 bytes here and 24 when decoded.
MAX_ARRAY_BYTES: Final = 4 * 1024**2
"""The longest array that is not scanned."""

_UTF8_PIECE: Final = 64 * 1024

_QUOTE, _OPEN_OBJECT, _CLOSE_OBJECT, _OPEN_ARRAY, _NULL = b'"{}[n'
_FILES_KEY: Final = b'"files"'
_FIRST, _LAST = itemgetter(0), itemgetter(-2)
"""The first byte of a line, and the last one before its end."""


class _Object(msgspec.Struct, gc=False):
    """Any object."""


class _Metadata(msgspec.Struct, gc=False):
    agent: Raw | UnsetType = UNSET


class _Data(msgspec.Struct, gc=False):
    html: Raw | UnsetType = UNSET
    markdown: Raw | UnsetType = UNSET
    parsing: Raw | UnsetType = UNSET
    headers: _Object | None = None


class _Run(msgspec.Struct, gc=False):
    id: str | None = None
    status: str | None = None


class _Document(msgspec.Struct, gc=False):
    """The known keys of all shapes; the types are those of the schemas."""

    url: str | UnsetType | None = UNSET
    task_id: str | UnsetType | None = UNSET
    status: str | UnsetType | None = UNSET
    status_code: float | None = None
    task: _Object | None = None
    data: _Data | UnsetType | None = UNSET
    metadata: _Metadata | None = None
    warnings: Raw | UnsetType = UNSET
    pagination: Raw | UnsetType = UNSET
    files: Raw | UnsetType = UNSET
    run: _Run | UnsetType = UNSET
    output: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _Files(msgspec.Struct, gc=False):
    files: Raw


class QuickParse(NamedTuple):
    """The facts of a document that satisfies the schema of its shape."""

    shape: Shape
    """Its shape."""
    task_id: str | None = None
    """``task_id``."""
    status: str | None = None
    """``status``."""
    agent: Raw | None = None
    """The text of ``metadata.agent``, unless it is absent."""
    parsing: Raw | None = None
    """The text of ``data.parsing``, unless it is absent or null."""
    rows: RowCount | None = None
    """Its rows, if it has rows."""


_DOCUMENT = msgspec.json.Decoder(_Document)
_ROWS = msgspec.json.Decoder(list[_Object])
_ROW = msgspec.json.Decoder(_Object)
_TEXTS = msgspec.json.Decoder(list[Raw])
_FILES = msgspec.json.Decoder(_Files)
_GIVEN_UP = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def quick_parse(content: bytes) -> QuickParse | None:
    """Return the facts of a document, or None if `scan` has to decide."""
    try:
        found, texts = (_rows(content), 0) if content[:1] == b"[" else _object(content)
        _check_utf8(content)
    except _GIVEN_UP:
        return None
    if len(content) - texts > MAX_NUMBER_DIGITS and _may_hold_a_long_number(content):
        return None
    return found


def is_row(text: bytes) -> bool:
    """Return True if a row (valid UTF-8) is a valid object; False if `scan` has to decide."""
    try:
        _ROW.decode(text)
    except _GIVEN_UP:
        return False
    if _may_hold_a_long_number(text):
        return False
    return len(text) <= 2 * MAX_DEPTH or _is_shallow(text)


def good_lines(block: bytes) -> list[bytes] | None:
    """Return the lines of a block of rows, each with its line end, or None if `scan` has to decide on some of them."""
    if b"\r" in block:
        # No string holds a raw carriage return: one is white space, or an error that is found below.
        block = block.replace(b"\r\n", b"\n")
    try:
        rows = len(_ROW.decode_lines(block))
        _check_utf8(block)
    except _GIVEN_UP:
        return None
    if _may_hold_a_long_number(block):
        return None
    # An object a line: } and { never follow one another inside one, so where every line break lies between them, and
    # there are as many lines as objects, none spans two lines and no line holds two. A file splits lines several times
    # as fast as bytes do.
    lines = io.BytesIO(block if block.endswith(b"\n") else block + b"\n").readlines()
    if len(lines) != rows or {*map(_FIRST, lines)} != {_OPEN_OBJECT} or {*map(_LAST, lines)} != {_CLOSE_OBJECT}:
        return None
    # Every level takes two bytes.
    shallow = max(map(len, lines)) <= 2 * MAX_DEPTH or all(map(_is_shallow, lines))
    return lines if shallow else None


def array_rows(content: bytes) -> list[bytes] | None:
    """Return the rows of an array or of a jobs document, or None if `scan` has to decide."""
    if len(content) > MAX_ARRAY_BYTES:
        return None
    found = quick_parse(content)
    if found is None or found.rows is None:
        return None
    array = content if found.shape is Shape.ROWS else bytes(_FILES.decode(content).files)
    return list(map(bytes, _TEXTS.decode(array)))


def _object(content: bytes) -> tuple[QuickParse | None, int]:
    """Return the facts of an object, and how many of its bytes are long texts."""
    document = _DOCUMENT.decode(content)
    data = document.data
    if data is UNSET or data is None:
        found, texts = _without_data(document, content), 0
    else:
        found, texts = _with_data(document, data)
    if found is None or not (
        _has_type(document.warnings, _OPEN_ARRAY) and _has_type(document.pagination, _OPEN_OBJECT, _OPEN_ARRAY)
    ):
        return None, texts
    # Every level takes two bytes.
    shallow = len(content) - texts <= 2 * MAX_DEPTH or _is_shallow(content, data)
    return (found if shallow else None), texts


def _may_hold_a_long_number(content: bytes) -> bool:
    """Return whether a number, or a text that looks like one, may have more digits than allowed."""
    for samples in _SAMPLES_OF_A_LONG_NUMBER(content[::_SAMPLE_EVERY]):
        first, end = samples.span()
        if _LONG_NUMBER(content, max(0, first - 1) * _SAMPLE_EVERY, (end + 1) * _SAMPLE_EVERY):
            return True
    return False


def _check_utf8(content: bytes) -> None:
    """Raise UnicodeDecodeError unless the bytes are UTF-8; in pieces, so that no text as large is built."""
    if content.isascii():
        return
    view = memoryview(content)
    index = 0
    while index < len(view):
        piece = view[index : index + _UTF8_PIECE]
        index += codecs.utf_8_decode(piece, "strict", len(view) - index <= _UTF8_PIECE)[1]


def _with_data(document: _Document, data: _Data) -> tuple[QuickParse | None, int]:
    """Return the facts of an envelope, and how many of its bytes are long texts."""
    html, markdown, parsing = data.html, data.markdown, data.parsing
    if not (_has_type(html, _QUOTE) and _has_type(markdown, _QUOTE) and _has_type(parsing, _OPEN_OBJECT, _OPEN_ARRAY)):
        return None, 0
    has_agent = document.metadata is not None and document.metadata.agent is not UNSET
    texts = (0 if html is UNSET else len(html)) + (0 if markdown is UNSET else len(markdown))
    if has_agent or (parsing is not UNSET and not texts):
        shape = Shape.AGENT
    elif document.status is UNSET and document.task_id is UNSET:
        if document.url is UNSET:
            return None, 0
        shape = Shape.CRAWL_PAGE
    else:
        shape = Shape.EXTRACT
    return _envelope(document, shape, None if parsing is UNSET else parsing), texts


def _without_data(document: _Document, content: bytes) -> QuickParse | None:
    """Return the facts of an object whose ``data`` is absent or null."""
    if document.data is None:
        if document.metadata is not None and document.metadata.agent is not UNSET:
            return _envelope(document, Shape.AGENT)
        if document.status is UNSET and document.task_id is UNSET:
            return None if document.url is UNSET else _envelope(document, Shape.CRAWL_PAGE)
        return _envelope(document, Shape.EXTRACT)
    if document.files is not UNSET:
        files = bytes(document.files)
        rows = _rows(files) if _names_files_once(content, files) else None
        return rows and rows._replace(shape=Shape.JOBS_DOCUMENT)
    if document.run is not UNSET and not (document.output is UNSET and document.error is UNSET):
        if not (
            _has_type(document.output, _OPEN_OBJECT, _OPEN_ARRAY, _QUOTE)
            and _has_type(document.error, _OPEN_OBJECT, _QUOTE)
        ):
            return None
        return QuickParse(Shape.RUN, status=document.run.status)
    return None if document.status is UNSET else _envelope(document, Shape.EXTRACT)


def _names_files_once(content: bytes, files: bytes) -> bool:
    """Return True if the key ``files`` occurs once in a document; False if `scan` has to decide."""
    before, _, after = content.partition(files)
    return before.count(_FILES_KEY) == 1 and _FILES_KEY not in after and b"\\" not in before and b"\\" not in after


def _envelope(document: _Document, shape: Shape, parsing: Raw | None = None) -> QuickParse:
    if parsing is not None and memoryview(parsing)[0] == _NULL:
        parsing = None
    task_id, status = document.task_id, document.status
    agent = UNSET if document.metadata is None else document.metadata.agent
    return QuickParse(
        shape,
        None if task_id is UNSET else task_id,
        None if status is UNSET else status,
        None if agent is UNSET else agent,
        parsing,
    )


def _rows(array: bytes) -> QuickParse | None:
    if len(array) > MAX_ARRAY_BYTES:
        return None
    rows = RowCount()
    rows.good(len(_ROWS.decode(array)))
    return QuickParse(Shape.ROWS, rows=rows) if len(array) <= 2 * MAX_DEPTH or _is_shallow(array) else None


def _has_type(value: Raw | UnsetType, *first: int) -> bool:
    """Return whether a value is absent, null, or starts with one of the given bytes."""
    if value is UNSET:
        return True
    byte = memoryview(value)[0]
    return byte in first or byte == _NULL


def _is_shallow(content: bytes, data: _Data | UnsetType | None = None) -> bool:
    """Return True if valid JSON is nested at most 1,000 levels; False if `scan` has to decide."""
    openings = content.count(b"[") + content.count(b"{")
    if isinstance(data, _Data):
        for text in (data.html, data.markdown):
            if text is not UNSET:
                openings -= bytes(text).count(b"[") + bytes(text).count(b"{")
    if openings <= MAX_DEPTH:
        return True
    import orjson

    try:
        # The content is known to be one JSON value, so nothing in it can close the wrapping early.
        orjson.loads(b"[" * _WRAPPING + content + b"]" * _WRAPPING)
    except ValueError:
        return False
    return True
