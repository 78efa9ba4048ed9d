"""Read one delivered object: bytes in, record out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import BinaryIO, Literal, NamedTuple

from msgspec import Raw
from xxhash import xxh3_128, xxh3_128_hexdigest

from harvester.extras import PARQUET, is_installed
from harvester.results import sniff
from harvester.results.content_stream import ContentStream
from harvester.results.foreign_content import HEAD_BYTES, foreign_content, is_framed
from harvester.results.gzip_reader import ByteSource, inflate, read_blocks
from harvester.results.json_text import UTF8_MARK, Scanner, fast_path, text_start
from harvester.results.record import (
    MAX_BYTES_IN_MEMORY,
    ContentProblem,
    ContentReason,
    ContentRefused,
    DecodedResult,
    ResultRecord,
    Shape,
)
from harvester.results.result_options import ResultOptions, Validation
from harvester.results.row_batches import RowCount
from harvester.results.row_files import row_formats
from harvester.results.schema_validation import UserSchema, check_shape
from harvester.results.shapes import shape_of

# Faults of the delivery, not of the content: the delivered bytes are kept as they are.
_DELIVERY_FAULTS = frozenset(
    {
        ContentReason.TRUNCATED_GZIP,
        ContentReason.CORRUPT_GZIP,
        ContentReason.GZIP_TRAILING_BYTES,
        ContentReason.NESTED_GZIP,
        ContentReason.GZIP_BOMB,
        ContentReason.TOO_LARGE,
    }
)
_PEEK_BYTES = 1024**2
_MAGIC_BYTES = 64
MAX_LABEL = 200
"""Characters of a task, state or agent that are kept."""


class _Findings(NamedTuple):
    """The facts read from content that is not refused."""

    shape: Shape | None = None
    task_id: str | None = None
    status: str | None = None
    agent: str | None = None
    rows: RowCount | None = None


_NOTHING = _Findings()
_DELIVERIES: dict[tuple[bool, bool], tuple[Literal["gzip", "identity"], bool]] = {
    (False, False): ("identity", False),
    (True, False): ("gzip", False),
    (True, True): ("gzip", True),
}
"""Encoding and inflated flag of the record, by whether the object is compressed and was inflated."""


def _unreported() -> None:
    """Show no progress."""


class ResultReader:
    """Reads delivered objects. Compiles schemas once; keeps no state between objects."""

    def __init__(self, options: ResultOptions) -> None:
        """Compile the schemas. Raises UserSchemaError for a user schema that is not one."""
        self._validation = options.validation
        self._max_content_bytes = options.max_content_bytes
        self._max_ratio = options.max_ratio
        self._keep_compressed = options.keep_compressed
        self._user_schema = (
            UserSchema(options.user_schema, options.max_schema_steps) if options.user_schema is not None else None
        )

    def read(self, body: bytes, key: str) -> DecodedResult:
        """Read an object held in memory: inflate, parse, recognise, validate.

        Every content results in a record, never in an exception. Raises ContentTooLargeForMemory for gzip that
        inflates past `MAX_BYTES_IN_MEMORY`: use `read_file` then.
        """
        compressed = sniff.is_gzip(body)
        landed, inflated = body, False
        findings, problem = _NOTHING, None
        try:
            content = inflate(body, self._max_content_bytes, self._max_ratio) if compressed else body
            if compressed and not self._keep_compressed:
                landed, inflated = content, True
            findings = self._inspect(content, key)
            problem = findings.rows.problem() if findings.rows is not None else None
        except ContentRefused as refused:
            problem = refused.problem
        delivery = _DELIVERIES[compressed, inflated]
        return DecodedResult(landed, _record(findings, problem, delivery, len(landed), xxh3_128_hexdigest(landed)))

    def read_file(
        self, source: BinaryIO, sink: BinaryIO, key: str, show_progress: Callable[[], None] = _unreported
    ) -> ResultRecord:
        """Read an object of any size from a seekable file of its delivered bytes, in bounded memory.

        ``sink`` is an empty file open for writing and reading. If the record is ``inflated``, it holds the
        content to land afterwards; else ``source`` itself is the content, and ``sink`` is discarded.
        ``show_progress`` is called after each batch of rows: a row group of Parquet is decoded long after it was read.
        """
        source.seek(0)
        compressed = sniff.is_gzip(source.read(2))
        source.seek(0)
        inflated = compressed and not self._keep_compressed
        stream = ContentStream(
            source, sink, compressed=compressed, max_content_bytes=self._max_content_bytes, max_ratio=self._max_ratio
        )
        findings, problem = _NOTHING, None
        with stream:
            try:
                try:
                    findings = self._inspect_stream(stream, key, show_progress)
                    problem = findings.rows.problem() if findings.rows is not None else None
                except ContentRefused as refused:
                    if refused.problem.reason in _DELIVERY_FAULTS:
                        raise
                    problem = refused.problem
                stream.drain()
            except ContentRefused as refused:
                findings, problem, inflated = _NOTHING, refused.problem, False
        delivery = _DELIVERIES[compressed, inflated]
        if (compressed and not inflated) or (problem is not None and problem.reason in _DELIVERY_FAULTS):
            return _record(findings, problem, delivery, *_size_and_digest(source))
        return _record(findings, problem, delivery, stream.size, stream.digest())

    def _inspect(self, content: bytes, key: str) -> _Findings:
        """Inspect content held in memory. Raises ContentRefused."""
        if not content:
            raise ContentRefused(ContentReason.EMPTY, "no bytes")
        if len(content) > self._max_content_bytes:
            raise ContentRefused(ContentReason.TOO_LARGE, f"{len(content)} bytes, more than {self._max_content_bytes}")
        if self._validation is Validation.OFF:
            return _NOTHING
        shape = sniff.shape_by_magic_and_name(content[:_MAGIC_BYTES], key)
        if shape is None:
            return self._document(content, key)
        _refuse_foreign(content, shape, key)
        return self._table(shape, io.BytesIO(content), content)

    def _inspect_stream(self, stream: ContentStream, key: str, show_progress: Callable[[], None]) -> _Findings:
        """Inspect streamed content. Raises ContentRefused."""
        head = stream.peek(HEAD_BYTES + 1)
        if not head:
            raise ContentRefused(ContentReason.EMPTY, "no bytes")
        if self._validation is Validation.OFF:
            return _NOTHING
        shape = sniff.shape_by_magic_and_name(head[:_MAGIC_BYTES], key)
        if shape is not None:
            _refuse_foreign(head, shape, key)
            whole = stream.whole() if shape is Shape.PARQUET else stream
            return self._table(shape, whole, head, show_progress)
        head = stream.peek(MAX_BYTES_IN_MEMORY + 1)
        if len(head) <= MAX_BYTES_IN_MEMORY:
            return self._document(head, key)
        _refuse_other_format(head)
        start = text_start(head)
        shape = row_formats.shape_by_content(head[start : start + _PEEK_BYTES], key)
        if shape is not None:
            return self._table(shape, stream, head, show_progress)
        del head
        return self._scan_document(stream, start)

    def _document(self, content: bytes, key: str) -> _Findings:
        """Inspect one JSON document, or a table without a known extension. Raises ContentRefused."""
        start = len(UTF8_MARK) if content.startswith(UTF8_MARK) else 0
        found = fast_path.quick_parse(content[start:] if start else content)
        if found is not None:
            if self._user_schema is not None and found.parsing is not None:
                self._user_schema.check(bytes(found.parsing))
            return _Findings(found.shape, _label(found.task_id), _label(found.status), _agent(found.agent), found.rows)
        _refuse_other_format(content)
        start = text_start(content)
        shape = row_formats.shape_by_content(content[start : start + _PEEK_BYTES], key)
        if shape is not None:
            return self._table(shape, io.BytesIO(content), content)
        return self._scan_document(io.BytesIO(content), start)

    def _scan_document(self, source: ByteSource, start: int) -> _Findings:
        """Inspect one JSON document, from byte ``start``, block by block. Raises ContentRefused."""
        scanner = Scanner(keep_parsing=self._user_schema is not None, start=start)
        for number, block in enumerate(read_blocks(source)):
            text = block if number else _document_text(block, start)
            scanner.feed(text)
        scanner.finish()
        document = scanner.skeleton
        shape = shape_of(document)
        if shape is Shape.JOBS_DOCUMENT and scanner.repeats_files:
            raise ContentRefused(ContentReason.UNKNOWN_SHAPE, "the object names files twice")
        if self._validation is Validation.SCHEMA:
            check_shape(document, shape)
        if shape is Shape.ROWS:
            return _Findings(shape, rows=scanner.rows)
        if shape is Shape.JOBS_DOCUMENT:
            return _Findings(shape, rows=scanner.rows if isinstance(document["files"], list) else None)
        if shape is Shape.RUN:
            run = document["run"]
            return _Findings(shape, status=_label(run.get("status")) if isinstance(run, dict) else None)
        data = document.get("data")
        if self._user_schema is not None and isinstance(data, dict) and data.get("parsing") is not None:
            self._user_schema.check(scanner.parsing or b"null")
        metadata = document.get("metadata")
        agent = _label(metadata.get("agent")) if isinstance(metadata, dict) else None
        return _Findings(shape, _label(document.get("task_id")), _label(document.get("status")), agent)

    def _table(
        self,
        shape: Shape,
        source: BinaryIO | ContentStream,
        head: bytes,
        show_progress: Callable[[], None] = _unreported,
    ) -> _Findings:
        """Inspect a table or media; ``source`` is seekable for Parquet. Raises ContentRefused."""
        if shape is Shape.PARQUET and not is_installed(PARQUET):
            raise ContentRefused(ContentReason.PARQUET_EXTRA_MISSING, "it cannot be read here")
        if shape is Shape.MEDIA:
            return _Findings(shape)
        count = RowCount()
        for batch in row_formats.table_batches(
            shape,
            source,
            head,
            keep_text=False,
            max_content_bytes=self._max_content_bytes,
            max_ratio=self._max_ratio,
            count=count,
        ):
            count.add(batch)
            show_progress()
        return _Findings(shape, rows=count)


def _refuse_foreign(head: bytes, shape: Shape, key: str) -> None:
    """Raise ContentRefused if content is not of the type its extension names."""
    found = foreign_content(head[:HEAD_BYTES], shape, sniff.extension(key), is_whole=len(head) <= HEAD_BYTES)
    if found is not None:
        raise ContentRefused(ContentReason.CONTRADICTS_NAME, f"{found}, under the name of {shape}")


def _refuse_other_format(head: bytes) -> None:
    """Raise ContentRefused for content of a binary format where a document is expected."""
    found = sniff.other_format(head)
    if found is not None:
        raise ContentRefused(ContentReason.UNKNOWN_SHAPE, f"the content is {found}, expected JSON")


def _document_text(block: bytes, start: int) -> bytes:
    """Return the first block of a document from ``start`` on. Raises ContentRefused for markup and framing."""
    if sniff.is_markup(block):
        raise ContentRefused(ContentReason.UNKNOWN_SHAPE, "the content starts with <: HTML or XML, expected JSON")
    if is_framed(block, is_whole=len(block) < HEAD_BYTES):
        raise ContentRefused(ContentReason.UNKNOWN_SHAPE, "the content is still in aws-chunked framing, expected JSON")
    return block[start:] if start else block


def _record(
    findings: _Findings,
    problem: ContentProblem | None,
    delivery: tuple[Literal["gzip", "identity"], bool],
    size: int,
    digest: str,
) -> ResultRecord:
    """Build the record; ``delivery`` is its encoding and whether it was inflated."""
    shape, task_id, status, agent, rows = findings
    if rows is None:
        return ResultRecord(shape, *delivery, size, digest, task_id, status, agent, None, 0, problem)
    return ResultRecord(
        shape, *delivery, size, digest, task_id, status, agent, rows.rows, rows.broken, problem, rows.non_finite
    )


def _label(value: object) -> str | None:
    """Return at most 200 characters of valid Unicode, or None if the value is not text."""
    if not isinstance(value, str):
        return None
    return value[:MAX_LABEL] if value.isascii() else value[:MAX_LABEL].encode("utf-8", "backslashreplace").decode()


def _agent(text: Raw | None) -> str | None:
    """Return the label in the JSON text of ``metadata.agent``, or None if it is no string."""
    if text is None:
        return None
    raw = bytes(text)
    return _label(json.loads(raw)) if raw.startswith(b'"') else None


def _size_and_digest(source: BinaryIO) -> tuple[int, str]:
    source.seek(0)
    digest = xxh3_128()
    size = 0
    for block in read_blocks(source):
        digest.update(block)
        size += len(block)
    return size, digest.hexdigest()
