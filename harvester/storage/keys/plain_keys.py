"""Plain lists of keys: one whole key a line, or the JSON Lines that a listing prints.

Lines end in LF or CRLF; empty ones, and a byte order mark at the beginning, are passed over. A key that holds a line
break can stand in JSON Lines only.
"""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from harvester.error_codes import ErrorCode
from harvester.errors import IntegrityError, UsageError
from harvester.storage.base import ObjectRef, RefusedObject
from harvester.storage.page_checks import INVALID_KEY, INVALID_SIZE, MAX_SIZE

_LONGEST_LINE = 16_384  # bytes; a key has 1,024, escaped throughout and with its description less than 8,000
_SHOWN = 200
_MARK = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


def plain_entries(path: Path, name: str) -> Iterator[str | ObjectRef | RefusedObject]:
    """Yield the entries of a list, in memory that does not grow with it; ``name`` decides whether it is JSON Lines.

    Raises UsageError for a file that cannot be read, IntegrityError for compressed content that ends early.
    """
    parse = _described if name.removesuffix(".gz").endswith(".jsonl") else _plain
    try:
        with _open(path) as stream:
            yield from _entries(stream, parse)
    except (EOFError, gzip.BadGzipFile) as error:
        raise IntegrityError(
            f"{name} is damaged", cause=str(error), code=ErrorCode.KEY_LIST_DAMAGED, subject=name
        ) from error
    except OSError as error:
        raise UsageError(
            f"cannot read {name}", cause=error.strerror or str(error), code=ErrorCode.FILE_UNREADABLE, subject=name
        ) from error


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        compressed = stream.read(2) == _GZIP
    return cast("IO[bytes]", gzip.open(path)) if compressed else path.open("rb")


def _entries(
    stream: IO[bytes], parse: Callable[[bytes], str | ObjectRef | RefusedObject]
) -> Iterator[str | ObjectRef | RefusedObject]:
    first = True
    while line := stream.readline(_LONGEST_LINE):
        if first:
            line, first = line.removeprefix(_MARK), False
        whole = line.endswith(b"\n") or len(line) < _LONGEST_LINE
        if not whole:
            while (rest := stream.readline(_LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield RefusedObject(_text(line[:_SHOWN]), INVALID_KEY)
            continue
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        if line:
            yield parse(line)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")


def _plain(line: bytes) -> str:
    return _text(line)


def _described(line: bytes) -> str | ObjectRef | RefusedObject:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return RefusedObject(_text(line[:_SHOWN]), INVALID_KEY)
    key = fields.get("key") if isinstance(fields, dict) else None
    if not isinstance(key, str):
        return RefusedObject(_text(line[:_SHOWN]), INVALID_KEY)
    return described_object(
        key, fields.get("size"), fields.get("etag"), fields.get("last_modified"), fields.get("storage_class")
    )


def described_object(
    key: str, size: Any, etag: Any, last_modified: Any, storage_class: Any
) -> str | ObjectRef | RefusedObject:
    """Return an object as a list describes it, or its key alone where the description is not complete.

    ``last_modified`` is text as RFC 3339 has it.
    """
    moment = _moment(last_modified)
    if size is None or not isinstance(etag, str) or not etag or moment is None:
        return key
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= MAX_SIZE:
        return RefusedObject(key, INVALID_SIZE)
    return ObjectRef(key, size, etag, moment, storage_class if isinstance(storage_class, str) else "")


def _moment(text: Any) -> float | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None
