"""One delivered object: bytes in, record out."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, NamedTuple

from xxhash import xxh3_128_hexdigest

from harvester.result import sniff, strict, tables
from harvester.result.inflate import inflate
from harvester.result.record import (
    Decoded,
    Problem,
    Reason,
    Refused,
    ResultOptions,
    ResultRecord,
    Shape,
    Validation,
)
from harvester.result.schema import UserSchema, check_shape
from harvester.result.shapes import ENVELOPES, shape_of

_GZIP_FAULTS = frozenset(
    {
        Reason.TRUNCATED_GZIP,
        Reason.CORRUPT_GZIP,
        Reason.GZIP_TRAILING_BYTES,
        Reason.NESTED_GZIP,
        Reason.GZIP_BOMB,
        Reason.TOO_LARGE,
    }
)


class Findings(NamedTuple):
    """What validation found in good content."""

    shape: Shape | None
    task_id: str | None = None
    status: str | None = None
    rows: tables.RowCount | None = None


class ResultReader:
    """Reads delivered objects. Compiles schemas once; holds no state of the objects it has read."""

    def __init__(self, options: ResultOptions) -> None:
        """Compile the schemas. Raises UserSchemaError for a user schema that is not one."""
        self.options = options
        self._user_schema = UserSchema(options.user_schema) if options.user_schema is not None else None

    def read(self, body: bytes, key: str) -> Decoded:
        """Read an object held in memory: inflate, parse, recognise, validate.

        Never raises for what ``body`` holds, except ContentTooLargeForMemory for gzip that inflates past 64 MiB: then
        `read_file` is to be used.
        """
        compressed = sniff.is_gzip(body[:2])
        try:
            content = inflate(body, self.options.max_content_bytes) if compressed else body
        except Refused as refused:
            return Decoded(
                body,
                self._record(body, Findings(None), refused.problem, compressed=compressed, inflated=False),
            )
        inflated = compressed and not self.options.keep_compressed
        landed = content if inflated or not compressed else body
        try:
            findings = self._inspect(content, key)
            problem = findings.rows.problem() if findings.rows else None
        except Refused as refused:
            findings, problem = Findings(None), refused.problem
        return Decoded(
            landed, self._record(landed, findings, problem, compressed=compressed, inflated=inflated)
        )

    def read_file(self, source: BinaryIO, sink: BinaryIO, key: str) -> ResultRecord:
        """Read an object from a seekable file of delivered bytes, in bounded memory.

        If the record says ``inflated``, the content to land is what was written to ``sink``; else it is ``source``
        itself, and what ``sink`` may hold is to be thrown away.
        """
        source.seek(0)
        body = source.read()
        decoded = self.read(body, key)
        if decoded.record.inflated:
            sink.write(decoded.content)
        return decoded.record

    def _record(
        self, landed: bytes, findings: Findings, problem: Problem | None, *, compressed: bool, inflated: bool
    ) -> ResultRecord:
        rows = findings.rows
        return ResultRecord(
            shape=findings.shape,
            encoding="gzip" if compressed else "identity",
            inflated=inflated,
            size=len(landed),
            digest=xxh3_128_hexdigest(landed),
            task_id=findings.task_id,
            status=findings.status,
            rows=rows.rows if rows else None,
            broken_rows=rows.broken if rows else 0,
            problem=problem,
        )

    def _inspect(self, content: bytes, key: str) -> Findings:
        if not content:
            raise Refused(Reason.EMPTY, "no bytes")
        if len(content) > self.options.max_content_bytes:
            raise Refused(
                Reason.TOO_LARGE, f"{len(content)} bytes, more than {self.options.max_content_bytes}"
            )
        if self.options.validation is Validation.OFF:
            return Findings(None)
        head = content[:64]
        if sniff.is_media(head, key):
            return Findings(Shape.MEDIA)
        if sniff.is_parquet(head, key):
            return Findings(Shape.PARQUET, rows=tables.count_parquet(io.BytesIO(content)))
        if sniff.is_csv_name(key):
            return Findings(Shape.CSV, rows=tables.count_csv(io.BytesIO(content)))
        if sniff.is_json_lines_name(key):
            return Findings(Shape.JSONL, rows=tables.count_json_lines(content.splitlines()))
        return self._document(strict.parse(content))

    def _document(self, document: Any) -> Findings:
        shape = shape_of(document)
        if self.options.validation is Validation.SCHEMA:
            check_shape(document, shape)
        if shape is Shape.ROWS:
            return Findings(shape, rows=tables.count_rows(document))
        if shape is Shape.JOBS_DOCUMENT:
            files = document["files"]
            return Findings(shape, rows=tables.count_rows(files) if isinstance(files, list) else None)
        if shape is Shape.RUN:
            run = document["run"]
            return Findings(shape, status=_text(run.get("status")) if isinstance(run, dict) else None)
        data = document.get("data")
        if (
            self._user_schema
            and shape in ENVELOPES
            and isinstance(data, dict)
            and data.get("parsing") is not None
        ):
            self._user_schema.check(data["parsing"])
        return Findings(shape, _text(document.get("task_id")), _text(document.get("status")))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
