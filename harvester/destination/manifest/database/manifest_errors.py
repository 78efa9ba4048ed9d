"""This program's errors for those of SQLite."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from harvester.destination.manifest.database.journal import NO_SHARED_MEMORY
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, DestinationUnusable, HarvesterError, IntegrityError


class UnreadableRow(sqlite3.DatabaseError):
    """A row holds what this program cannot have written."""


def manifest_error(error: sqlite3.DatabaseError, path: Path) -> HarvesterError:
    """Return this program's error for one of SQLite about the manifest at ``path``."""
    # Python's own: a text that is not UTF-8.
    extended = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    code = extended & 0xFF
    if extended in NO_SHARED_MEMORY:
        return DestinationUnusable(
            f"the manifest {path} is on a file system without shared memory",
            cause=f"{error}; network and bucket file systems often have none",
            code=ErrorCode.STATE_NEEDS_LOCAL_DISK,
            subject=str(path),
        )
    if code == sqlite3.SQLITE_FULL:
        found = os.statvfs(path.parent)
        return DestinationUnusable(
            f"the disk that holds {path} is full",
            cause=f"{found.f_bavail * found.f_frsize:,} bytes and {found.f_favail:,} inodes are free",
            code=ErrorCode.DISK_FULL,
            subject=str(path),
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
        return DestinationUnusable(
            f"cannot write the manifest {path}",
            cause=str(error),
            code=ErrorCode.MANIFEST_NOT_WRITTEN,
            subject=str(path),
        )
    # SQLITE_ERROR: a table or column is missing.
    damaged = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISMATCH)
    if code in damaged or isinstance(error, UnreadableRow):
        return IntegrityError(
            f"{path} is not a readable manifest",
            cause=str(error),
            code=ErrorCode.MANIFEST_UNREADABLE,
            subject=str(path),
        )
    return ConfigurationError(f"the manifest {path} could not be used", cause=str(error))
