"""A file system that, like a Mac's, stores names decomposed and folds case and normalization.

Run as ``python -m tests.rigs.folding_fs BACKING MOUNTED``; it serves BACKING at MOUNTED until it is unmounted. See
file_systems.folding.
"""

# ruff: noqa: ARG002  # the signatures are those of FUSE

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mfusepy

_ATTRIBUTES = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino")
_SPACE = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_frsize", "f_namemax")


def _identity(name: str) -> str:
    return unicodedata.normalize("NFD", name).casefold()


def _done(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except OSError as error:
        raise mfusepy.FuseOSError(error.errno) from error


class FoldingFileSystem(mfusepy.Operations):  # type: ignore[misc]  # published without types
    """Looks each name up as it was first written."""

    use_ns = True

    def __init__(self, backing: str) -> None:
        self._backing = backing

    def _real(self, path: str) -> str:
        found = Path(self._backing)
        for part in filter(None, path.split("/")):
            entries = found.iterdir() if found.is_dir() else ()
            known = (entry for entry in entries if _identity(entry.name) == _identity(part))
            found = next(known, found / unicodedata.normalize("NFD", part))
        return str(found)

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        status = _done(os.lstat, self._real(path))
        times = {f"st_{which}time": getattr(status, f"st_{which}time_ns") for which in "amc"}
        return {name: getattr(status, name) for name in _ATTRIBUTES} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(entry.name for entry in Path(self._real(path)).iterdir())]

    def mkdir(self, path: str, mode: int) -> None:
        _done(os.mkdir, self._real(path), mode)

    def rmdir(self, path: str) -> None:
        _done(os.rmdir, self._real(path))

    def unlink(self, path: str) -> None:
        _done(os.unlink, self._real(path))

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        _done(os.rename, self._real(old), self._real(new))

    def create(self, path: str, mode: int, fi: object = None) -> int:
        return int(_done(os.open, self._real(path), os.O_RDWR | os.O_CREAT, mode))

    def open(self, path: str, flags: int) -> int:
        return int(_done(os.open, self._real(path), flags & os.O_ACCMODE))

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return int(_done(os.pwrite, fh, data, offset))

    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        _done(os.truncate, self._real(path), length)

    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    def fsync(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._backing)
        return {name: getattr(found, name) for name in _SPACE}


if __name__ == "__main__":
    mfusepy.FUSE(FoldingFileSystem(sys.argv[1]), sys.argv[2], foreground=True)
