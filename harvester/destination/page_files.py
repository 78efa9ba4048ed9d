"""The files of a known page, as they landed: packed for the manifest, compared with what lies there now."""

import os
import struct
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple, Self

from harvester.destination.tree import NoFollowTree

_NUMBER_BYTES = 8
_TYPE_BITS = 0o170000
_REGULAR = 0o100000


class PageFiles(NamedTuple):
    """Files in the order of their keys, in groups of one folder each."""

    groups: tuple[tuple[str, list[str]], ...]
    """Folders, relative to the destination, and the names in each."""
    sizes: tuple[int, ...]
    """Bytes as landed."""
    times: tuple[int, ...]
    """Modification times, nanoseconds since the epoch."""

    @staticmethod
    def pack(files: Iterable[tuple[str, int, int]]) -> bytes:
        """Return path, size and time of files as bytes that ``unpack`` reads."""
        paths, sizes, times = zip(*files, strict=True)
        lines: list[str] = []
        for folder, members in groupby(paths, lambda path: path.rpartition("/")[0]):
            # No name begins with a slash: what does is a folder.
            lines.append(f"/{folder}")
            lines.extend(path.rpartition("/")[2] for path in members)
        return struct.pack(f"<{2 * len(sizes)}q", *sizes, *times) + "\0".join(lines).encode()

    @classmethod
    def unpack(cls, packed: bytes, count: int) -> Self | None:
        """Return ``count`` files, None where the bytes do not hold as many."""
        names = 2 * count * _NUMBER_BYTES
        try:
            numbers = struct.unpack(f"<{2 * count}q", packed[:names])
            lines = packed[names:].decode()
        except (struct.error, UnicodeDecodeError):
            return None
        groups = tuple(_groups(lines))
        # A name that holds a slash would lie in another folder than the one that is checked.
        slashes = sum(folder.count("/") + 1 for folder, _ in groups)
        if sum(len(members) for _, members in groups) != count or lines.count("/") != slashes:
            return None
        return cls(groups, numbers[:count], numbers[count:])

    def are_unchanged(self, inside: NoFollowTree) -> bool:
        """Return whether each is a regular file of its size and time, and no link leads to any. Raises OSError."""
        stat, sizes, times = os.stat, iter(self.sizes), iter(self.times)
        try:
            for folder, names in self.groups:
                above, file = inside.base_of(folder)
                for name, size, time in zip(names, sizes, times, strict=False):
                    found = stat(above + name, dir_fd=file, follow_symlinks=False)
                    if found.st_size != size or found.st_mtime_ns != time or found.st_mode & _TYPE_BITS != _REGULAR:
                        return False
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


def _groups(text: str) -> Iterator[tuple[str, list[str]]]:
    for group in text.removeprefix("/").split("\0/"):
        folder, *names = group.split("\0")
        yield folder, names
