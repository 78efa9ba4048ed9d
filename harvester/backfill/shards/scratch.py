"""The scratch folder of one attempt: empty at its start, removed at its end, and after a kill by the next attempt."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import gettempdir

from harvester.backfill.backfill_plan import Shard
from harvester.destination import destination_error


@contextlib.contextmanager
def scratch_folder(shard: Shard, parent: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that no other attempt on this machine has, below ``parent`` or the system's.

    A folder that a killed attempt left is emptied and used. Raises DestinationUnusable where none can be made.
    """
    parent = parent or Path(gettempdir())
    try:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(_held_folder(parent, f"nimble-backfill-{shard.backfill.id}-{shard.name}"))
            yield folder
    except OSError as error:
        raise destination_error(parent, error) from error


@contextlib.contextmanager
def _held_folder(parent: Path, name: str) -> Iterator[Path]:
    parent.mkdir(parents=True, exist_ok=True)
    for number in count():
        lock = parent / f"{name}.{number}.lock"
        file = _held(lock)
        if file is None:
            continue
        folder = parent / f"{name}.{number}"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)
            os.close(file)
        return


def _held(lock: Path) -> int | None:
    """Return the descriptor of a lock file that this process holds now; None where another attempt holds it."""
    while True:
        file = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return None
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), lock.stat(follow_symlinks=False)):
                return file
        # Its holder removed it between the two calls.
        os.close(file)
