"""What to do with one listed object: a pure function of the object, what is known of it, and the options."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from harvester.destination import CompiledSelection, KnownRow, ProblemRow, same_version
from harvester.storage import ObjectRef


class ActionKind(StrEnum):
    """What is done with a listed object."""

    FETCH = "fetch"
    RECHECK = "recheck"
    """Validate the quarantined bytes again, without a fetch."""
    UNCHANGED = "unchanged"
    QUARANTINED = "quarantined"
    """Unchanged since it was quarantined."""
    IGNORE = "ignore"
    REFUSE = "refuse"


class Action(NamedTuple):
    """What to do with an object, and why."""

    kind: ActionKind
    """What to do."""
    reason: str
    """A stable code: why."""


class LocalFile(NamedTuple):
    """What lies at an object's path now."""

    size: int
    """Bytes."""
    mtime_ns: int
    """Modification time, nanoseconds since the epoch; -2 for what is not a regular file."""


_FETCH_NEW = Action(ActionKind.FETCH, "new")
_UNCHANGED = Action(ActionKind.UNCHANGED, "unchanged")
_RESIDUE = Action(ActionKind.IGNORE, "probe_residue")
_MARKER = Action(ActionKind.IGNORE, "directory_marker")
_PARQUET_REFUSED = "parquet_extra_missing"  # of ContentReason, which runs without problems do not load


class PlanOptions(NamedTuple):
    """What the plan depends on besides the object."""

    fingerprint_of: Callable[[str], str]
    """Returns what a problem is judged under, by its reason; a quarantined object is checked again when it changed."""
    probe_name: str
    """The name of the empty object that Nimble's connection test leaves behind."""
    max_object_bytes: int | None = None
    """Objects delivered with more bytes are refused."""
    reads_parquet: bool = True
    """Whether the extra [parquet] is installed; without it an object that was refused for it is not fetched again."""
    is_exported: Callable[[ObjectRef, str], bool] = lambda _ref, _path: False
    """Returns whether an output holds this version, by object and path; for sessions without a lasting destination."""


def decide(
    ref: ObjectRef,
    relative_key: str,
    row: KnownRow | None,
    problem: ProblemRow | None,
    local: LocalFile | None,
    selection: CompiledSelection,
    options: PlanOptions,
) -> Action:
    """Return what to do with a listed object. ``local`` is asked only when ``row`` is about this very version."""
    if ref.size == 0:
        # An empty object of that name is the residue; one with content is a result.
        if relative_key.rpartition("/")[2] == options.probe_name:
            return _RESIDUE
        if not relative_key or relative_key.endswith("/"):
            return _MARKER
    if not selection.selects_all:
        refusal = selection.refusal(relative_key, ref.last_modified)
        if refusal:
            return Action(ActionKind.IGNORE, refusal)
    if row is not None and row.etag == ref.etag and row.size == ref.size:
        return _compare(row, local)
    if problem is not None and problem.outcome == "quarantined" and same_version(ref, problem):
        if problem.fingerprint == options.fingerprint_of(problem.reason):
            return Action(ActionKind.QUARANTINED, problem.reason)
        return Action(ActionKind.RECHECK, "validation_changed")
    is_parquet = problem is not None and problem.reason == _PARQUET_REFUSED and same_version(ref, problem)
    if is_parquet and not options.reads_parquet:
        return Action(ActionKind.REFUSE, _PARQUET_REFUSED)
    if options.max_object_bytes is not None and ref.size > options.max_object_bytes:
        return Action(ActionKind.REFUSE, "too_large")
    return _FETCH_NEW if row is None else Action(ActionKind.FETCH, "changed")


def _compare(row: KnownRow, local: LocalFile | None) -> Action:
    if row.evicted:
        return Action(ActionKind.UNCHANGED, "evicted")
    if local is None:
        return Action(ActionKind.FETCH, "missing_locally")
    if local.size != row.content_size or local.mtime_ns != row.mtime_ns:
        return Action(ActionKind.FETCH, "altered_locally")
    return _UNCHANGED
