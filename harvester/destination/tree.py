"""Stat files of a destination without leaving it: a symbolic link in place of a folder leads elsewhere."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from harvester.destination.paths import check_inside


class NoFollowTree:
    """The tree of a destination as it is read. What lies behind a link is not in it, whatever bytes lie there.

    Folders are read once and remembered: make a new one for each pass over the tree.
    """

    def __init__(self, root: str | os.PathLike[str], file: int | None = None) -> None:
        """Read nothing yet; ``root`` itself may be reached through links.

        ``file``, the open folder at ``root``, saves resolving its path each time; it belongs to the caller.
        """
        self._root = os.fspath(root) + "/"
        self._file = file
        self._base = self._root if file is None else ""
        self._folder = ""
        self._folder_is_plain = True

    def lstat(self, path: str) -> os.stat_result:
        """Return the status of what lies at ``path``, relative to the destination, a link not followed.

        Raises FileNotFoundError, NotADirectoryError when something else than folders lies above it, or OSError.
        """
        self._check_folder(path)
        return os.stat(self._base + path, dir_fd=self._file, follow_symlinks=False)

    def whole_path(self, path: str) -> str:
        """Return the whole path of ``path``. Raises NotADirectoryError when a link lies above it, or OSError."""
        self._check_folder(path)
        return self._root + path

    def base_of(self, folder: str) -> tuple[str, int | None]:
        """Return what begins the path of a file of ``folder`` for ``os.stat``, and its ``dir_fd``.

        ``folder`` is relative to the destination, empty for itself. Raises like ``lstat``.
        """
        if folder:
            self._check_folder(f"{folder}/name")
        return f"{self._base}{folder}/" if folder else self._base, self._file

    def _check_folder(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        if name == ".." or path.startswith("/"):
            check_inside(path)
        # Paths come in order mostly, many of one folder together.
        if folder != self._folder:
            check_inside(path)
            self._folder_is_plain = self._is_plain(folder)
            self._folder = folder
        if not self._folder_is_plain:
            raise NotADirectoryError(f"a link lies above {path}")

    def _is_plain(self, folder: str) -> bool:
        ends = [position for position, character in enumerate(folder) if character == "/"]
        return all(
            stat.S_ISDIR(os.lstat(self._root + above).st_mode) for above in (*(folder[:end] for end in ends), folder)
        )


def remove_inside(root: str | os.PathLike[str], path: str) -> None:
    """Remove a file of the destination, if it is there and no link leads to it. Raises OSError."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        Path(NoFollowTree(root).whole_path(path)).unlink()
