"""The rows of the manifest, one type a table. NamedTuples: a run makes one per object."""

from typing import NamedTuple

from harvester.destination.positions import Position
from harvester.storage import ObjectRef

# Longer than any key of a bucket, which has 1,024 bytes at most, and no path of a file, in which no part is empty.
_IN_NO_SOURCE = "/" * 1024
RESCUED_KEY = f"{_IN_NO_SOURCE}nimble-task:"
"""What the key of a rescued result starts with; its task id follows. No source can hold it, and no listing does."""


def shown_key(key: str) -> str:
    """Return a row's key as it is shown: ``nimble-task:ID`` for a rescued result, else the key itself."""
    return key.removeprefix(_IN_NO_SOURCE)


class LandedRow(NamedTuple):
    """The version of an object that landed last."""

    key: str
    """The whole key in the bucket."""
    etag: str
    """Identity of the landed version at the source: S3 ETag, GCS generation, or size-mtime-inode of a file."""
    size: int
    """Bytes as delivered."""
    last_modified: float
    """When the source states it was written, seconds since the epoch."""
    path: str
    """Where it lies, relative to the destination."""
    content_size: int
    """Bytes as landed."""
    mtime_ns: int
    """Modification time of the landed file; -1 when the file must be fetched again."""
    digest: str
    """xxh3-128 of the landed bytes, hexadecimal."""
    seq: int
    """Sequence number: grows with every landed version of this destination."""
    run: int
    """The run that landed it."""
    landed_at: float
    """Seconds since the epoch."""
    shape: str | None
    """What it holds, a value of ``harvester.results.Shape``; None when nothing was read."""
    encoding: str
    """``gzip`` or ``identity``: how it was delivered."""
    task_id: str | None
    """The task the content names."""
    status: str | None
    """The envelope's own status, as written."""
    rows: int | None
    """Rows of a jobs file."""
    origin: str
    """``delivered`` by Nimble into the bucket, or ``rescued`` through the results API."""
    evicted: int
    """1 when the file was freed here on purpose."""
    gone: int
    """1 when the last complete listing did not hold the key."""
    replaces: str | None = None
    """Key of the rescued result whose place this delivered object took."""
    gone_at: float | None = None
    """When a complete listing first lacked the key, seconds since the epoch."""
    agent: str | None = None
    """The agent that the envelope names; None for other shapes, and for what landed before agents were recorded."""
    non_finite: int | None = None
    """Numbers of Parquet rows that are NaN or infinite; None where no rows were read, or before this was counted."""

    @property
    def version(self) -> str:
        """The version, never empty: ETag or generation, else size and content digest."""
        return self.etag or f"{self.size}-{self.digest}"


class KnownRow(NamedTuple):
    """The columns of a LandedRow that a plan needs: it reads them of every object, whatever there is to do."""

    key: str
    etag: str
    size: int
    path: str
    content_size: int
    mtime_ns: int
    digest: str
    seq: int
    status: str | None
    origin: str
    evicted: int
    gone: int
    replaces: str | None = None


class DeliveryTimes(NamedTuple):
    """When an object was delivered and landed."""

    key: str
    """The whole key."""
    agent: str | None
    """The agent that its envelope names."""
    last_modified: float
    """When the source states it was written, seconds since the epoch."""
    landed_at: float
    """Seconds since the epoch."""


class LandingFacts(NamedTuple):
    """What a report sums up of a landed object."""

    landed_at: float
    """Seconds since the epoch."""
    last_modified: float
    """When the source states it was written, seconds since the epoch."""
    content_size: int
    """Bytes as landed."""
    status: str | None
    """The envelope's own status, as written."""


class ProblemRow(NamedTuple):
    """What is wrong with the current version of an object."""

    key: str
    """The whole key in the bucket."""
    etag: str
    """Identity of the version the problem is about."""
    size: int
    """Bytes as delivered."""
    outcome: str
    """``quarantined``, ``refused``, ``failed``, or ``landed`` for a landed file with broken rows."""
    reason: str
    """A stable code."""
    detail: str
    """The exact reason, free of payload values."""
    first_run: int
    """The run that met it first."""
    run: int
    """The run that met it last."""
    path: str | None
    """The quarantined bytes as delivered, relative to the destination."""
    digest: str | None
    """xxh3-128 of the quarantined bytes."""
    fingerprint: str
    """What the object was validated against; another one means: check again."""


class Acceptance(NamedTuple):
    """The acceptance of one problem as it was then."""

    key: str
    """The whole key in the bucket."""
    etag: str
    """Identity of the version it is about."""
    size: int
    """Bytes of that version as delivered."""
    outcome: str
    """The outcome that was accepted."""
    reason: str
    """The reason that was accepted."""
    note: str
    """The reason, as given with the acceptance."""
    until: float | None
    """Until when, seconds since the epoch; None for no end."""
    accepted_at: float
    """Since when, seconds since the epoch."""

    def covers(self, problem: ProblemRow, now: float) -> bool:
        """Return whether it is about exactly this problem, and still in force."""
        same = (self.etag, self.size, self.outcome, self.reason) == (
            problem.etag,
            problem.size,
            problem.outcome,
            problem.reason,
        )
        return same and (self.until is None or now < self.until)


class Heartbeat(NamedTuple):
    """The last end and the last success of a verb on a destination."""

    verb: str
    """The verb."""
    succeeded_at: float | None
    """Its last success, seconds since the epoch; None when it never succeeded."""
    ended_at: float
    """Its last end, seconds since the epoch."""
    exit_code: int
    """The exit code of its last end."""


class VersionRow(NamedTuple):
    """An older version that was moved aside instead of replaced."""

    key: str
    """The whole key in the bucket."""
    seq: int
    """The sequence number that version landed with."""
    etag: str
    """Its identity at the source."""
    path: str
    """Where it lies now, relative to the destination."""
    digest: str
    """xxh3-128 of its bytes."""


class RunRow(NamedTuple):
    """One run on this destination."""

    run: int
    """Number of the run, from 1."""
    started_at: float
    """Seconds since the epoch."""
    ended_at: float | None
    """Seconds since the epoch; None when the run was killed or still works."""
    exit_code: int | None
    """Exit code of the process."""
    report: str | None
    """The report as JSON, its problems left out."""


class EpochRow(NamedTuple):
    """One writing session that landed something."""

    epoch: str
    """Its name; sorts in time."""
    first_seq: int
    """Sequence number of its first object."""
    last_seq: int
    """Sequence number of its last object up to now."""
    recorded_at: float
    """When its last object was recorded, seconds since the epoch."""


class StoredConsumer(NamedTuple):
    """A consumer as its table has it."""

    name: str
    """Its name."""
    filter: str
    """Its filter, as JSON."""
    epoch: str
    """Epoch of the acknowledged position."""
    seq: int
    """Sequence number of the acknowledged position."""
    row: int
    """Row of the acknowledged position."""
    created_at: float
    """Seconds since the epoch."""
    acknowledged_at: float | None
    """When it last acknowledged, seconds since the epoch."""


class ConsumerRow(NamedTuple):
    """One consumer."""

    name: str
    """Its name."""
    filter: str
    """Its filter, as JSON."""
    position: Position
    """The acknowledged position."""
    created_at: float
    """Seconds since the epoch."""
    acknowledged_at: float | None
    """When it last acknowledged, seconds since the epoch."""


class Tombstone(NamedTuple):
    """What is left of a purged object."""

    key: str
    """The whole key."""
    task_id: str | None
    """The task whose result it was."""
    version: str
    """The version that was purged."""
    seq: int
    """Sequence number of the erasure."""
    purged_at: float
    """Seconds since the epoch."""


def same_version(ref: ObjectRef, known: LandedRow | KnownRow | ProblemRow) -> bool:
    """Return whether a row is about the listed version: identity and size, never the object's time."""
    return known.etag == ref.etag and known.size == ref.size
