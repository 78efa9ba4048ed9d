"""Open a destination: make and check its folders and state, lock it, recover after an unclean end."""

import contextlib
import errno
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harvester.destination.crash_recovery import clear_folder, recover, wait_for_abandoned_workers
from harvester.destination.identity import check_identity, check_state_files, read_identity, settle_identity
from harvester.destination.manifest import DestinationLock, Manifest, manifest_error
from harvester.destination.paths import QUARANTINE, STATE_FOLDER, TEMPORARY, VERSIONS
from harvester.error_codes import ErrorCode
from harvester.errors import (
    ConfigurationError,
    DestinationUnusable,
    IntegrityError,
    UsageError,
)
from harvester.location import Location

MANIFEST_NAME = "manifest.sqlite"
LOCK_NAME = "lock"
WRITERS_NAME = "writers"


class OpenDestination(NamedTuple):
    """A destination held by this process."""

    root: Path
    """Its absolute path, links resolved."""
    manifest: Manifest
    """Its manifest, open for writing."""
    notices: tuple[str, ...] = ()
    """A warning about how it was opened; empty without one."""


def check_file_names() -> None:
    """Raise ConfigurationError where Python writes file names in another encoding than UTF-8.

    Keys are UTF-8, and other programs and later runs must find the same names.
    """
    if sys.getfilesystemencoding().lower() != "utf-8":
        raise ConfigurationError(
            "file names are not written in UTF-8 here",
            cause=f"the locale's encoding is {sys.getfilesystemencoding()}",
            code=ErrorCode.NAMES_NOT_UTF8,
        )


def state_folder(destination: Path) -> Path:
    """Return the folder that holds a destination's state."""
    return destination / STATE_FOLDER


def manifest_path(destination: Path, state_dir: Path | None) -> Path:
    """Return where the manifest lies: in ``state_dir`` when given, else in the state folder."""
    return state_directory(destination, state_dir) / MANIFEST_NAME


def state_directory(destination: Path, state_dir: Path | None) -> Path:
    """Return the folder of the manifest, and of other state that outlives a run."""
    return state_dir or state_folder(destination)


@contextlib.contextmanager
def open_destination(destination: Path, state_dir: Path | None = None) -> Iterator[OpenDestination]:
    """Hold a destination for writing: make its folders, lock it, open its manifest, recover from an unclean end.

    Raises DestinationUnusable, DestinationLocked, ConfigurationError (a newer state), UsageError (the state of
    another destination) or IntegrityError.
    """
    check_file_names()
    notices: list[str] = []
    with contextlib.ExitStack() as stack:
        try:
            destination.mkdir(parents=True, exist_ok=True)
            root = destination.resolve(strict=True)
            for folder in (STATE_FOLDER, TEMPORARY, QUARANTINE, VERSIONS):
                _make_folder(root / folder)
            check_state_files(state_folder(root))
            if state_dir is not None:
                state_dir.mkdir(parents=True, exist_ok=True)
                check_state_files(state_dir)
            state = state_directory(root, state_dir).resolve()
            for folder_path in dict.fromkeys((state_folder(root), state)):
                lock = stack.enter_context(DestinationLock(folder_path / LOCK_NAME, optional=folder_path != state))
                if not lock.is_held:
                    notices.append(f"{root} is on a file system without locks: only its state in {state} is locked")
        except OSError as error:
            raise destination_error(destination, error) from error
        path = manifest_path(root, state_dir)
        _check_manifest_file(root, path)
        manifest = stack.enter_context(Manifest(path))
        try:
            with _explained(path):
                notices += filter(None, [settle_identity(root, manifest)])
                wait_for_abandoned_workers(root, writers_path(root, state_dir))
                clear_folder(root / TEMPORARY)
                recover(root, manifest)
        except OSError as error:
            raise destination_error(destination, error) from error
        try:
            with _explained(path):
                yield OpenDestination(root, manifest, tuple(notices))
        finally:
            # Every process that wrote here has ended, maybe not in order.
            with contextlib.suppress(OSError):
                clear_folder(root / TEMPORARY)


@contextlib.contextmanager
def read_destination(destination: Path, state_dir: Path | None = None) -> Iterator[OpenDestination]:
    """Open a destination for reading, also while a session works on it; takes no lock and writes nothing.

    Raises ConfigurationError when it was never synced, IntegrityError for a damaged state, UsageError for the state of
    another destination.
    """
    with _open_state(destination, state_dir, readonly=True) as opened:
        yield opened


@contextlib.contextmanager
def share_destination(destination: Path, state_dir: Path | None = None) -> Iterator[OpenDestination]:
    """Open a destination for short transactions, also while a session works on it. Raises like ``read_destination``.

    Raises DestinationUnusable where its state cannot be written.
    """
    with _open_state(destination, state_dir, readonly=False) as opened:
        yield opened


@contextlib.contextmanager
def _open_state(destination: Path, state_dir: Path | None, *, readonly: bool) -> Iterator[OpenDestination]:
    path = manifest_path(destination, state_dir)
    root = destination.resolve()
    check_state_files(state_folder(destination))
    if state_dir is not None:
        check_state_files(state_dir)
    if not path.is_file():
        raise _never_synced(destination, path)
    _check_manifest_file(root, path)
    if not path.stat().st_size:
        raise _never_synced(destination, path)
    with Manifest(path, readonly=readonly) as manifest, _explained(path):
        if not manifest.has_tables():
            raise _never_synced(destination, path)
        check_identity(root, manifest)
        yield OpenDestination(root, manifest)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise this program's errors for what SQLite meets while a manifest is read: a damaged page, a failing disk."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise manifest_error(error, path) from error


def _never_synced(destination: Path, path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{destination} has never been synced",
        cause=f"nothing is recorded in {path}",
        code=ErrorCode.NEVER_SYNCED,
        subject=str(destination),
    )


def _check_manifest_file(root: Path, path: Path) -> None:
    """Raise IntegrityError for a manifest that was emptied: a new one would begin another history unasked."""
    if path.is_file() and not path.stat().st_size and read_identity(root) is not None:
        raise IntegrityError(
            f"{path} is empty",
            cause="it was truncated; what has landed is not known any more",
            code=ErrorCode.MANIFEST_EMPTY,
            subject=str(path),
        )


def _is_destination(folder: Path) -> bool:
    # Where nothing may be read, no file of ours can be in conflict.
    return os.path.exists(state_folder(folder) / LOCK_NAME)  # noqa: PTH110  # Path.exists raises there


def check_apart(location: Location, destination: Path) -> None:
    """Raise UsageError for a new destination in another one, or when a ``file`` location and it hold one another.

    The outer destination could replace files of the inner one; the location would feed on itself.
    """
    outer = (
        None if _is_destination(destination) else next(filter(_is_destination, destination.absolute().parents), None)
    )
    if outer is not None:
        raise UsageError(
            f"{destination} lies in {outer}, which is another destination",
            cause="what lands in the outer one could take the place of what has landed in the inner one",
            code=ErrorCode.DESTINATION_INSIDE_ANOTHER,
            subject=str(destination),
            parameters={"outer": str(outer), "state": str(state_folder(outer))},
        )
    if location.scheme != "file":
        return
    source, target = Path(location.prefix).resolve(), destination.resolve()
    if source == target or source in target.parents or target in source.parents:
        raise UsageError(
            f"{destination} and {location} hold one another",
            cause="a copy inside its own source would be copied again by the next run",
            code=ErrorCode.DESTINATION_INSIDE_SOURCE,
            subject=str(destination),
        )


def destination_error(destination: Path, error: OSError) -> DestinationUnusable:
    """Return the error for a destination that the operating system refuses."""
    where = error.filename or destination
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            free = os.statvfs(destination if destination.exists() else "/")
            return DestinationUnusable(
                f"{destination} is full",
                cause=f"{free.f_bavail * free.f_frsize:,} bytes and {free.f_favail:,} inodes are free",
                code=ErrorCode.DESTINATION_FULL,
                subject=str(destination),
            )
        case errno.ENOLCK:
            return DestinationUnusable(
                f"{where} is on a file system without locks",
                cause="two runs at once could not be kept apart",
                code=ErrorCode.STATE_NEEDS_LOCAL_DISK,
                subject=str(destination),
            )
        case errno.EROFS:
            return DestinationUnusable(
                f"{destination} is read-only", code=ErrorCode.DESTINATION_READ_ONLY, subject=str(destination)
            )
        case errno.ENOTDIR | errno.EEXIST:
            where = next((each for each in Path(where).parents if each.is_file()), where)
            return DestinationUnusable(
                f"{destination} is not a directory",
                cause=f"in the way: {where}",
                code=ErrorCode.DESTINATION_NOT_A_DIRECTORY,
                subject=str(destination),
            )
        case errno.EACCES | errno.EPERM:
            return DestinationUnusable(
                f"{destination} may not be written",
                cause=f"permission denied: {where}",
                code=ErrorCode.DESTINATION_DENIED,
                subject=str(destination),
            )
        case _:
            return DestinationUnusable(f"{destination} cannot be used", cause=error.strerror or str(error))


def _make_folder(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    _refuse_link(folder)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise DestinationUnusable(
            f"{path} is a symbolic link",
            cause="state is never written through a link",
            code=ErrorCode.STATE_IS_A_LINK,
            subject=str(path),
        )


def writers_path(destination: Path, state_dir: Path | None) -> Path:
    """Return the file on which every worker holds a shared lock, beside the manifest: there are locks.

    When a run was killed, the next one waits until it is free, or an orphaned worker would land its last object over
    what that run has landed.
    """
    return state_directory(destination, state_dir) / WRITERS_NAME
