"""The durable state of a destination: an SQLite manifest, the lock, sequence numbers."""

from harvester.manifest.lock import DestinationLock, LockHolder, read_lock_holder
from harvester.manifest.manifest import Manifest, SourceBinding
from harvester.manifest.rows import RESCUED_KEY, KnownRow, LandedRow, ProblemRow, RunRow, VersionRow, shown_key

__all__ = [
    "RESCUED_KEY",
    "DestinationLock",
    "KnownRow",
    "LandedRow",
    "LockHolder",
    "Manifest",
    "ProblemRow",
    "RunRow",
    "SourceBinding",
    "VersionRow",
    "read_lock_holder",
    "shown_key",
]
