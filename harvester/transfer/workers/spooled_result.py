"""Decode an object whose delivered bytes lie in a temporary file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import xxhash

from harvester.results import ResultReader, ResultRecord

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer


class DecodedFile(NamedTuple):
    """What decoding a file of delivered bytes came to."""

    name: str
    """The temporary file of the inflated content."""
    mtime_ns: int
    """Its modification time in nanoseconds."""
    record: ResultRecord
    """What was found."""


def decode_file(
    reader: ResultReader, source: io.RawIOBase, name: str, sink: BinaryIO, key: str, show_progress: Callable[[], None]
) -> DecodedFile:
    """Decode delivered bytes into the temporary file ``name``, open as ``sink``; close both. Raises OSError."""
    with io.BufferedReader(source) as delivered, sink:
        record = reader.read_file(delivered, sink, key, show_progress)
        return DecodedFile(name, os.fstat(sink.fileno()).st_mtime_ns, record)


class ReportingFile(io.FileIO):
    """A file whose reader reports progress: decoding a big file takes longer than a worker may be silent."""

    def __init__(self, path: str, show_progress: Callable[[], None]) -> None:
        """Read ``path``; call ``show_progress`` at each read. Raises OSError."""
        super().__init__(path, "rb")
        self._show_progress = show_progress

    def readinto(self, buffer: Buffer, /) -> int:
        """Read into a buffer."""
        self._show_progress()
        return super().readinto(buffer) or 0


def digest_of(file: io.RawIOBase) -> str:
    """Return the xxh3_128 of a file from where it is, in hexadecimal."""
    digest = xxhash.xxh3_128()
    while chunk := file.read(1024 * 1024):
        digest.update(chunk)
    return digest.hexdigest()
