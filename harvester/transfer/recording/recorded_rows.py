"""Make rows of the manifest from outcomes; pure functions."""

import time

from harvester.destination import VERSIONS, KnownRow, LandedRow, ProblemRow
from harvester.transfer.workers import Failed, Landed, Quarantined, Refused


def documented_task(key: str) -> str:
    """Return the task that a delivered object's documented name is made of, for content that names none."""
    name = key.rpartition("/")[2].removesuffix(".gz")
    return name.rpartition(".")[0] or name


def aside_path(row: KnownRow) -> str:
    """Return where an older version is kept: its sequence number, then its own file name."""
    return f"{VERSIONS}/{row.seq:012d}/{row.path.rpartition('/')[2]}"


def landed_row(landed: Landed, seq: int, run: int, replaces: str | None) -> LandedRow:
    """Return the row of an object that has landed now; ``replaces`` is the key of what was rescued of its task."""
    return LandedRow(
        landed.key,
        landed.etag,
        landed.size,
        landed.last_modified,
        landed.path,
        landed.content_size,
        landed.mtime_ns,
        landed.digest,
        seq,
        run,
        time.time(),
        landed.shape,
        landed.encoding,
        landed.task_id,
        landed.status,
        landed.rows,
        "delivered",
        0,
        0,
        replaces,
        None,
        landed.agent,
        None if landed.rows is None else landed.non_finite,
    )


def is_same_problem(
    problem: ProblemRow, outcome: Landed | Quarantined | Refused | Failed, kind: str, reason: str
) -> bool:
    """Return whether an outcome repeats a known problem, of the same version of the object."""
    known = (problem.etag, problem.size, problem.outcome, problem.reason)
    return known == (outcome.etag, outcome.size, kind, reason)


def problem_row(
    outcome: Landed | Quarantined | Refused | Failed,
    kind: str,
    reason: str,
    detail: str,
    *,
    first_run: int,
    run: int,
    fingerprint: str,
) -> ProblemRow:
    """Return the row of a problem; ``fingerprint`` is that of the options it was judged under."""
    path, digest = (outcome.path, outcome.digest) if isinstance(outcome, Quarantined) else (None, None)
    return ProblemRow(
        outcome.key, outcome.etag, outcome.size, kind, reason, detail, first_run, run, path, digest, fingerprint
    )
