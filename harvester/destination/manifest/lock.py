"""One session at a time on a destination: a kernel lock, which a crash cannot leave behind."""

import contextlib
import errno
import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from harvester.destination.paths import STATE_FOLDER
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationLocked

_NO_LOCKS = frozenset({errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class LockHolder(NamedTuple):
    """The process that holds a destination."""

    process: int
    """Process id on that host."""
    host: str
    """Host name."""
    since: float
    """Seconds since the epoch."""


class DestinationLock:
    """Holds ``lock`` in a destination's state folder for as long as it is open."""

    def __init__(self, path: Path, *, optional: bool = False) -> None:
        """Take the lock at ``path``; with ``optional`` go without where the file system has no locks.

        Raises DestinationLocked, naming the holder, when a live session has it, or OSError.
        """
        self.is_held = True
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _parse_holder(os.pread(self._file, 4096, 0))
            os.close(self._file)
            held = path.parent.parent if path.parent.name == STATE_FOLDER else path.parent
            raise DestinationLocked(
                f"{held} is in use by another run",
                cause=_describe(holder),
                code=ErrorCode.DESTINATION_LOCKED,
                subject=str(held),
            ) from None
        except OSError as error:
            has_locks = error.errno not in _NO_LOCKS
            if has_locks or not optional:
                os.close(self._file)
                raise error if has_locks else OSError(errno.ENOLCK, str(error), str(path.parent)) from error
            self.is_held = False
        mine = json.dumps({"process": os.getpid(), "host": os.uname().nodename, "since": time.time()}).encode()
        # The kernel's lock is what counts; on a full disk it goes without a name.
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, mine, 0)

    def release(self) -> None:
        """Release the destination."""
        if self._file >= 0:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """Return the lock, which is held."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the destination."""
        self.release()


def read_lock_holder(path: Path) -> LockHolder | None:
    """Return the holder of the lock at ``path``, None while it is free, or where there are no locks."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _parse_holder(os.pread(file, 4096, 0)) or LockHolder(0, "unknown", 0.0)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return None
    else:
        return None
    finally:
        os.close(file)


def _parse_holder(text: bytes) -> LockHolder | None:
    # Read while the holder may be writing it: half a line is no holder, and no failure either.
    try:
        fields = json.loads(text)
        return LockHolder(int(fields["process"]), str(fields["host"]), float(fields["since"]))
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


def _describe(holder: LockHolder | None) -> str:
    if holder is None:
        return "the holder has not written its name yet"
    since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(holder.since))
    return f"held by process {holder.process} on {holder.host} since {since}"
