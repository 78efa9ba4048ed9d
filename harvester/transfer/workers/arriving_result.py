"""A large object that a thread decodes while it arrives."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from threading import Thread
from typing import BinaryIO

from harvester.destination import DestinationWriter
from harvester.results import ResultReader
from harvester.transfer.workers.arriving_file import ArrivingFile
from harvester.transfer.workers.spooled_result import DecodedFile, decode_file


class ArrivingResult:
    """Decodes one object as it arrives; an Arrival.

    Only the first answer is followed: what begins again is decoded after it has arrived. Nothing is landed here.
    """

    def __init__(
        self,
        key: str,
        reader: ResultReader,
        destination: DestinationWriter,
        show_progress: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        """Write into ``destination``, which other threads do not use meanwhile; call ``wake`` once it has ended."""
        self.key = key
        self.name = ""
        """The temporary file it is written to; empty before anything has arrived."""
        self._reader = reader
        self._destination = destination
        self._show_progress = show_progress
        self._wake = wake
        self._file: ArrivingFile | None = None
        self._thread: Thread | None = None
        self._abandoned = False
        self._found: DecodedFile | Exception | None = None

    def began(self, descriptor: int) -> None:
        """See Arrival.began."""
        if self._abandoned:
            return
        try:
            self._file = ArrivingFile(descriptor, self._show_progress)
            self.name, sink = self._destination.create()
        except OSError:
            # No file can be made: what reads the whole body afterwards reports it.
            self.abandoned()
            return
        thread = Thread(target=self._decode, args=(self._file, sink), name="decode", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The system gives no further thread.
            sink.close()
            self.abandoned()
            self._discard()
        else:
            self._thread = thread

    def grown(self, written: int) -> None:
        """See Arrival.grown."""
        if self._file is not None:
            self._file.grow(written)

    def abandoned(self) -> None:
        """See Arrival.abandoned."""
        self._abandoned = True
        if self._file is not None:
            self._file.abandon()
            if self._thread is None:
                self._file.close()

    def arrived(self) -> bool:
        """Note that the body is whole and is the object; return whether it is being decoded."""
        if self._abandoned or self._file is None:
            return False
        self._file.end()
        return True

    @property
    def has_begun(self) -> bool:
        """Whether a thread was started."""
        return self._thread is not None

    @property
    def has_ended(self) -> bool:
        """Whether the thread has come to an end."""
        return self._found is not None

    @property
    def is_decoding(self) -> bool:
        """Whether the thread works; not while it waits for bytes."""
        return not (self._file is None or self._thread is None or self._found is not None or self._file.is_awaited)

    @property
    def is_abandoned(self) -> bool:
        """Whether what was found concerns no object."""
        return self._abandoned

    def decoded(self) -> DecodedFile:
        """Return what was found, once nothing is decoding. Raises what decoding raised."""
        if isinstance(self._found, DecodedFile):
            return self._found
        assert self._found is not None  # noqa: S101  # see above
        raise self._found

    def close(self) -> None:
        """Abandon it, wait for the thread and remove its file."""
        self.abandoned()
        if self._thread is not None:
            self._thread.join()
            self._discard()

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            self._destination.discard(self.name)

    def _decode(self, source: ArrivingFile, sink: BinaryIO) -> None:
        try:
            self._found = decode_file(self._reader, source, self.name, sink, self.key, self._show_progress)
        except Exception as error:  # noqa: BLE001  # raised again by the thread that lands it
            self._found = error
        finally:
            self._wake()
