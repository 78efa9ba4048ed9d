"""Where an export is written: a directory, S3 or Google Cloud Storage, each with create-if-absent."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from harvester.error_codes import ErrorCode
from harvester.errors import DestinationUnusable, UsageError
from harvester.location import parse_location
from harvester.sessions import StoreSettings

_SCRATCH = "tmp"
_ABANDONED_SECONDS = 24 * 3600


class OutputStore(Protocol):
    """Files below one output, by name with ``/`` between folders; safe for several threads."""

    @property
    def url(self) -> str:
        """The output as a person writes it."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that start with ``prefix``, a folder."""

    def read(self, name: str) -> bytes | None:
        """Return a small file; None if there is none."""

    def size(self, name: str) -> int:
        """Return the bytes of a file that is there. Raises HarvesterError."""

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes from ``start`` to before ``stop`` of a file that is there. Raises HarvesterError."""

    def create(self, name: str, content: bytes) -> bool:
        """Create a file whole; return False if one is there, which stays as it is."""

    def publish(self, file: Path, name: str) -> bool:
        """Create a file whole from a local one of any size; return False as ``create`` does."""

    def exists(self, name: str) -> bool:
        """Return whether there is a file."""

    def copy(self, source: str, target: str) -> None:
        """Make a file appear whole under a second name, where nothing or the same file is. Raises HarvesterError."""

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens without one."""

    def scratch(self) -> Path:
        """Return a local path for a part that is being written; nothing is there yet."""

    def delta_options(self) -> dict[str, str]:
        """Return the storage options that deltalake needs here. Raises UsageError where Delta is not supported."""


@contextmanager
def open_output(url: str, settings: StoreSettings | None = None) -> Iterator[OutputStore]:
    """Open an output: a directory, ``file://``, ``s3://`` or ``gs://``.

    Raises UsageError for another scheme, ConfigurationError without credentials, DestinationUnusable for a directory
    that cannot be written.
    """
    scheme, separator, _ = url.partition("://")
    if not separator and url.endswith(("\r", "\n")):
        raise UsageError(
            f"a line end at the end of the output {url!r}",
            cause="a script saved with Windows line ends gives the last argument of each line one",
            code=ErrorCode.EXPORT_OUTPUT_UNSUPPORTED,
            subject=url,
        )
    if not separator or scheme == "file":
        yield DirectoryOutput(Path(url) if not separator else Path(parse_location(url).prefix))
        return
    if scheme not in ("s3", "gs"):
        raise UsageError(
            f"an export cannot be written to {url}",
            cause="outputs are directories, s3:// and gs://",
            code=ErrorCode.EXPORT_OUTPUT_UNSUPPORTED,
            subject=url,
        )
    location = parse_location(url)
    with TemporaryDirectory(prefix="nimble-export-") as folder:
        if scheme == "s3":
            from harvester.tables.outputs.s3_output import S3Output

            yield S3Output(location, settings or StoreSettings(), Path(folder))
        else:
            from harvester.tables.outputs.gcs_output import GcsOutput

            yield GcsOutput(location, settings or StoreSettings(), Path(folder))


class DirectoryOutput:
    """A directory; a file appears under its name by a hard link, which fails where one is."""

    def __init__(self, root: Path) -> None:
        """Remove what killed exports left; the directory is made by the first write. Raises DestinationUnusable."""
        # One text for one directory: it names a consumer.
        self.root = Path(os.path.abspath(root))  # noqa: PTH100  # Path.absolute keeps "..", Path.resolve follows links
        self._scratch = self.root / _SCRATCH
        try:
            if self._scratch.is_dir():
                _remove_abandoned(self._scratch)
        except OSError as error:
            raise _unusable(self.root, error) from error

    @property
    def url(self) -> str:
        """The directory."""
        return str(self.root)

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names of regular files below a folder."""
        for folder, _, files in os.walk(self.root / prefix):
            below = Path(folder).relative_to(self.root)
            for name in files:
                yield str(below / name)

    def read(self, name: str) -> bytes | None:
        """Return a file."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int:
        """Return the bytes of a file."""
        try:
            return (self.root / name).stat().st_size
        except OSError as error:
            raise _unusable(self.root, error) from error

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Return some bytes of a file."""
        try:
            with (self.root / name).open("rb") as file:
                file.seek(start)
                return file.read(stop - start)
        except OSError as error:
            raise _unusable(self.root, error) from error

    def create(self, name: str, content: bytes) -> bool:
        """Write a file and link it."""
        file = self.scratch()
        try:
            with file.open("xb") as written:
                written.write(content)
                written.flush()
                os.fsync(written.fileno())
        except OSError as error:
            raise _unusable(self.root, error) from error
        return self.publish(file, name)

    def publish(self, file: Path, name: str) -> bool:
        """Link a file of the scratch folder."""
        target = self.root / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file, target)
            except FileExistsError:
                return False
            _sync_folders(target.parent, self.root)
        except OSError as error:
            raise _unusable(self.root, error) from error
        finally:
            file.unlink(missing_ok=True)
        return True

    def exists(self, name: str) -> bool:
        """Return whether there is a file."""
        return (self.root / name).is_file()

    def copy(self, source: str, target: str) -> None:
        """Link a file."""
        path = self.root / target
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.link(self.root / source, path)
            _sync_folders(path.parent, self.root)
        except OSError as error:
            raise _unusable(self.root, error) from error

    def remove(self, name: str) -> None:
        """Remove a file, and folders that are empty then."""
        path = self.root / name
        try:
            path.unlink(missing_ok=True)
            for folder in path.relative_to(self.root).parents[:-1]:
                (self.root / folder).rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise _unusable(self.root, error) from error

    def scratch(self) -> Path:
        """Return a path beside what readers of the output read. Raises DestinationUnusable."""
        try:
            self._scratch.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(self.root, error) from error
        return self._scratch / f"{os.getpid()}-{secrets.token_hex(8)}"

    def delta_options(self) -> dict[str, str]:
        """Return none: a directory needs no credentials."""
        return {}


def _remove_abandoned(folder: Path) -> None:
    """Remove what killed exports left behind, a day later: others may be running."""
    oldest = time.time() - _ABANDONED_SECONDS
    with os.scandir(folder) as entries:
        for entry in entries:
            # Another export may remove its files meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    Path(entry.path).unlink()


def _sync_folders(folder: Path, root: Path) -> None:
    """Write a file's name to the disk, and those of the folders made for it."""
    while True:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if folder == root:
            return
        folder = folder.parent


def _unusable(root: Path, error: OSError) -> DestinationUnusable:
    cause = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
        cause += "; the file system has to support hard links"
    return DestinationUnusable(f"{root} cannot be written", cause=cause, subject=str(root))
