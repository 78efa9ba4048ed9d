"""``file://``: a local directory, listed and fetched like a bucket.

Keys are absolute paths; names that are not UTF-8 keep their bytes as surrogates. The order is that of a bucket: by the
bytes of the path, a directory sorting as its name with ``/``. A symbolic link to a regular file inside the directory
counts as that file; every other link, and whatever is neither file nor directory, is no object. Empty directories
hold none.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from select import select
from typing import NamedTuple

from harvester.causes import Cause
from harvester.error_codes import ErrorCode
from harvester.errors import AccessDenied, ConnectionFailed, DestinationUnusable, NoSuchBucket, UsageError
from harvester.location import Location
from harvester.retry import RetryPolicy
from harvester.sessions import StoreSettings
from harvester.storage.base import (
    MEBIBYTE,
    Arrival,
    DigestedListing,
    FetchFailure,
    FetchRequest,
    FetchResult,
    ListPage,
    ObjectRef,
    StoreConnection,
    StoreTime,
    UploadList,
)
from harvester.storage.spool_files import new_spool_file

_PAGE = 1000
_CLOCK_TICK = 0.02  # file systems state the time of the last tick, of which Linux has 100 a second at least
_COPY_BLOCK = MEBIBYTE
_BYTES_PER_POLL = 8 * MEBIBYTE


def identity(status: os.stat_result) -> str:
    """Return the identity of a file's present content: it changes when the file is written or replaced."""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ino}"


class DirectoryConnection(NamedTuple):
    """What a fetcher of files needs."""

    root: str
    """The directory, ending in ``/``; nothing outside it is read."""
    max_object_bytes: int | None
    """Longer files are refused."""
    retry: RetryPolicy
    """How often a file that changes while it is read is read again."""

    @property
    def scheme(self) -> str:
        """``file``."""
        return "file"


class DirectoryStore:
    """A directory as a store."""

    def __init__(self, location: Location, settings: StoreSettings) -> None:
        """Take a ``file`` location; settings of buckets do not apply."""
        self.location = location
        self._settings = settings

    def list_pages(
        self,
        start: str = "",
        end: str | None = None,
        *,
        ordered: bool = False,  # noqa: ARG002  # always
        prefix: str = "",
    ) -> Iterator[ListPage]:
        """See Store.list_pages."""
        root = self.location.prefix
        real_root = os.path.realpath(root)
        first, last = os.fsencode(max(start, prefix)), None if end is None else os.fsencode(end)
        is_bounded = bool(first) or last is not None
        page: list[ObjectRef] = []
        for path in _walk(root, first, last, top=True):
            if is_bounded:
                name = os.fsencode(path)
                if name < first:
                    continue
                if (last is not None and name >= last) or not path.startswith(prefix):
                    break
            found = _object_at(path, real_root)
            if found is not None:
                page.append(found)
            if len(page) == _PAGE:
                yield ListPage(page, [])
                page = []
        if page:
            yield ListPage(page, [])

    def digested(self, secret: bytes) -> DigestedListing | None:  # noqa: ARG002  # part of the protocol
        """See Store.digested."""
        return None

    @property
    def starts_anywhere(self) -> bool:
        """False: a directory is walked from its beginning."""
        return False

    def list_folders(self, parent: str) -> list[str]:  # noqa: ARG002  # part of the protocol
        """Return none: a directory is not listed in ranges."""
        return []

    def list_uploads(self) -> UploadList | None:
        """Return None: what writes a file decides about its time."""
        return None

    def connection(self, *, renew: bool = False) -> DirectoryConnection:  # noqa: ARG002  # there are no credentials
        """See Store.connection."""
        return DirectoryConnection(self.location.prefix, self._settings.max_object_bytes, self._settings.retry)

    def now(self) -> StoreTime | None:
        """Return this machine's time: a directory of another machine states none."""
        return StoreTime(time.time(), _CLOCK_TICK)

    def put(self, key: str, body: bytes) -> None:
        """Write ``body`` to the path ``key``, making its directories. Raises UsageError outside the directory."""
        root = self.location.prefix
        if not key.startswith(root) or os.path.normpath(key) != key:
            raise UsageError(f"{key!r} is no path below {root}")
        try:
            Path(key).parent.mkdir(parents=True, exist_ok=True)
            # Loaded by what writes: a run with nothing to do starts without it.
            import tempfile

            with tempfile.NamedTemporaryFile(dir=Path(key).parent, delete=False) as file:
                file.write(body)
            Path(file.name).replace(key)
        except OSError as error:
            raise DestinationUnusable(f"cannot write {key}", cause=error.strerror or str(error)) from error

    def head(self, key: str) -> ObjectRef | None:
        """See Store.head."""
        return _object_at(key, os.path.realpath(self.location.prefix))


def _walk(directory: str, first: bytes, last: bytes | None, *, top: bool = False) -> Iterator[str]:
    """Yield every path below ``directory`` that is not a directory, in the byte order of the paths.

    Directories are passed over that hold nothing from ``first`` to ``last``.
    """
    try:
        with os.scandir(directory) as entries:
            found = [f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries]
    except FileNotFoundError as error:
        if not top:
            return  # removed while we walked
        raise NoSuchBucket(
            f"no such directory: {directory}", code=ErrorCode.NO_SUCH_DIRECTORY, subject=str(directory)
        ) from error
    except NotADirectoryError as error:
        raise NoSuchBucket(
            f"not a directory: {directory}", code=ErrorCode.NOT_A_DIRECTORY, subject=str(directory)
        ) from error
    except PermissionError as error:
        raise AccessDenied(f"cannot read the directory {directory}", cause="permission denied") from error
    except OSError as error:
        raise ConnectionFailed(f"cannot read the directory {directory}", cause=error.strerror or str(error)) from error
    # ASCII has the order of its bytes.
    found.sort(key=None if "".join(found).isascii() else os.fsencode)
    for name in found:
        path = directory + name
        if name.endswith("/"):
            whole = os.fsencode(path)
            if (whole >= first or first.startswith(whole)) and (last is None or whole < last):
                yield from _walk(path, first, last)
        else:
            yield path


def _object_at(path: str, real_root: str) -> ObjectRef | None:
    """Return the object at ``path``, None when there is none by this module's rules."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            target = os.path.realpath(path)
            if os.path.commonpath([target, real_root]) != real_root:
                return None
            status = os.stat(target, follow_symlinks=False)  # noqa: PTH116  # names may hold surrogates and "."
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return ObjectRef(path, status.st_size, identity(status), status.st_mtime)


class DirectoryFetcher:
    """Reads files one after the other; a disk is no network, so that concurrency gains nothing."""

    needs_credentials = False

    def __init__(self, connection: DirectoryConnection, spool_directory: str, spool_from: int) -> None:
        """Bodies of ``spool_from`` bytes and more are copied to files in ``spool_directory``."""
        self._connection = connection
        self._real_root = os.path.realpath(connection.root)
        self._spool_directory = spool_directory
        self._spool_from = spool_from
        self._waiting: deque[FetchRequest] = deque()

    @property
    def in_flight(self) -> int:
        """See Fetcher.in_flight."""
        return len(self._waiting)

    def capacity(self) -> int:
        """See Fetcher.capacity."""
        return max(0, 32 - len(self._waiting))

    def submit(self, request: FetchRequest, arrival: Arrival | None = None) -> None:  # noqa: ARG002  # copied at once
        """See Fetcher.submit."""
        self._waiting.append(request)

    def poll(self, timeout: float, wake: Sequence[int] = ()) -> list[FetchResult]:
        """See Fetcher.poll."""
        done: list[FetchResult] = []
        size = 0
        while self._waiting and size < _BYTES_PER_POLL:
            request = self._waiting.popleft()
            done.append(self._fetch(request))
            size += request.size
        if not done:
            select(wake, (), (), timeout)
        return done

    def renew(self, connection: StoreConnection) -> None:
        """Do nothing: files need no credentials."""

    def close(self) -> None:
        """See Fetcher.close."""
        self._waiting.clear()

    def _fetch(self, request: FetchRequest) -> FetchResult:
        failure = FetchFailure(Cause.INTEGRITY, detail="the file changed each time while it was read")
        for attempt in range(1, self._connection.retry.attempts + 1):
            try:
                fetched = self._read(request, attempt)
            except _SpoolFailed as error:
                failure = FetchFailure(Cause.SPOOL, errno.errorcode.get(error.errno, ""), error.strerror)
                return _failed(request, failure, attempt)
            except OSError as error:
                return _failed(request, _file_failure(error), attempt)
            if fetched is not None:
                return fetched
        return _failed(request, failure, self._connection.retry.attempts)

    def _read(self, request: FetchRequest, attempt: int) -> FetchResult | None:
        """Read the file whole; None when it changed meanwhile."""
        if os.path.commonpath([os.path.realpath(request.key), self._real_root]) != self._real_root:
            return _failed(request, FetchFailure(Cause.GONE, detail="it now leads out of the directory"), attempt)
        # Non-blocking, so that a FIFO put in the file's place cannot hang the worker.
        descriptor = os.open(request.key, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                return _failed(request, FetchFailure(Cause.GONE, detail="no regular file any more"), attempt)
            limit = self._connection.max_object_bytes
            if limit is not None and before.st_size > limit:
                return _failed(request, FetchFailure(Cause.TOO_LARGE, detail=f"{before.st_size} bytes"), attempt)
            body: bytes | None = None
            spool: str | None = None
            if before.st_size >= self._spool_from:
                spool = self._copy(descriptor)
                length = os.stat(spool).st_size  # noqa: PTH116  # a plain string on a hot path
            else:
                body = _read_all(descriptor, before.st_size)
                length = len(body)
            after = os.fstat(descriptor)
            if identity(after) != identity(before) or length != before.st_size:
                if spool is not None:
                    Path(spool).unlink()
                return None
            return FetchResult(request, body, spool, identity(after), after.st_mtime, None, attempt)
        finally:
            os.close(descriptor)

    def _copy(self, descriptor: int) -> str:
        try:
            target, path = new_spool_file(self._spool_directory)
        except OSError as error:
            raise _SpoolFailed(error) from error
        try:
            while block := os.read(descriptor, _COPY_BLOCK):
                view = memoryview(block)
                while view:
                    try:
                        view = view[os.write(target, view) :]
                    except OSError as error:
                        raise _SpoolFailed(error) from error
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise
        finally:
            os.close(target)
        return path


class _SpoolFailed(Exception):
    """The spool failed, not the source; both are files."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.errno = error.errno or 0
        self.strerror = error.strerror or str(error)


def _read_all(descriptor: int, size: int) -> bytes:
    # One byte more than the file had, so that one which grew is noticed.
    body = os.read(descriptor, size + 1)
    if len(body) == size or not body:
        return body
    chunks = [body]
    while chunk := os.read(descriptor, MEBIBYTE):
        chunks.append(chunk)
    return b"".join(chunks)


def _failed(request: FetchRequest, failure: FetchFailure, attempt: int) -> FetchResult:
    return FetchResult(request, None, None, "", None, failure, attempt)


def _file_failure(error: OSError) -> FetchFailure:
    code = errno.errorcode.get(error.errno or 0, "")
    match error:
        case FileNotFoundError() | NotADirectoryError() | IsADirectoryError():
            cause = Cause.GONE
        case PermissionError():
            cause = Cause.OBJECT_DENIED
        case _:
            cause = Cause.UNREADABLE
    return FetchFailure(cause, code, error.strerror or "")
