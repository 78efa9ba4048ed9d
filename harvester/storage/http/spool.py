"""A large body written to a file: as it arrives, resumed after a broken transfer where that is safe.

A transfer is resumed only with a strong validator (ETag or generation) and a known total, and the answer is appended
only when its validator, its total and the start of its range equal those of the first answer. Everything else starts
again with an empty file, so that two versions never end up in one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from harvester.storage.base import Arrival
from harvester.storage.http.checksums import Checksum
from harvester.storage.http.http_client import parse_headers
from harvester.storage.spool_files import new_spool_file

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})").fullmatch
_UNSTATED_LENGTH_ALLOWANCE = 16 * 1024 * 1024

StatedChecksum = Callable[[Mapping[str, str]], Checksum | None]
Validator = Callable[[Mapping[str, str]], str]


class Spool:
    """Takes the answers to the requests for one object until its file is complete."""

    def __init__(
        self,
        directory: str,
        stated: StatedChecksum,
        validator: Validator,
        *,
        size: int,
        error_bytes: int,
        arrival: Arrival | None = None,
    ) -> None:
        """Write into ``directory``; ``stated`` and ``validator`` read an answer's headers; ``arrival`` follows.

        ``size`` is the listed length: an answer that states none may have twice as much and 16 MiB.
        """
        self._arrival = arrival
        self._directory = directory
        self._lines: list[bytes] = []
        self._stated = stated
        self._validator = validator
        self._unstated_limit = 2 * size + _UNSTATED_LENGTH_ALLOWANCE
        self._error_bytes = error_bytes
        self._descriptor = -1
        self._checksum: Checksum | None = None
        self._taking: bool | None = None
        self._start = 0
        self._total: int | None = None
        self.path: str | None = None
        self.written = 0
        """Bytes in the file."""
        self.received = 0
        """Bytes taken so far, those of files that were started again included."""
        self.headers: Mapping[str, str] = {}
        """Headers of the answer the file was started with."""
        self.error_body = bytearray()
        """The start of a body that belongs to an error."""
        self.failure: OSError | None = None
        """Why the file could not be written."""
        self.exceeded = False
        """Whether an answer without a length had more bytes than allowed."""

    def resumption(self) -> tuple[int, str]:
        """Return the first byte to ask for and the validator to ask with; 0 and nothing to start again."""
        validator = self._validator(self.headers)
        if not validator or self._total is None or not 0 < self.written < self._total:
            return 0, ""
        return self.written, validator

    def expect_answer(self, lines: list[bytes], start: int) -> None:
        """Prepare for the answer to a request from byte ``start``; curl fills ``lines`` before the first byte."""
        self._lines = lines
        self._start = start
        self._taking = None
        self.error_body.clear()

    def write(self, data: bytes) -> int:
        """Take bytes from curl; returns how many were taken, fewer to break the transfer off."""
        if self._taking is None:
            self._begin()
        if self.failure is not None:
            return 0
        if not self._taking:
            self.error_body += data[: max(0, self._error_bytes - len(self.error_body))]
            return len(data)
        if self._total is None and self.written + len(data) > self._unstated_limit:
            self.exceeded = True
            return 0
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self.failure = error
            return 0
        if self._checksum is not None:
            self._checksum.update(data)
        self.written += len(data)
        self.received += len(data)
        if self._arrival is not None:
            self._arrival.grown(self.written)
        return len(data)

    def finish(self, headers: Mapping[str, str]) -> Checksum | None:
        """Close the file; returns the checksum of its bytes, None where the store states none."""
        if self.path is None:  # an empty body never called write
            self._restart(headers)
        self._close()
        return self._checksum

    def release(self) -> str:
        """Hand the file over to the caller."""
        path = self.path
        assert path is not None  # noqa: S101  # finish() came before
        self.path = None
        return path

    def discard(self) -> None:
        """Remove the file, to start again."""
        self._close()
        if self.path is not None:
            if self._arrival is not None:
                self._arrival.abandoned()
            Path(self.path).unlink(missing_ok=True)
            self.path = None
        self.written = 0
        self.headers = {}
        self._total = None

    def _begin(self) -> None:
        status, headers = parse_headers(self._lines)
        self._taking = status == 200 or (status == 206 and self._continues(headers))
        if status == 200:
            self._restart(headers)
        elif status == 206 and not self._taking:
            self.discard()

    def _continues(self, headers: Mapping[str, str]) -> bool:
        """Return whether a 206 is the rest of exactly the version whose start is in the file."""
        part = _CONTENT_RANGE(headers.get("content-range", ""))
        if part is None or not self._start:
            return False
        first, last, total = map(int, part.groups())
        validator = self._validator(headers)
        return (
            first == self._start == self.written
            and total == self._total
            and last == total - 1
            and bool(validator)
            and validator == self._validator(self.headers)
        )

    def _restart(self, headers: Mapping[str, str]) -> None:
        self.discard()
        self.headers = headers
        self._total = stated_length(headers)
        self._checksum = self._stated(headers)
        try:
            self._descriptor, self.path = new_spool_file(self._directory)
        except OSError as error:
            self.failure = error
            return
        if self._arrival is not None:
            self._arrival.began(self._descriptor)

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def stated_length(headers: Mapping[str, str]) -> int | None:
    """Return an answer's Content-Length, None where there is none or it cannot be read."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None
