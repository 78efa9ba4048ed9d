"""Options and callbacks of a run."""

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from harvester.destination import Selection
from harvester.results import DEFAULT_MAX_RATIO, ResultOptions
from harvester.storage import ListingScope, ObjectRef
from harvester.transfer.sync_report import ObjectEvent, SyncProgress
from harvester.transfer.workers import EXCEEDED, WorkerLimits


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """Options of a sync run."""

    selection: Selection = field(default_factory=Selection)
    """Which objects are wanted."""
    result: ResultOptions = field(default_factory=ResultOptions)
    """How objects are decoded and validated."""
    workers: int = 0
    """Worker processes; 0 for one per core this process may use."""
    max_object_bytes: int | None = None
    """Objects delivered with more bytes are refused, content with more is quarantined."""
    worker_limits: WorkerLimits = field(default_factory=WorkerLimits)
    """What one object may cost a worker process."""
    max_objects: int | None = None
    """Stop after this many objects were fetched."""
    unsafe_names: Literal["hash", "refuse"] = "hash"
    """What is done with a key that is not usable as a path."""
    on_change: Literal["replace", "keep"] = "replace"
    """Whether an older version is replaced, or moved aside into the state folder."""
    fail_on: Literal["any", "new"] = "new"
    """Whether problems that earlier runs have reported fail this run too."""
    max_problem_rate: float | None = None
    """Exit code 3 only if more of the listed objects have a problem that is not accepted, 0 to 1; None: ``fail_on``."""
    fail_on_empty: bool = False
    """Whether a source without any result fails the run."""
    fail_on_upstream_error: bool = False
    """Whether an envelope whose own status is a failure fails the run."""
    state_dir: Path | None = None
    """Where the manifest lies; None for the destination's state folder."""
    start_after: float | None = None
    """Objects modified then or before, seconds since the epoch, belong to a backfill and are ignored; None for what
    the destination has recorded. A given time is recorded."""
    dry_run: bool = False
    """Plan and report; fetch and write nothing."""
    probe_name: str = ""
    """Name of the empty object that Nimble's connection test leaves behind: never a result."""
    upstream_failures: frozenset[str] = frozenset()
    """The states, in lower case, of an envelope that failed."""

    @property
    def fingerprint(self) -> str:
        """What objects are validated against, in short: quarantined objects are checked again when it changes."""
        result = self.result
        schema = hashlib.sha256((result.user_schema or "").encode()).hexdigest()[:16]
        if result.user_schema is not None:
            schema += f":{result.max_schema_steps}"
        ratio = "" if result.max_ratio == DEFAULT_MAX_RATIO else f":{result.max_ratio}"
        return f"{result.validation.value}:{schema}:{result.max_content_bytes}{ratio}"

    def fingerprint_of(self, reason: str) -> str:
        """What an object with a problem is judged under: beside the fingerprint, the limits if it exceeded one."""
        if reason not in EXCEEDED:
            return self.fingerprint
        limits = self.worker_limits
        return f"{self.fingerprint}:{limits.cpu_seconds:g}:{limits.silent_seconds:g}:{limits.memory_bytes}"

    @property
    def worker_count(self) -> int:
        """The number of worker processes."""
        if self.workers:
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ExportHooks(NamedTuple):
    """What a session without a lasting destination asks and calls: its rows are exported while it lands them."""

    is_exported: Callable[[ObjectRef, str], bool] = lambda _ref, _path: False
    """Returns whether the output holds a version, by object and by path in the destination; then it is unchanged."""
    windows: Callable[[ListingScope], Iterable[ListingScope]] = lambda scope: (scope,)
    """Cuts a scope into those that are listed one after the other; iterated in the thread that lists."""
    after_bytes: int = 1 << 63
    """``commit`` is called when so many bytes have landed since the last time."""
    commit: Callable[[], None] = lambda: None
    """Called between two outcomes, with everything that has landed recorded. What it raises ends the run."""


def _nothing(_: object) -> None:
    """Ignore the value."""


def _go_on() -> int | None:
    return None


class Observer(NamedTuple):
    """Callbacks for progress, events and cancellation."""

    progress: Callable[[SyncProgress], None] = _nothing
    """Called about five times a second."""
    event: Callable[[ObjectEvent], None] | None = None
    """Called once for every object with its outcome; None costs nothing."""
    warning: Callable[[str], None] = _nothing
    """Called with warnings while the run works."""
    stop_signal: Callable[[], int | None] = _go_on
    """Polled often; a signal number ends the run after its state was saved."""
