"""Put bytes into the destination: a temporary file, then a rename; never through a symbolic link.

Every folder is opened from its parent with O_NOFOLLOW and kept open. Before each use it is held against what lies at
its path now, so that neither a link which appears while a run works nor a folder moved away can lead a write elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import stat
from collections import OrderedDict
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import xxhash

from harvester.destination.paths import (
    QUARANTINE,
    SAFE_NAME_FOLDER,
    TEMPORARY,
    check_inside,
    safe_path,
)

# The file system refuses the name, or a foreign file is in the way.
_OBSTRUCTIONS = frozenset(
    {
        errno.ELOOP,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.EILSEQ,
        errno.EXDEV,  # another file system is mounted there
    }
)
# The file system gives no file a second name, as exFAT, or not one more.
_NO_SECOND_NAMES = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FOLDERS = 128
_SHARE_OF_FILES = 8  # of the files this process may open, folders take at most one in so many


class PathObstructedError(Exception):
    """Something that is not ours, or the file system's own rules, bar this path."""


class _Folder(NamedTuple):
    """An open folder of the destination."""

    file: int
    """Its file descriptor."""
    identity: tuple[int, int]
    """Device and inode."""
    paths: tuple[str, ...]
    """Its path and that of every folder above it, the outermost first."""


def register_writer(path: str) -> None:
    """Hold this process's share of the writers' lock at ``path`` until it ends. Raises OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    fcntl.flock(file, fcntl.LOCK_SH)


class DestinationWriter:
    """The tree of one destination, as a worker writes it."""

    def __init__(self, root: str, name: str) -> None:
        """Open the destination at ``root``; ``name`` keeps this worker's temporary files apart from others'."""
        self.root = root
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most_folders = max(4, min(_OPEN_FOLDERS, limit // _SHARE_OF_FILES))
        self._folders: OrderedDict[str, _Folder] = OrderedDict()
        self._temporary = self._folder(TEMPORARY)
        # Kept out of the cache: it must stay open for as long as this object lives.
        self._folders.pop(TEMPORARY)
        self._name = name
        self._count = 0
        self._unlanded: set[str] = set()

    def write(self, content: bytes) -> tuple[str, int]:
        """Write a temporary file; return its name and its modification time in nanoseconds. Raises OSError."""
        name = self._temporary_name()
        file = os.open(name, _FILE_FLAGS, 0o666, dir_fd=self._temporary)
        try:
            view = memoryview(content)
            written = os.write(file, view)
            while written < len(view):
                written += os.write(file, view[written:])
            return name, os.fstat(file).st_mtime_ns
        except OSError:
            os.unlink(name, dir_fd=self._temporary)
            raise
        finally:
            os.close(file)

    def create(self) -> tuple[str, BinaryIO]:
        """Create a temporary file to be streamed into; return its name and the open file. Raises OSError."""
        name = self._temporary_name()
        return name, os.fdopen(
            os.open(name, os.O_RDWR | _FILE_FLAGS & ~os.O_WRONLY, 0o666, dir_fd=self._temporary), "w+b"
        )

    def _temporary_name(self) -> str:
        self._count += 1
        name = f"{self._name}-{self._count}"
        self._unlanded.add(name)
        return name

    def discard(self, name: str) -> None:
        """Remove a temporary file."""
        os.unlink(name, dir_fd=self._temporary)
        self._unlanded.discard(name)

    def discard_unlanded(self, keep: str = "") -> None:
        """Remove every temporary file made here that has not landed, but ``keep``."""
        for name in self._unlanded - {keep}:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._temporary)
        self._unlanded &= {keep}

    def temporary_path(self, name: str) -> str:
        """Return the whole path of a temporary file."""
        return f"{self.root}/{TEMPORARY}/{name}"

    def temporary_name(self, path: str) -> str:
        """Return the name of a temporary file given its whole path."""
        return os.path.basename(path)  # noqa: PTH119  # hot path: no Path per object

    def land(self, name: str, path: str, aside: str = "") -> None:
        """Move a temporary file to its path; keep the version that lies there at ``aside`` when that is given.

        Raises PathObstructedError when a link, a foreign folder or the file system's rules bar the path, and
        OSError when the destination cannot be written.
        """
        folder, _, leaf = path.rpartition("/")
        try:
            if aside:
                self._keep(path, aside)
            try:
                os.rename(name, leaf, src_dir_fd=self._temporary, dst_dir_fd=self._folder(folder))
            except FileNotFoundError:
                # The folder was removed under us: open, or make, it again.
                self._forget(folder)
                self._rename_again(name, folder, leaf)
            self._unlanded.discard(name)
        except OSError as error:
            if error.errno in _OBSTRUCTIONS:
                raise PathObstructedError(path) from error
            raise

    def _rename_again(self, name: str, folder: str, leaf: str) -> None:
        try:
            os.rename(name, leaf, src_dir_fd=self._temporary, dst_dir_fd=self._folder(folder))
        except FileNotFoundError as error:
            # Some file systems report this for a name they cannot hold; else it is the temporary file that was removed.
            os.stat(name, dir_fd=self._temporary)
            raise PathObstructedError(f"{folder}/{leaf}") from error

    def quarantine(self, name: str, relative_key: str) -> str:
        """Move a temporary file into the quarantine; return its path there. Raises OSError."""
        path = f"{QUARANTINE}/{safe_path(relative_key, keep_compressed=True).removeprefix(SAFE_NAME_FOLDER + '/')}"
        try:
            self.land(name, path)
        except PathObstructedError as error:
            raise OSError(errno.ELOOP, "the quarantine was replaced while the run worked", QUARANTINE) from error
        return path

    def remove(self, path: str, expected: tuple[int, int] | None = None) -> bool:
        """Remove a landed file; with ``expected`` only one of that size and modification time in nanoseconds.

        Return False when another version lies there: a session may replace the file at any time, so it is first renamed
        to a temporary name, and put back if it is another. Raises OSError, also when a link has taken the place of a
        folder.
        """
        folder, _, leaf = path.rpartition("/")
        with contextlib.suppress(FileNotFoundError):
            parent = self._folder(folder, make=False)
            if expected is None:
                os.unlink(leaf, dir_fd=parent)
                return True
            if not _is_version(leaf, parent, expected):
                return False
            name = self._temporary_name()
            os.rename(leaf, name, src_dir_fd=parent, dst_dir_fd=self._temporary)
            removed = _is_version(name, self._temporary, expected)
            if not removed:
                # Replaced between the two steps; a still newer file stays.
                with contextlib.suppress(FileExistsError):
                    os.link(name, leaf, src_dir_fd=self._temporary, dst_dir_fd=parent, follow_symlinks=False)
            self.discard(name)
            return removed
        return True

    def copy_of(self, path: str, digest: str, show_progress: Callable[[], None]) -> str | None:
        """Return the name of a temporary copy of a quarantined file, None when it has not that digest any more.

        ``show_progress`` is called for each MiB. Raises OSError when it cannot be read.
        """
        folder, _, leaf = path.rpartition("/")
        source = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder(folder))
        seen = xxhash.xxh3_128()
        name, copy = self.create()
        with copy, os.fdopen(source, "rb") as quarantined:
            while chunk := quarantined.read(1024 * 1024):
                seen.update(chunk)
                copy.write(chunk)
                show_progress()
        if seen.hexdigest() == digest:
            return name
        self.discard(name)
        return None

    def _keep(self, path: str, aside: str) -> None:
        folder, _, leaf = path.rpartition("/")
        aside_folder, _, aside_leaf = aside.rpartition("/")
        try:
            source = self._folder(folder)
            if stat.S_ISREG(os.stat(leaf, dir_fd=source, follow_symlinks=False).st_mode):
                _set_aside(leaf, source, aside_leaf, self._folder(aside_folder))
        except (FileNotFoundError, FileExistsError):
            # Nothing to keep, or kept already by a run that was killed after this step.
            return

    def _forget(self, folder: str) -> None:
        known = self._folders.pop(folder, None)
        if known is not None:
            os.close(known.file)

    def _folder(self, folder: str, *, make: bool = True) -> int:
        if not folder:
            return self._root
        known = self._folders.get(folder)
        if known is not None:
            if self._in_place(known):
                self._folders.move_to_end(folder)
                return known.file
            self._forget(folder)
        check_inside(folder)
        opened = self._open(folder, make=make)
        status = os.fstat(opened)
        ends = [position for position, character in enumerate(folder) if character == "/"]
        paths = (*(folder[:end] for end in ends), folder)
        self._folders[folder] = _Folder(opened, (status.st_dev, status.st_ino), paths)
        if len(self._folders) > self._most_folders:
            os.close(self._folders.popitem(last=False)[1].file)
        return opened

    def _in_place(self, known: _Folder) -> bool:
        """Return whether an open folder still lies where it was opened, with no link above it."""
        try:
            for path in known.paths:
                status = os.stat(path, dir_fd=self._root, follow_symlinks=False)
                if not stat.S_ISDIR(status.st_mode):
                    return False
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == known.identity

    def _open(self, folder: str, *, make: bool) -> int:
        current = self._root
        try:
            for part in folder.split("/"):
                deeper = _open_or_make(part, current) if make else os.open(part, _FOLDER_FLAGS, dir_fd=current)
                if current != self._root:
                    os.close(current)
                current = deeper
        except OSError:
            if current != self._root:
                os.close(current)
            raise
        return current


def _is_version(leaf: str, folder: int, expected: tuple[int, int]) -> bool:
    found = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
    return stat.S_ISREG(found.st_mode) and (found.st_size, found.st_mtime_ns) == expected


def _open_or_make(part: str, parent: int) -> int:
    try:
        return os.open(part, _FOLDER_FLAGS, dir_fd=parent)
    except FileNotFoundError:
        # Another worker may make it in between.
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, dir_fd=parent)
        return os.open(part, _FOLDER_FLAGS, dir_fd=parent)


def _set_aside(leaf: str, source: int, aside: str, target: int) -> None:
    try:
        # A second name instead of a move: there is no instant at which the path holds nothing.
        os.link(leaf, aside, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAMES:
            raise
        os.rename(leaf, aside, src_dir_fd=source, dst_dir_fd=target)
