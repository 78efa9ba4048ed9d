"""New files for large bodies, with the permissions that the process's umask leaves, as they become the objects."""

from __future__ import annotations

import os


def new_spool_file(directory: str) -> tuple[int, str]:
    """Create a new file in ``directory`` and return its descriptor and path. Raises OSError."""
    path = f"{directory}/spool-{os.urandom(8).hex()}"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), path
