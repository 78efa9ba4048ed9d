"""What lets a destination survive kills, power cuts and a full disk: recovery, space set aside, durable writes."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from harvester.destination.manifest import Manifest
from harvester.destination.paths import TEMPORARY
from harvester.destination.tree import NoFollowTree
from harvester.error_codes import ErrorCode
from harvester.errors import DestinationLocked

# A batch of rows, each of which changes pages in three trees.
_RESERVED_BYTES = 16 * 1024 * 1024
# Workers leave as soon as they notice that their parent is gone and the object in hand is done.
_ABANDONED_SECONDS = 30.0
_ABANDONED_INTERVAL = 0.05


def wait_for_abandoned_workers(root: Path, writers: Path) -> None:
    """Return when the workers of a run that was killed have left. Raises DestinationLocked when one does not."""
    file = os.open(writers, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    until = time.monotonic() + _ABANDONED_SECONDS
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise DestinationLocked(
                        f"{root} is still written to",
                        cause="a run was killed, and a worker process of it does not end",
                        code=ErrorCode.DESTINATION_STILL_WRITTEN,
                        subject=str(root),
                    ) from None
                time.sleep(_ABANDONED_INTERVAL)
            else:
                return
    finally:
        os.close(file)


def clear_folder(folder: Path) -> None:
    """Remove what is in a folder."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            # Loaded where a folder was put there.
            import shutil

            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)  # noqa: PTH108  # an entry, not a Path


def reserve_space(root: Path) -> None:
    """Set a little space aside, so that on a full disk what has landed can still be recorded; best effort."""
    try:
        file = os.open(_reserve(root), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        return
    try:
        found = os.fstatvfs(file)
        os.posix_fallocate(file, 0, max(1, min(_RESERVED_BYTES, found.f_bavail * found.f_frsize // 8)))
    except OSError:
        release_space(root)
    finally:
        os.close(file)


def release_space(root: Path) -> None:
    """Give back what ``reserve_space`` has set aside."""
    with contextlib.suppress(OSError):
        _reserve(root).unlink()


def _reserve(root: Path) -> Path:
    # Among the temporary files, which the next run removes when this one is killed.
    return root / TEMPORARY / "reserve"


def recover(root: Path, manifest: Manifest) -> None:
    """Read again what landed, or was quarantined, after the last durable barrier: a power cut may have taken it."""
    quarantined = manifest.quarantined_by_unfinished_run()
    unconfirmed = manifest.landed_after(manifest.barrier())
    if not (quarantined or unconfirmed):
        return
    inside = NoFollowTree(root)
    manifest.distrust_quarantined(row.key for row in quarantined if not _is_intact(inside, row.path, row.digest))
    manifest.distrust(row.key for row in unconfirmed if not _is_intact(inside, row.path, row.digest))
    flush_file_system(root)
    manifest.set_barrier(unconfirmed[-1].seq if unconfirmed else manifest.barrier())


def _is_intact(inside: NoFollowTree, path: str | None, digest: str | None) -> bool:
    if path is None:
        return False
    try:
        whole = Path(inside.whole_path(path))
    except OSError:
        # Its folder is gone, or a link has taken its place.
        return False
    return file_digest(whole) == digest


def file_digest(path: Path) -> str | None:
    """Return the xxh3-128 of a regular file, None when it cannot be read."""
    # Loaded after an unclean end, and to verify.
    import xxhash

    digest = xxhash.xxh3_128()
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while chunk := os.read(file, 1024 * 1024):
                digest.update(chunk)
        finally:
            os.close(file)
    except OSError:
        return None
    return digest.hexdigest()


@cache
def _syncfs() -> Callable[[int], int] | None:
    """Return the system's syncfs, None where there is none; once, as each load of a library leaves a type behind."""
    # Loaded by the runs that have landed something.
    import ctypes

    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)


def flush_file_system(root: Path) -> None:
    """Return when everything written to the destination's file system so far is on the disk."""
    syncfs = _syncfs()
    if syncfs is None:
        os.sync()
        return
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # ctypes lets other threads run meanwhile.
        if syncfs(folder) != 0:
            import ctypes

            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(root))
    finally:
        os.close(folder)
