"""A big body on its way to a file: written as it arrives, continued after a broken transfer."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from harvester.storage.http.checksums import Checksum
from harvester.storage.http.http_client import parse_headers

_ERROR_BODY_KEPT = 64 * 1024

StatedChecksum = Callable[[Mapping[str, str]], Checksum | None]


class Spool:
    """Takes the answers to the requests for one object until its file is whole."""

    def __init__(self, directory: str, stated: StatedChecksum) -> None:
        """Write into ``directory``; ``stated`` finds the checksum among an answer's headers."""
        self._directory = directory
        self._lines: list[bytes] = []
        self._stated = stated
        self._descriptor = -1
        self._checksum: Checksum | None = None
        self._taking: bool | None = None
        self.path: str | None = None
        self.written = 0
        """Bytes in the file."""
        self.received = 0
        """Bytes taken so far, those of files that were begun anew included."""
        self.headers: Mapping[str, str] = {}
        """Headers of the answer the file was begun with."""
        self.error_body = bytearray()
        """The start of a body that belongs to an error."""
        self.failure: OSError | None = None
        """Why the file could not be written."""

    def expect_answer(self, lines: list[bytes]) -> None:
        """Make ready for the next answer, whose header lines curl puts into ``lines`` before the first byte."""
        self._lines = lines
        self._taking = None
        self.error_body.clear()

    def write(self, data: bytes) -> int:
        """Take bytes from curl; returns how many were taken, fewer to break the transfer off."""
        if self._taking is None:
            self._begin()
        if self.failure is not None:
            return 0
        if not self._taking:
            self.error_body += data[: _ERROR_BODY_KEPT - len(self.error_body)]
            return len(data)
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
        return len(data)

    def finish(self, headers: Mapping[str, str]) -> str:
        """Close the file; returns what is wrong with its bytes, empty when nothing is."""
        if self.path is None:  # an empty body never called write
            self._restart(headers)
        self._close()
        return self._checksum.mismatch() if self._checksum is not None else ""

    def release(self) -> str:
        """Hand the file over to the caller."""
        path = self.path
        assert path is not None  # noqa: S101  # finish() came before
        self.path = None
        return path

    def discard(self) -> None:
        """Remove the file, to begin anew."""
        self._close()
        if self.path is not None:
            Path(self.path).unlink(missing_ok=True)
            self.path = None
        self.written = 0
        self.headers = {}

    def _begin(self) -> None:
        status, headers = parse_headers(self._lines)
        self._taking = status in {200, 206}
        if status == 200:
            self._restart(headers)
        elif status == 206 and not headers.get("content-range", "").startswith(f"bytes {self.written}-"):
            self._taking = False
            self.discard()

    def _restart(self, headers: Mapping[str, str]) -> None:
        self.discard()
        self.headers = headers
        self._checksum = self._stated(headers)
        try:
            self._descriptor, self.path = tempfile.mkstemp(dir=self._directory, prefix="spool-")
        except OSError as error:
            self.failure = error

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
