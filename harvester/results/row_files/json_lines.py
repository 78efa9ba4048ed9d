"""JSON Lines: each line is one strict JSON object; a blank line is no row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from harvester.results.gzip_reader import CHUNK_BYTES, ByteSource
from harvester.results.json_text import Scanner, fast_path, scan
from harvester.results.record import ContentRefused
from harvester.results.row_batches import MAX_ROW_BYTES, BrokenRows, RowBatch
from harvester.results.shapes import json_type

_WHITE_SPACE: Final = b" \t\r\n"
_LONG_LINE: Final = 4 * CHUNK_BYTES


def json_line_batches(source: ByteSource, *, keep_text: bool) -> Iterator[RowBatch]:
    """Yield the rows of JSON Lines.

    Without ``keep_text`` rows are to be counted only: their texts may be empty or have a line end.
    """
    for block in _whole_lines(source):
        if isinstance(block, bytes):
            lines = fast_path.good_lines(block)
            if lines is None:
                yield from map(line_batch, filter(None, (line.strip(_WHITE_SPACE) for line in block.split(b"\n"))))
            else:
                yield [line[:-1] for line in lines] if keep_text else lines
        else:
            yield _long_line_batch(block, keep_text=keep_text)


def line_batch(line: bytes) -> RowBatch:
    """Return a line, without white space around it, as a row."""
    with suppress(UnicodeDecodeError):
        if (line.isascii() or line.decode()) and fast_path.is_row(line):
            return [line]
    try:
        fault = _type_fault(scan(line).skeleton)
    except ContentRefused as refused:
        fault = f"{refused.problem.reason}, {refused.problem.detail}"
    return [line] if fault is None else BrokenRows(1, fault)


def _type_fault(value: Any) -> str | None:
    return None if isinstance(value, dict) else f"{json_type(value)}, expected an object"


def _long_line_batch(parts: Iterator[bytes], *, keep_text: bool) -> RowBatch:
    """Return a line that comes in parts as a row; all parts are read."""
    scanner = Scanner()
    kept: list[bytes] = []
    size = 0
    fault: str | None = None
    try:
        for part in parts:
            size += len(part)
            if size > MAX_ROW_BYTES:
                fault = f"longer than {MAX_ROW_BYTES} bytes"
                break
            scanner.feed(part)
            if keep_text:
                kept.append(part)
        else:
            scanner.finish()
            fault = _type_fault(scanner.skeleton)
    except ContentRefused as refused:
        fault = f"{refused.problem.reason}, {refused.problem.detail}"
    for _ in parts:
        pass
    return BrokenRows(1, fault) if fault is not None else [b"".join(kept).strip(_WHITE_SPACE)]


def _whole_lines(source: ByteSource) -> Iterator[bytes | Iterator[bytes]]:
    """Yield blocks of whole lines; a line too long for a block is yielded as its parts."""
    pending = b""
    while block := source.read(CHUNK_BYTES):
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((pending, memoryview(block)[:end]))
            pending = block[end:]
        else:
            pending += block
        if len(pending) > _LONG_LINE:
            line = _LongLine(pending, source)
            yield iter(line)
            pending = line.rest
    if pending:
        yield pending


class _LongLine:
    """One line, in parts; what was read past its end is the rest."""

    def __init__(self, start: bytes, source: ByteSource) -> None:
        self.start = start
        self.source = source
        self.rest = b""

    def __iter__(self) -> Iterator[bytes]:
        yield self.start
        while block := self.source.read(CHUNK_BYTES):
            line, end, rest = block.partition(b"\n")
            yield line
            if end:
                self.rest = rest
                return
