"""Durable barriers: the file system is flushed in a thread, then the sequence number is recorded."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from harvester.destination import Manifest, flush_file_system

_BARRIER_SECONDS = 5.0


class DurableBarrier:
    """Makes landed files durable every few seconds while a run goes on, and at its end."""

    def __init__(self, manifest: Manifest, root: Path) -> None:
        """Begin with nothing landed; ``root`` is the destination."""
        self._manifest = manifest
        self._root = root
        self._ended_at = time.monotonic()
        self._thread: threading.Thread | None = None
        self._seq = 0
        self._failed = False

    def start_if_due(self, last_seq: int | None) -> None:
        """End a flush that is done; start one when ``last_seq`` is newer and the last one long enough ago."""
        if self._thread is not None:
            if self._thread.is_alive():
                return
            self._end()
        if last_seq is not None and last_seq > self._seq and time.monotonic() - self._ended_at >= _BARRIER_SECONDS:
            self._seq = last_seq
            self._thread = threading.Thread(target=self._flush, name="durable-barrier", daemon=True)
            self._thread.start()

    def finish(self, last_seq: int | None, *, unsynced: bool) -> None:
        """Wait for the flush in progress; if files are ``unsynced``, flush them. Raises OSError when the disk fails."""
        if self._thread is not None:
            self._end()
        if unsynced:
            flush_file_system(self._root)
            self._manifest.set_barrier(last_seq or self._manifest.barrier())

    def _flush(self) -> None:
        try:
            flush_file_system(self._root)
        except OSError:
            # The barrier stays where it was: what landed since is read again by the next run.
            self._failed = True

    def _end(self) -> None:
        assert self._thread is not None  # noqa: S101  # the callers have looked; narrows the type
        self._thread.join()
        self._thread = None
        self._ended_at = time.monotonic()
        if not self._failed:
            self._manifest.set_barrier(self._seq)
        self._failed = False
