"""Messages over a stream socket between two processes of this program.

multiprocessing's Connection does the same, and loads temporary folders, random numbers and archives with it: a tenth of
the time in which a short run starts.
"""

from __future__ import annotations

import os
import pickle
import select
from collections.abc import Iterable
from typing import Any

_LENGTH_BYTES = 4


class MessageSocket:
    """One end of a socket pair; both ends trust each other."""

    def __init__(self, descriptor: int) -> None:
        """Take over a connected stream socket."""
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def send(self, message: object) -> None:
        """Send what pickle can write. Raises OSError when the other end is gone."""
        body = pickle.dumps(message)
        view = memoryview(len(body).to_bytes(_LENGTH_BYTES) + body)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def recv(self) -> Any:
        """Wait for a message and return it. Raises EOFError when the other end is closed, and OSError."""
        length = int.from_bytes(self._read(_LENGTH_BYTES))
        return pickle.loads(self._read(length))  # noqa: S301  # of our own process

    def poll(self, timeout: float | None = 0) -> bool:
        """Wait at most ``timeout`` seconds, None for ever; return whether `recv` has something to read."""
        return bool(readable((self._descriptor,), timeout))

    def close(self) -> None:
        """Close this end, unless it is closed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self, size: int) -> bytes:
        data = os.read(self._descriptor, size)
        while len(data) < size:
            more = os.read(self._descriptor, size - len(data))
            if not more:
                raise EOFError
            data += more
        return data


def readable(descriptors: Iterable[int], timeout: float | None) -> list[int]:
    """Wait at most ``timeout`` seconds, None for ever; return the descriptors that have bytes, an end or an error."""
    waiting = select.poll()
    for descriptor in descriptors:
        waiting.register(descriptor, select.POLLIN)
    return [found for found, _ in waiting.poll(None if timeout is None else timeout * 1000)]
