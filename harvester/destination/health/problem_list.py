"""List, accept and reopen the known problems of a destination."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harvester.destination.manifest import Acceptance, Manifest, ProblemRow, shown_key
from harvester.destination.opened import read_destination, share_destination
from harvester.error_codes import ErrorCode
from harvester.errors import UsageError
from harvester.text import rfc3339

PROBLEMS_SCHEMA = "urn:nimble-harvester:problems:v1"


class KnownProblem(NamedTuple):
    """A problem, and how it was accepted if it was."""

    row: ProblemRow
    """The problem."""
    acceptance: Acceptance | None
    """Its acceptance, in force now; None for an open problem."""

    def as_document(self) -> dict[str, Any]:
        """Return the problem as JSON has it."""
        row, accepted = self
        return {
            "key": shown_key(row.key),
            "outcome": row.outcome,
            "reason": row.reason,
            "detail": row.detail,
            "first_run": row.first_run,
            "last_run": row.run,
            "path": row.path,
            "accepted": None
            if accepted is None
            else {
                "note": accepted.note,
                "accepted_at": rfc3339(accepted.accepted_at),
                "until": None if accepted.until is None else rfc3339(accepted.until),
            },
        }


def list_problems(destination: Path | str, *, state_dir: Path | None = None) -> Iterator[KnownProblem]:
    """Yield every known problem in byte order of the key. Raises ConfigurationError when it was never synced."""
    with read_destination(Path(destination), state_dir) as opened:
        yield from _problems(opened.manifest)


def open_problem_count(manifest: Manifest) -> int:
    """Return how many known problems are not accepted."""
    return sum(problem.acceptance is None for problem in _problems(manifest))


def accept_problems(
    destination: Path | str,
    keys: Collection[str] = (),
    *,
    reason: str | None = None,
    note: str = "",
    until: float | None = None,
    state_dir: Path | None = None,
) -> tuple[KnownProblem, ...]:
    """Accept the problems of ``keys``, or all of one reason, as they are now; return what was accepted.

    A new version of the object, another outcome, or the time ``until`` (seconds since 1970) reopens it. Raises
    UsageError for a key without a problem or a reason that none has, DestinationUnusable (read-only).
    """
    with share_destination(Path(destination), state_dir) as opened:
        chosen = _chosen(opened.manifest, keys, reason, Path(destination))
        table = opened.manifest.acceptances()
        table.accept([each.row for each in chosen], note, until)
        accepted = table.all()
        return tuple(KnownProblem(each.row, accepted[each.row.key]) for each in chosen)


def reopen_problems(
    destination: Path | str,
    keys: Collection[str] = (),
    *,
    reason: str | None = None,
    state_dir: Path | None = None,
) -> tuple[KnownProblem, ...]:
    """Make accepted problems of ``keys``, or of one reason, count again; return them. Raises as `accept_problems`."""
    with share_destination(Path(destination), state_dir) as opened:
        chosen = _chosen(opened.manifest, keys, reason, Path(destination))
        opened.manifest.acceptances().reopen([each.row.key for each in chosen])
        return tuple(KnownProblem(each.row, None) for each in chosen)


def _problems(manifest: Manifest) -> Iterator[KnownProblem]:
    accepted, now = manifest.acceptances().all(), time.time()
    for row in manifest.problems():
        acceptance = accepted.get(row.key)
        in_force = acceptance is not None and acceptance.covers(row, now)
        yield KnownProblem(row, acceptance if in_force else None)


def _chosen(manifest: Manifest, keys: Collection[str], reason: str | None, destination: Path) -> list[KnownProblem]:
    if bool(keys) == (reason is not None):
        raise UsageError("which problems?", cause="either keys or one reason", code=ErrorCode.NO_PROBLEM_CHOSEN)
    known = [*_problems(manifest)]
    if reason is not None:
        chosen = [each for each in known if each.row.reason == reason]
        if not chosen:
            reasons = ", ".join(sorted({each.row.reason for each in known})) or "none"
            raise UsageError(
                f"no problem of {destination} has the reason {reason!r}",
                cause=f"known reasons: {reasons}",
                code=ErrorCode.NO_SUCH_PROBLEM,
                subject=str(destination),
            )
        return chosen
    by_key = {shown_key(each.row.key): each for each in known}
    for key in keys:
        if key not in by_key:
            raise UsageError(
                f"{destination} has no problem with {key!r}",
                cause="a problem is named by its whole key",
                code=ErrorCode.NO_SUCH_PROBLEM,
                subject=str(destination),
            )
    return [by_key[key] for key in dict.fromkeys(keys)]
