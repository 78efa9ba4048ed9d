"""The messages between a run and its workers. NamedTuples where there is one per object."""

from typing import NamedTuple, TypeAlias

from harvester.results import ResultOptions
from harvester.storage import FetchRequest, StoreConnection

INTERNAL_ERROR = "internal_error"
"""The cause of a Failed that is a bug of this program."""


class Assignment(NamedTuple):
    """One object for a worker to land."""

    request: FetchRequest
    """What to fetch."""
    path: str
    """Path to land at, relative to the destination."""
    aside: str
    """Where to keep the version that lies there now; empty to replace it."""
    quarantined: str
    """Path of quarantined bytes to validate again instead of a fetch; empty to fetch."""
    digest: str
    """Digest the quarantined bytes must have; when they do not, they are fetched."""
    undecodable: tuple[str, str] | None = None
    """Reason and detail under which to quarantine it, without decoding it; None to decode it."""


class Landed(NamedTuple):
    """The object has landed."""

    key: str
    """The whole key."""
    etag: str
    """Identity of the version that landed."""
    size: int
    """Bytes as delivered."""
    last_modified: float
    """Seconds since the epoch, as the source states it."""
    path: str
    """Where it lies, relative to the destination."""
    content_size: int
    """Bytes as landed."""
    mtime_ns: int
    """Modification time of the landed file."""
    digest: str
    """xxh3-128 of the landed bytes."""
    shape: str | None
    """What it holds."""
    encoding: str
    """How it was delivered: ``gzip`` or ``identity``."""
    task_id: str | None
    """The task the content names."""
    status: str | None
    """The envelope's own status."""
    agent: str | None
    """The agent that the envelope names."""
    rows: int | None
    """Rows of a jobs file."""
    fault: tuple[str, str] | None
    """Reason and detail of a fault that does not hold the file back: broken rows."""
    fetched: int
    """Bytes that crossed the network."""
    unidentified: bool = False
    """Whether the store stated neither version nor checksum: the body was compared with the listed length alone."""
    non_finite: int = 0
    """Numbers of Parquet rows that are NaN or infinite."""
    unread_headers: tuple[str, ...] = ()
    """Headers of the store's answers that could not be read, and counted as absent."""


class Quarantined(NamedTuple):
    """The object is not what a delivered object must be; its bytes lie in the quarantine."""

    key: str
    """The whole key."""
    etag: str
    """Identity of the version."""
    size: int
    """Bytes as delivered."""
    reason: str
    """A stable code."""
    detail: str
    """Where and what, free of payload values."""
    path: str
    """The bytes as delivered, relative to the destination."""
    digest: str
    """xxh3-128 of those bytes."""
    fetched: int
    """Bytes that crossed the network."""


class Refused(NamedTuple):
    """The object was not landed: its key cannot be a path here, and a safe name was not allowed."""

    key: str
    """The whole key."""
    etag: str
    """Identity of the version."""
    size: int
    """Bytes as delivered."""
    reason: str
    """A stable code."""


class Failed(NamedTuple):
    """The object could not be fetched."""

    key: str
    """The whole key."""
    etag: str
    """Identity of the listed version."""
    size: int
    """Bytes as listed."""
    cause: str
    """A value of ``harvester.storage.Cause``."""
    detail: str
    """The store's detail, escaped."""


class DestinationFault(NamedTuple):
    """The destination cannot take this object, nor any other: full, out of inodes, read-only."""

    key: str
    """The object that was being landed."""
    errno: int
    """The operating system's error number."""


Outcome: TypeAlias = Landed | Quarantined | Refused | Failed | DestinationFault


class CredentialsExpired(NamedTuple):
    """A worker's credentials have expired; it holds its requests until it is given new ones."""

    generation: int
    """Which credentials: a worker may have been sent newer ones before it sent this."""


class Alive(NamedTuple):
    """The worker goes on; sent where it has had no outcome to report for a while."""


class Renewed(NamedTuple):
    """New credentials for a worker."""

    connection: StoreConnection
    """What the store has resolved anew."""
    generation: int
    """How often credentials were renewed in this run."""


class Stop(NamedTuple):
    """Ask a worker to finish what is decoded, drop what is in flight, and leave."""


class WorkerSettings(NamedTuple):
    """What a worker needs when it starts."""

    connection: StoreConnection
    """How to fetch."""
    prefix: str
    """The location's prefix; names below the destination are made of what follows it in a key."""
    destination: str
    """The destination's absolute path."""
    writers: str
    """The file on which each worker holds a shared lock while it lives."""
    options: ResultOptions
    """How to decode and validate."""
    refuse_unsafe: bool
    """Refuse an object whose path is barred, instead of landing it under its safe name."""
    name: str
    """Keeps this worker's temporary files apart from others'."""
    generation: int
    """Which credentials the connection holds: see Renewed."""
    memory_bytes: int
    """Memory the worker may use; it limits itself where the parent cannot read what it uses."""
