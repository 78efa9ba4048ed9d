"""Replace a file as a whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a file beside ``path`` and rename it: a reader gets the old content or the new, never a part.

    ``mode`` are its permission bits; by default those of any new file. The name beside it is hidden. Raises OSError,
    and leaves no file beside it then.
    """
    draft = path.parent / f".{path.name}.{os.getpid()}"
    try:
        draft.write_bytes(content)
        if mode is not None:
            draft.chmod(mode)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
