"""What a bucket may hold in place of a good result, and what becomes of it: one table, for tests and docs."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Literal, NamedTuple

from harvester.results.record import ContentReason, Shape

Outcome = Literal["landed", "landed, rows reported", "quarantined"]


class HostilePayload(NamedTuple):
    """One bad object, decided before any test is written."""

    name: str
    """What it is, in a few words."""
    key: str
    """The key it is delivered under."""
    make: Callable[[], bytes]
    """Makes the delivered bytes."""
    outcome: Outcome
    """What becomes of it."""
    reason: ContentReason | None = None
    """Why, unless it lands without a remark."""
    shape: Shape | None = None
    """As what it lands."""
    detail: str = ""
    """A part of its line in the report."""


_ENVELOPE = b'{"url":"https://e.com","task_id":"7d3c","status":"success","data":{"html":"<p>hi</p>"},"status_code":200}'
_EXTRACT = Shape.EXTRACT
_LANDED: Outcome = "landed"
_REPORTED: Outcome = "landed, rows reported"
_REFUSED: Outcome = "quarantined"


def _gz(content: bytes = _ENVELOPE) -> bytes:
    return gzip.compress(content, mtime=0)


def _with_html(text: bytes) -> bytes:
    return _ENVELOPE.replace(b"<p>hi</p>", text)


def _with_parsing(value: bytes) -> bytes:
    return b'{"status":"success","data":{"parsing":{"value":' + value + b"}}}"


def _flipped(body: bytes, index: int) -> bytes:
    return body[:index] + bytes([body[index] ^ 0x40]) + body[index + 1 :]


def _gzip_of_zeros(megabytes: int) -> bytes:
    sink = io.BytesIO()
    with gzip.GzipFile(fileobj=sink, mode="wb", mtime=0) as packer:
        for _ in range(megabytes):
            packer.write(bytes(1024**2))
    return sink.getvalue()


def _parquet(damage: Callable[[bytes], bytes] = lambda content: content) -> Callable[[], bytes]:
    def make() -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        table = pa.table({"asin": [f"B0{n}" for n in range(100)], "price": [n / 4 for n in range(100)]})
        pq.write_table(table, sink, row_group_size=40, compression="snappy", write_page_checksum=True)
        return damage(sink.getvalue())

    return make


def _columns(names: list[str]) -> Callable[[], bytes]:
    def make() -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        pq.write_table(pa.Table.from_arrays([pa.array([number]) for number in range(len(names))], names=names), sink)
        return sink.getvalue()

    return make


def _latin1_parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    texts = pa.array([b"a", b"caf\xe9", b"c"]).view(pa.string())
    pq.write_table(pa.table({"text": texts}), sink)
    return sink.getvalue()


def _parquet_of_zeros() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    table = pa.table({"zeros": pa.array([0] * 2_000_000, pa.int64())})
    pq.write_table(table, sink, use_dictionary=False, compression="gzip", compression_level=9)
    return sink.getvalue()


def signed_frames(content: bytes) -> bytes:
    """Return content in the framing of aws-chunked uploads with signatures."""
    head, tail = (
        b"%x;chunk-signature=%s\r\n" % (len(content), b"0" * 64),
        b"\r\n0;chunk-signature=%s\r\n\r\n" % (b"1" * 64),
    )
    return head + content + tail


def trailer_frames(content: bytes) -> bytes:
    """Return content in the framing of aws-chunked uploads with a checksum behind it."""
    return b"%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n" % (len(content), content)


def _row(
    name: str, key: str, body: bytes | Callable[[], bytes], outcome: Outcome, *rest: object, **more: object
) -> HostilePayload:
    make = body if callable(body) else lambda: body
    return HostilePayload(name, key, make, outcome, *rest, **more)  # type: ignore[arg-type]


_CSV = b"id,name,price\n1,Ann,3.5\n2,Bob,4\n"
_HTML = b"<!DOCTYPE html>\n<html>\n<head><title>Sign in</title></head>\n<body>\n<h1>Expired</h1>\n</body>\n</html>\n"
_XML_ERROR = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'
_JSON_ERROR = b'{"error": "rate limited", "code": 429}\n'
_FOREIGN = tuple(
    _row(
        f"{what} under .{extension}",
        f"a.{extension}",
        content,
        _REFUSED,
        ContentReason.CONTRADICTS_NAME,
        detail=detail,
    )
    for what, content, detail, extensions in (
        ("HTML", _HTML, "HTML", "csv jsonl parquet png pdf svg"),
        ("an XML error", _XML_ERROR, "XML", "csv jsonl parquet png svg"),
        ("a JSON error", _JSON_ERROR, "JSON", "csv jsonl parquet png"),
        (
            "proxy text",
            b"upstream connect error or disconnect/reset before headers. reset reason: x",
            "proxy",
            "csv jsonl mp4",
        ),
        ("signed aws-chunked framing", signed_frames(_CSV), "aws-chunked", "csv jsonl parquet png"),
        ("aws-chunked framing with a trailer", trailer_frames(_CSV), "aws-chunked", "csv jsonl png"),
        ("zero bytes", bytes(512), "zero", "csv jsonl parquet png"),
        ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(20), "media", "csv jsonl parquet"),
        ("a PDF document", b"%PDF-1.7\n", "media", "csv jsonl parquet"),
        ("an Office document", b"PK\x03\x04" + bytes(40), "zip", "csv jsonl parquet"),
        ("zstd", b"\x28\xb5\x2f\xfd" + bytes(20), "zstd", "csv jsonl parquet"),
    )
    for extension in extensions.split()
)

HOSTILE_PAYLOADS: tuple[HostilePayload, ...] = (
    # the delivery itself
    _row("empty object", "a.json", b"", _REFUSED, ContentReason.EMPTY),
    _row("gzip of nothing", "a.json.gz", lambda: _gz(b""), _REFUSED, ContentReason.EMPTY),
    _row(
        "white space alone",
        "a.json",
        b" \n",
        _REFUSED,
        ContentReason.INVALID_JSON,
        detail="line 2 column 1 (byte 2)",
    ),
    _row("flipped byte in gzip data", "a.json.gz", lambda: _flipped(_gz(), 30), _REFUSED, ContentReason.CORRUPT_GZIP),
    _row(
        "flipped byte in gzip checksum",
        "a.json.gz",
        lambda: _flipped(_gz(), -6),
        _REFUSED,
        ContentReason.CORRUPT_GZIP,
    ),
    _row("flipped byte in gzip length", "a.json.gz", lambda: _flipped(_gz(), -2), _REFUSED, ContentReason.CORRUPT_GZIP),
    _row("truncated gzip", "a.json.gz", lambda: _gz()[:-20], _REFUSED, ContentReason.TRUNCATED_GZIP, detail="member 1"),
    _row("gzip without its trailer", "a.json.gz", lambda: _gz()[:-8], _REFUSED, ContentReason.TRUNCATED_GZIP),
    _row("gzip header alone", "a.json.gz", lambda: _gz()[:10], _REFUSED, ContentReason.TRUNCATED_GZIP),
    _row(
        "multi-member gzip",
        "a.json.gz",
        lambda: _gz(_ENVELOPE[:40]) + _gz(_ENVELOPE[40:]),
        _LANDED,
        None,
        _EXTRACT,
    ),
    _row("the same member twice", "a.json.gz", lambda: _gz() * 2, _REFUSED, ContentReason.TRAILING_BYTES),
    _row(
        "second member truncated",
        "a.json.gz",
        lambda: _gz() + _gz(b" ")[:-4],
        _REFUSED,
        ContentReason.TRUNCATED_GZIP,
        detail="member 2",
    ),
    _row("zero padding after gzip", "a.json.gz", lambda: _gz() + bytes(512), _LANDED, None, _EXTRACT),
    _row("other bytes after gzip", "a.json.gz", lambda: _gz() + b"tail", _REFUSED, ContentReason.GZIP_TRAILING_BYTES),
    _row("gzip in gzip", "a.json.gz", lambda: _gz(_gz()), _REFUSED, ContentReason.NESTED_GZIP),
    _row(
        "gzip bomb by ratio",
        "a.json.gz",
        lambda: _gzip_of_zeros(64),
        _REFUSED,
        ContentReason.GZIP_BOMB,
        detail="200 times",
    ),
    _row("gzip bomb in gzip", "a.json.gz", lambda: _gz(_gzip_of_zeros(64)), _REFUSED, ContentReason.NESTED_GZIP),
    _row("gzip under a plain name", "a.json", _gz, _LANDED, None, _EXTRACT),
    _row("plain under a gzip name", "a.json.gz", _ENVELOPE, _LANDED, None, _EXTRACT),
    # not strict UTF-8 JSON
    _row("short body", "a.json", _ENVELOPE[:-20], _REFUSED, ContentReason.INVALID_JSON, detail="the document ends"),
    _row(
        "trailing bytes",
        "a.json",
        _ENVELOPE + b"x",
        _REFUSED,
        ContentReason.TRAILING_BYTES,
        detail="line 1 column 106 (byte 105)",
    ),
    _row("trailing NUL", "a.json", _ENVELOPE + b"\0", _REFUSED, ContentReason.TRAILING_BYTES),
    _row(
        "HTML with status 200",
        "a.json",
        b"<!DOCTYPE html><html></html>",
        _REFUSED,
        ContentReason.UNKNOWN_SHAPE,
        detail="HTML",
    ),
    _row("plain text", "a.json", b"Service Unavailable", _REFUSED, ContentReason.INVALID_JSON, detail="byte 0"),
    _row(
        "byte order mark",
        "a.json",
        b"\xef\xbb\xbf" + _ENVELOPE,
        _LANDED,
        None,
        _EXTRACT,
    ),
    _row(
        "UTF-16",
        "a.json",
        _ENVELOPE.decode().encode("utf-16"),
        _REFUSED,
        ContentReason.BYTE_ORDER_MARK,
        detail="UTF-16",
    ),
    _row(
        "UTF-16 without a mark",
        "a.json",
        _ENVELOPE.decode().encode("utf-16-le"),
        _REFUSED,
        ContentReason.NOT_UTF8,
        detail="UTF-16",
    ),
    _row("invalid UTF-8", "a.json", _with_html(b"caf\xe9"), _REFUSED, ContentReason.NOT_UTF8, detail="byte 78"),
    _row("surrogates as UTF-8", "a.json", _with_html(b"\xed\xa0\x80"), _REFUSED, ContentReason.NOT_UTF8),
    _row("raw control character", "a.json", _with_html(b"\x01"), _REFUSED, ContentReason.INVALID_JSON),
    _row("NaN", "a.json", _with_parsing(b"NaN"), _REFUSED, ContentReason.INVALID_JSON, detail="byte 47"),
    _row("Infinity", "a.json", _with_parsing(b"-Infinity"), _REFUSED, ContentReason.INVALID_JSON),
    _row("comment", "a.json", _with_parsing(b"/**/1"), _REFUSED, ContentReason.INVALID_JSON),
    _row("trailing comma", "a.json", _with_parsing(b"[1,]"), _REFUSED, ContentReason.INVALID_JSON),
    _row("single quotes", "a.json", _with_parsing(b"'a'"), _REFUSED, ContentReason.INVALID_JSON),
    _row("leading zero", "a.json", _with_parsing(b"007"), _REFUSED, ContentReason.INVALID_JSON),
    _row("1,000 levels", "a.json", lambda: _with_parsing(b"[" * 997 + b"]" * 997), _LANDED, None, Shape.AGENT),
    _row(
        "1,001 levels",
        "a.json",
        lambda: _with_parsing(b"[" * 998 + b"]" * 998),
        _REFUSED,
        ContentReason.TOO_DEEP,
        detail="byte 1044",
    ),
    _row(
        "100,000 levels",
        "a.json",
        lambda: b"[" * 100_000 + b"]" * 100_000,
        _REFUSED,
        ContentReason.TOO_DEEP,
        detail="byte 1000",
    ),
    _row("4,300 digits", "a.json", lambda: _with_parsing(b"9" * 4300), _LANDED, None, Shape.AGENT),
    _row(
        "5,000 digits",
        "a.json",
        lambda: _with_parsing(b"9" * 5000),
        _REFUSED,
        ContentReason.NUMBER_TOO_LONG,
        detail="byte 47",
    ),
    _row(
        "5,000 digits after the point",
        "a.json",
        lambda: _with_parsing(b"0." + b"1" * 5000),
        _REFUSED,
        ContentReason.NUMBER_TOO_LONG,
    ),
    # legal JSON that fast parsers do not love
    _row("lone surrogate escape", "a.json", _with_html(rb"\ud83d cut emoji"), _LANDED, None, _EXTRACT),
    _row("lone surrogate in a key", "a.json", _with_parsing(rb'{"\udc00":1}'), _LANDED, None, Shape.AGENT),
    _row("duplicate keys", "a.json", _with_parsing(b'{"a":1,"a":"two"}'), _LANDED, None, Shape.AGENT),
    _row(
        "duplicate status, the last one good",
        "a.json",
        b'{"status":5,"status":"ok","data":{}}',
        _LANDED,
        None,
        _EXTRACT,
    ),
    _row(
        "duplicate status, the last one bad",
        "a.json",
        b'{"status":"ok","status":5,"data":{}}',
        _REFUSED,
        ContentReason.SCHEMA,
        detail="$.status",
    ),
    _row(
        "integer beyond 64 bits",
        "a.json",
        _with_parsing(b"123456789012345678901234567890"),
        _LANDED,
        None,
        Shape.AGENT,
    ),
    _row("number beyond a double", "a.json", _with_parsing(b"1e999"), _LANDED, None, Shape.AGENT),
    _row("NUL escape", "a.json", _with_html(rb"a\u0000b"), _LANDED, None, _EXTRACT),
    _row(
        "pretty-printed, CRLF",
        "a.json",
        json.dumps(json.loads(_ENVELOPE), indent=1).replace("\n", "\r\n").encode(),
        _LANDED,
        None,
        _EXTRACT,
    ),
    # shapes
    _row("scalar on top", "a.json", b"42", _REFUSED, ContentReason.UNKNOWN_SHAPE, detail="a number"),
    _row("string on top", "a.json", b'"done"', _REFUSED, ContentReason.UNKNOWN_SHAPE, detail="a string"),
    _row("null on top", "a.json", b"null", _REFUSED, ContentReason.UNKNOWN_SHAPE, detail="null"),
    _row("array of objects on top", "a.json", b'[{"a":1},{"a":2}]', _LANDED, None, Shape.ROWS),
    _row("empty array on top", "a.json", b"[]", _LANDED, None, Shape.ROWS),
    _row(
        "array with other rows",
        "a.json",
        b'[{"a":1},7,{"a":2},"x"]',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.ROWS,
        detail="2 of 4 rows broken: row 2",
    ),
    _row("object of no known shape", "a.json", b'{"hello":"world"}', _REFUSED, ContentReason.UNKNOWN_SHAPE),
    _row(
        "envelope of the wrong types",
        "a.json",
        b'{"status":1,"data":"x"}',
        _REFUSED,
        ContentReason.SCHEMA,
        detail="expected",
    ),
    _row(
        "HTML that is a number",
        "a.json",
        b'{"status":"success","data":{"html":1}}',
        _REFUSED,
        ContentReason.SCHEMA,
        detail="$.data.html",
    ),
    _row(
        "parsing that is a string",
        "a.json",
        b'{"status":"success","data":{"parsing":"x"}}',
        _REFUSED,
        ContentReason.SCHEMA,
        detail="$.data.parsing",
    ),
    _row(
        "crawl page without url",
        "a.json",
        b'{"data":{"html":"x"}}',
        _REFUSED,
        ContentReason.SCHEMA,
        detail="missing 'url'",
    ),
    _row(
        "error envelope",
        "a.json",
        b'{"url":"u","task_id":"t","status":"failed","data":null}',
        _LANDED,
        None,
        _EXTRACT,
    ),
    _row("status code as a float", "a.json", _ENVELOPE.replace(b"200", b"200.0"), _LANDED, None, _EXTRACT),
    _row(
        "research run",
        "a.json",
        b'{"run":{"id":"r","status":"completed"},"output":{"type":"json"}}',
        _LANDED,
        None,
        Shape.RUN,
    ),
    # rows
    _row(
        "broken row in JSON Lines",
        "a.jsonl",
        b'{"a":1}\n{"a":\n{"a":3}\n',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.JSONL,
        detail="row 2: invalid_json",
    ),
    _row(
        "row of JSON Lines that is no object",
        "a.jsonl",
        b'{"a":1}\n[2]\n',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.JSONL,
        detail="row 2: an array",
    ),
    _row(
        "row of JSON Lines that is not UTF-8",
        "a.jsonl",
        b'{"a":"\xff"}\n{"a":2}\n',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.JSONL,
        detail="row 1: not_utf8",
    ),
    _row(
        "two rows on one line",
        "a.jsonl",
        b'{"a":1} {"a":2}\n{"a":3}\n',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.JSONL,
        detail="row 1: trailing_bytes",
    ),
    _row(
        "one row on two lines",
        "a.jsonl",
        b'{"a":\n1}\n',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.JSONL,
        detail="2 of 2 rows",
    ),
    _row(
        "rows cut in two and put together",
        "a.jsonl",
        b'{"a":\n1}\n{} {}\n',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.JSONL,
        detail="3 of 3 rows",
    ),
    _row(
        "JSON Lines under a plain name",
        "a.json",
        b'{"a":1}\n{"a":2}\n{"a"\n',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.JSONL,
        detail="row 3",
    ),
    _row(
        "JSON Lines cut short",
        "a.jsonl",
        b'{"a":1}\n{"a":2',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.JSONL,
        detail="row 2",
    ),
    _row(
        "broken row in CSV",
        "a.csv",
        b"a,b\n1,2\n3\n4,5,6\n",
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.CSV,
        detail="row 2: 1 fields, expected 2",
    ),
    _row(
        "row of CSV that is not UTF-8",
        "a.csv",
        b"a,b\n1,\xff\n",
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.CSV,
        detail="row 1: not UTF-8",
    ),
    _row(
        "quote never closed in CSV",
        "a.csv",
        b'a,b\n1,2\n3,"4\n',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.CSV,
        detail="row 2",
    ),
    _row(
        "CSV header with a name twice",
        "a.csv",
        b"a,a\n1,2\n",
        _REFUSED,
        ContentReason.UNREADABLE_CSV,
        detail="twice",
    ),
    _row("CSV of blank lines", "a.csv", b"\n\n", _REFUSED, ContentReason.UNREADABLE_CSV, detail="no header"),
    _row(
        "CSV header that is not UTF-8",
        "a.csv",
        "ä,b\n1,2\n".encode("latin-1"),
        _REFUSED,
        ContentReason.NOT_UTF8,
        detail="header",
    ),
    _row(
        "jobs document with a broken row",
        "a.json",
        b'{"files":[{"a":1},2]}',
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.JOBS_DOCUMENT,
        detail="row 2: a number",
    ),
    _row("jobs document without an array", "a.json", b'{"files":{}}', _REFUSED, ContentReason.SCHEMA, detail="$.files"),
    _row(
        "broken row group in Parquet",
        "a.parquet",
        _parquet(lambda content: _flipped(content, 60)),
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.PARQUET,
        detail="rows 1 to 40",
    ),
    _row(
        "Parquet without its footer",
        "a.parquet",
        _parquet(lambda content: content[:-30]),
        _REFUSED,
        ContentReason.UNREADABLE_PARQUET,
    ),
    _row("Parquet that is something else", "a.parquet", b"PARE1234PARE", _REFUSED, ContentReason.UNREADABLE_PARQUET),
    _row(
        "column named twice in Parquet",
        "a.parquet",
        _columns(["id", "price", "price"]),
        _REFUSED,
        ContentReason.UNREADABLE_PARQUET,
        detail="twice",
    ),
    _row(
        "row of Parquet that is not UTF-8",
        "a.parquet",
        _latin1_parquet,
        _REPORTED,
        ContentReason.BROKEN_ROWS,
        Shape.PARQUET,
        detail="row 2: not UTF-8",
    ),
    _row(
        "Parquet that inflates out of proportion",
        "a.parquet",
        _parquet_of_zeros,
        _REFUSED,
        ContentReason.PARQUET_BOMB,
        detail="200 times",
    ),
    # content that contradicts its name
    *_FOREIGN,
    _row("CSV in UTF-16", "a.csv", "id,name\n1,Ann\n".encode("utf-16-be"), _REFUSED, ContentReason.NOT_UTF8),
    _row(
        "CSV in UTF-16 with its mark",
        "a.csv",
        "id,name\n1,Ann\n".encode("utf-16"),
        _REFUSED,
        ContentReason.BYTE_ORDER_MARK,
    ),
    _row("JSON Lines in UTF-16", "a.jsonl", '{"a":1}\n'.encode("utf-16-le"), _REFUSED, ContentReason.NOT_UTF8),
    _row(
        "JSON Lines after a byte order mark", "a.jsonl", b'\xef\xbb\xbf{"a":1}\n{"a":2}\n', _LANDED, None, Shape.JSONL
    ),
    _row(
        "envelope in aws-chunked framing",
        "a.json",
        signed_frames(_ENVELOPE),
        _REFUSED,
        ContentReason.UNKNOWN_SHAPE,
        detail="aws-chunked",
    ),
    _row(
        "jobs document with its rows twice",
        "a.json",
        b'{"files":[{"a":1}],"files":[{"a":2}]}',
        _REFUSED,
        ContentReason.UNKNOWN_SHAPE,
        detail="twice",
    ),
    _row(
        "research run that failed",
        "a.json",
        b'{"run":{"id":"r","status":"failed"},"error":{"message":"m","ref_id":"e"}}',
        _LANDED,
        None,
        Shape.RUN,
    ),
    _row(
        "pagination as an array",
        "a.json",
        _ENVELOPE.replace(b'"status_code"', b'"pagination":[{"page":1}],"status_code"'),
        _LANDED,
        None,
        _EXTRACT,
    ),
    *(
        _row(
            f"{what} under .json",
            "a.json",
            magic + bytes(40),
            _REFUSED,
            ContentReason.UNKNOWN_SHAPE,
            detail=what,
        )
        for what, magic in (
            ("compressed with zstd", b"\x28\xb5\x2f\xfd"),
            ("compressed with bzip2", b"BZh91AY&SY"),
            ("compressed with xz", b"\xfd7zXZ\x00"),
            ("compressed with zlib", b"x\x9c"),
            ("a zip archive", b"PK\x03\x04"),
            ("an SQLite database", b"SQLite format 3\x00"),
        )
    ),
    # media
    _row("media by its extension", "a.mp4", b"\x00\x01\x02", _LANDED, None, Shape.MEDIA),
    _row("media by its magic bytes", "screenshot", b"\x89PNG\r\n\x1a\nrest", _LANDED, None, Shape.MEDIA),
    _row("empty media", "a.png", b"", _REFUSED, ContentReason.EMPTY),
)
