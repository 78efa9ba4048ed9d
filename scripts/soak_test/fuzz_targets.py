"""The parsers that are fuzzed: what each must hold for every input, and inputs to start from."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_plus
from xml.etree.ElementTree import ParseError, fromstring

import msgspec

from harvester.destination.manifest.database import UnreadableRow
from harvester.destination.manifest.row_checks import checked_row
from harvester.destination.manifest.row_types import LandedRow
from harvester.errors import IntegrityError
from harvester.events.http.webhook_app import task_of
from harvester.events.queue.bucket_events import BucketNotification, parse_gcs_message, parse_s3_message
from harvester.nimble_api.decoding import (
    UnexpectedShape,
    decode_batch,
    decode_batch_summary,
    decode_run,
    decode_task_answer,
    error_text,
    is_id,
)
from harvester.nimble_api.responses import ApiResponse
from harvester.results.json_text.json_scanner import scan
from harvester.results.record import ContentReason, ContentRefused, Shape
from harvester.results.row_batches import BrokenRows, RowBatch
from harvester.results.row_files.csv_rows import csv_batches
from harvester.results.row_files.json_lines import json_line_batches
from harvester.storage.gcs.json_api import parse_gcs_page
from harvester.storage.gcs.json_api import service_error_from as gcs_error_from
from harvester.storage.http.http_client import Response
from harvester.storage.page_checks import MAX_SIZE, ParsedPage
from harvester.storage.s3.list_page import parse_common_prefixes, parse_page
from harvester.storage.s3.rest_api import parse_error
from scripts.inputs.announcements import s3_event


class Violation(Exception):
    """A parser that does not hold what it must."""


class Target(NamedTuple):
    """A parser under fuzzing."""

    name: str
    """Its name on the command line."""
    check: Callable[[bytes], None]
    """Raises Violation, or whatever the parser must not raise."""
    seeds: tuple[bytes, ...]
    """Valid inputs."""
    words: tuple[bytes, ...]
    """Pieces that mean something to the parser."""


def _require(condition: object, message: str) -> None:
    if not condition:
        raise Violation(message)


def _page(parse: Callable[[bytes], ParsedPage], body: bytes) -> ParsedPage | None:
    try:
        page = parse(body)
    except ValueError:
        return None
    for ref in page.objects:
        _require(0 <= ref.size <= MAX_SIZE, f"size {ref.size}")
        _require(isinstance(ref.etag, str), "no ETag")
    return page


def _s3_page(body: bytes) -> None:
    page = _page(parse_page, body)
    # The same document to an XML parser; the fast path takes none with a comment.
    slow = _page(parse_page, body + b"<!---->")
    _require(page == slow, f"the fast path differs: {page} and {slow}")
    parse_common_prefixes(body)


def _gcs_page(body: bytes) -> None:
    _page(parse_gcs_page, body)


def _s3_error(body: bytes) -> None:
    found = parse_error(body)
    try:
        root = fromstring(body)  # what the parser under test refuses is not compared
    except (ParseError, LookupError, ValueError):
        _require(not any(found), f"reads what is no XML: {found}")
        return
    for text, name in ((found.code, "Code"), (found.message, "Message")):
        # Names of other namespaces count too.
        named = [each for each in root.iter() if each.tag.rpartition("}")[2] == name]
        stated = {"".join(each.itertext()).strip() for each in named} | {(each.text or "").strip() for each in named}
        _require(not text or text.strip() in stated, f"invents {text!r}")


def _gcs_error(body: bytes) -> None:
    found = gcs_error_from(Response(403, {}, body), "objects.get", anonymous=False)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    error = document.get("error") if isinstance(document, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    errors = error.get("errors") if isinstance(error, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    reason = first.get("reason") if isinstance(first, dict) else None
    _require(found.message in ("", message), f"invents the message {found.message!r}")
    _require(found.code in ("403", reason), f"invents the reason {found.code!r}")
    found.sentence()


def _api(body: bytes) -> None:
    answer = ApiResponse(200, {}, body)
    value = answer.json()
    for decode in (decode_task_answer, decode_batch, decode_batch_summary, decode_run):
        try:
            found = decode(value)
        except UnexpectedShape:
            continue
        _require(is_id(found.id), "no id")
        # Texts that UTF-8 cannot hold raise here.
        json.dumps(dataclasses.asdict(found), default=str, ensure_ascii=False).encode()
    text = error_text(value)
    _require(text is None or len(text) <= 8192, "a message without a bound")


def _notification(found: BucketNotification) -> None:
    for each in found.announced:
        each.key.encode()
        _require(each.bucket and each.key, "an object without bucket or key")
        _require(each.size is None or 0 <= each.size <= MAX_SIZE, f"size {each.size}")
    _require(found.announced or found.others or found.unreadable, "a message that means nothing")


def _s3_message(body: bytes) -> None:
    found = parse_s3_message(body.decode("utf-8", "surrogateescape"))
    _notification(found)
    try:
        records = json.loads(body)["Records"]
        expected = [_plain_announcement(each) for each in records]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if not found.unreadable and None not in expected:
        announced = [(each.bucket, each.key) for each in found.announced]
        _require(announced == expected, f"announces {announced} instead of {expected}")


def _plain_announcement(record: Any) -> tuple[str, str] | None:
    """Return bucket and key of an S3 record in its documented form, None for any other."""
    if record["eventSource"] != "aws:s3" or not record["eventName"].startswith("ObjectCreated:"):
        return None
    return record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])


def _gcs_message(body: bytes) -> None:
    parts = body.decode("utf-8", "surrogateescape").split("\n")
    names = ("eventType", "bucketId", "objectId", "objectGeneration", "payloadFormat", "eventTime")
    _notification(parse_gcs_message(dict(zip(names, parts, strict=False)), "\n".join(parts[len(names) :])))


def _webhook(body: bytes) -> None:
    try:
        task = task_of(body)
    except ValueError:
        return
    _require(task is None or is_id(task), f"not an id: {task!r}")
    try:
        stated = msgspec.json.decode(body)["task"]["id"]
    except (msgspec.DecodeError, KeyError, TypeError, IndexError, RecursionError, UnicodeError):
        return
    _require(task == stated or not is_id(stated), f"the id is {stated!r}, found {task!r}")


_ROW_TYPES: tuple[type | tuple[type, ...], ...] = (
    str, str, int, (int, float), str, int, int, str, int, int, (int, float), (str, type(None)), str, (str, type(None)),
    (str, type(None)), (int, type(None)), str, int, int, (str, type(None)), (int, float, type(None)), (str, type(None)),
    (int, type(None)),
)  # fmt: skip
_ROW = LandedRow(
    "p/a", "etag", 10, 1.5, "a.json", 30, 7, "digest", 1, 1, 2.5, "extract", "gzip", "t", "success", None,
    "delivered", 0, 0,
)  # fmt: skip


def _manifest_row(body: bytes) -> None:
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return
    if not isinstance(values, list) or len(values) != len(LandedRow._fields):
        return
    try:
        accepted = checked_row(LandedRow, tuple(values)) is not None
    except (UnreadableRow, IntegrityError):
        accepted = False
    right = all(
        isinstance(value, types) and not isinstance(value, bool)
        for value, types in zip(values, _ROW_TYPES, strict=True)
    )
    if right:
        path = str(values[4])
        parts = path.split("/")
        right = (
            not {"", ".", ".."} & set(parts)
            and parts[0] != ".nimble-harvester"
            and "\0" not in path
            and min(values[2], values[5], values[8], values[15] or 0, values[22] or 0) >= 0
            and values[11] in {None, *(shape.value for shape in Shape)}
            and math.isfinite(values[3] + values[10])
        )
    _require(accepted == right, f"accepted {accepted}, right {right}")


# What the scanner refuses and json.loads accepts.
_STRICTER = {
    ContentReason.TOO_DEEP,
    ContentReason.NUMBER_TOO_LONG,
    ContentReason.BYTE_ORDER_MARK,
    ContentReason.NOT_UTF8,
    ContentReason.EMPTY,
}


def _refuse_constant(text: str) -> Any:
    raise ValueError(text)


def _json_document(body: bytes) -> None:
    try:
        json.loads(body.decode("utf-8", "strict"), parse_constant=_refuse_constant)
        valid = True
    except (ValueError, RecursionError):
        valid = False
    try:
        scan(body)
    except ContentRefused as refused:
        reason = refused.problem.reason
        _require(not valid or reason in _STRICTER, f"refuses valid JSON: {refused.problem}")
        return
    _require(valid, "accepts what is no JSON")


class _Pieces(io.BytesIO):
    """A source that answers a read with few bytes."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 7) if size is not None and size > 0 else size)


def _count(batches: Callable[[], Any]) -> tuple[int, int] | ContentReason:
    good = broken = 0
    try:
        batch: RowBatch
        for batch in batches():
            if isinstance(batch, BrokenRows):
                broken += batch.rows
            else:
                good += len(batch)
    except ContentRefused as refused:
        return refused.problem.reason
    return good, broken


def _json_lines(body: bytes) -> None:
    whole = _count(lambda: json_line_batches(io.BytesIO(body), keep_text=False))
    read = _count(lambda: json_line_batches(io.BytesIO(body), keep_text=True))
    pieces = _count(lambda: json_line_batches(_Pieces(body), keep_text=True))
    _require(whole == read == pieces, f"counted {whole}, read {read}, in pieces {pieces}")


def _csv(body: bytes) -> None:
    counted = _count(lambda: csv_batches(io.BytesIO(body), keep_text=False))
    read = _count(lambda: csv_batches(io.BytesIO(body), keep_text=True))
    _require(counted == read, f"counted {counted}, read {read}")


_S3_PAGE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    b"<Name>b</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
    b"<NextContinuationToken>t</NextContinuationToken>"
    b"<Contents><Key>r/a%20b.json</Key><LastModified>2026-01-24T12:36:24.000Z</LastModified>"
    b"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>10</Size><StorageClass>STANDARD</StorageClass>"
    b"</Contents><Contents><Key>r/b.json</Key><LastModified>2026-01-24T12:36:24.000Z</LastModified>"
    b"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e-2&quot;</ETag><Size>11</Size><StorageClass>STANDARD</StorageClass>"
    b"</Contents><CommonPrefixes><Prefix>r/c/</Prefix></CommonPrefixes></ListBucketResult>"
)
_GCS_PAGE = json.dumps(
    {
        "nextPageToken": "t",
        "items": [{"name": "r/a", "size": "10", "generation": "7", "updated": "2026-01-24T12:36:24.685Z"}],
        "prefixes": ["r/c/"],
    }
).encode()
_ERROR = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>R</RequestId></Error>"
_GCS_ERROR = (
    b'{"error": {"code": 403, "message": "no access", "errors": [{"message": "no access", "reason": "forbidden"}]}}'
)
_EVENT = json.dumps(s3_event("bucket", "in/a+b%20c", "d41d8cd98f00b204e9800998ecf8427e", 10)).encode()
_SNS = json.dumps(
    {"Type": "Notification", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": _EVENT.decode()}
).encode()
_EVENTBRIDGE = json.dumps(
    {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "time": "2026-01-24T12:36:24Z",
        "detail": {"bucket": {"name": "bucket"}, "object": {"key": "in/a", "size": 10, "etag": "e"}},
    }
).encode()
_GCS_MESSAGE = b'OBJECT_FINALIZE\nbucket\nin/a\n7\nJSON_API_V1\n2026-01-24T12:36:24Z\n{"size": "10"}'
_DOCUMENT = '{"a": [1, -2.5e3, true, null, "\\u00e9\\ud83d\\ude00 é\\n"], "b": {"c": {}}, "d": [[]]}'.encode()
_TASK = b'{"task": {"id": "t1", "state": "success", "created_at": "2026-01-24T12:36:24Z", "output_url": "s3://b/k"}}'
_BATCH = b'{"id": "b1", "completed": true, "completed_count": 2, "progress": 1.0, "tasks": [null, "t1", {"id": "t2"}]}'
_RUN = (
    b'{"id": "r1", "status": "SUCCESS", "summary": {"result_count": 5, "match_rate": 0.5}, "error": {"message": "x"}}'
)
_JSON_WORDS = (
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b",",
    b":",
    b"\\u",
    b"\\ud800",
    b"null",
    b"NaN",
    b"-0",
    b"1e999",
    b"\xff",
    b"0" * 40,
)
_XML_WORDS = (
    b"<",
    b">",
    b"&amp;",
    b"&#0;",
    b"&lt;",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"%00",
    b"%ff",
    b"<Size>",
    b"-1",
    b"9" * 20,
)

TARGETS = (
    Target("s3-page", _s3_page, (_S3_PAGE,), (*_XML_WORDS, b"<Contents>", b"</Contents>", b"<Key>")),
    Target("gcs-page", _gcs_page, (_GCS_PAGE,), _JSON_WORDS),
    Target("s3-error", _s3_error, (_ERROR,), (*_XML_WORDS, b"<Code>", b"</Code>")),
    Target("gcs-error", _gcs_error, (_GCS_ERROR,), (*_JSON_WORDS, b'"errors"', b'"reason"', b'"message"')),
    Target(
        "manifest-row",
        _manifest_row,
        (json.dumps(_ROW).encode(),),
        (*_JSON_WORDS, b'"../x"', b'".nimble-harvester/x"', b"1.5", b"-1", b"true", b'"jsonl"'),
    ),
    Target("s3-message", _s3_message, (_EVENT, _SNS, _EVENTBRIDGE), (*_JSON_WORDS, b"%ff", b"+", b"%25")),
    Target("gcs-message", _gcs_message, (_GCS_MESSAGE,), (*_JSON_WORDS, b"\n", b"OBJECT_DELETE")),
    Target(
        "webhook",
        _webhook,
        (b'{"task": {"id": "0b9d6a1e-1b1a-4b1e-8b1a-0b9d6a1e1b1a", "state": "success"}}',),
        _JSON_WORDS,
    ),
    Target("api", _api, (_TASK, _BATCH, _RUN), (*_JSON_WORDS, b"9999-12-31T23:59:59Z", b"http://[", b"9" * 400)),
    Target("json", _json_document, (_DOCUMENT,), _JSON_WORDS),
    Target(
        "json-lines",
        _json_lines,
        (b'{"a": 1}\n{"b": "c"}\n\n[1]\n', _DOCUMENT + b"\n" + _DOCUMENT),
        (*_JSON_WORDS, b"\n", b"\r\n"),
    ),
    Target(
        "csv", _csv, (b'a,b\n1,2\n"x\ny",""""\n',), (b",", b'"', b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf")
    ),
)
