"""A file that is read while it is written."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

_EVERYTHING = 1 << 63


class ArrivalAbandonedError(Exception):
    """The file that is read is no part of the body any more."""


class ArrivingFile(io.RawIOBase):
    """Reads a file up to where it has arrived, and waits there; one thread reads, another reports the arrival."""

    def __init__(self, descriptor: int, show_progress: Callable[[], None]) -> None:
        """Read a duplicate of ``descriptor``; ``show_progress`` is called at each read. Raises OSError."""
        self._descriptor = os.dup(descriptor)
        self._show_progress = show_progress
        self._changed = Condition()
        self._arrived = 0
        self._awaited = 0
        """How far the file has to arrive for the reader to go on; 0 while none waits."""
        self._whole = False
        self._abandoned = False
        self._place = 0

    # -- the thread that writes

    def grow(self, arrived: int) -> None:
        """Note that ``arrived`` bytes can be read."""
        self._arrived = arrived
        if 0 < self._awaited <= arrived:
            self._notify()

    def end(self) -> None:
        """Note that no more bytes follow."""
        self._whole = True
        self._notify()

    def abandon(self) -> None:
        """Let every further read raise ArrivalAbandonedError."""
        self._abandoned = True
        self._notify()

    @property
    def is_awaited(self) -> bool:
        """Whether the reader waits for bytes that have not arrived."""
        return self._awaited > self._arrived

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # -- the thread that reads

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to a byte, counted from the start, from here, or from the end, which is waited for."""
        if whence == os.SEEK_END:
            self._wait(_EVERYTHING)
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._arrived}[whence]
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Buffer, /) -> int:
        """Fill the buffer, with less only at the end. Raises ArrivalAbandonedError and OSError."""
        view = memoryview(buffer).cast("B")
        self._wait(self._place + len(view))
        read = 0
        # macOS has no preadv.
        while read < len(view) and (data := os.pread(self._descriptor, len(view) - read, self._place)):
            view[read : read + len(data)] = data
            read += len(data)
            self._place += len(data)
        return read

    def close(self) -> None:
        """Close the duplicate."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def _wait(self, needed: int) -> None:
        """Wait until ``needed`` bytes have arrived, or everything has."""
        self._show_progress()
        with self._changed:
            # Set before it is compared, as the writer compares without the lock after it has set the other.
            self._awaited = needed
            self._changed.wait_for(lambda: self._abandoned or self._whole or self._arrived >= needed)
            self._awaited = 0
        if self._abandoned:
            raise ArrivalAbandonedError
