"""In-memory doubles of the sync core's interfaces: a store of bytes, and workers that are threads with a script."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from harvester.location import Location, parse_location
from harvester.storage.base import (
    DigestedListing,
    FetchRequest,
    ListPage,
    ObjectRef,
    StoreConnection,
    StoreTime,
    UploadList,
)
from harvester.transfer.workers.message_batches import pack_outcomes, unpack_assignments
from harvester.transfer.workers.message_socket import MessageSocket
from harvester.transfer.workers.messages import (
    Alive,
    Assignment,
    CredentialsExpired,
    Failed,
    Landed,
    Outcome,
    Renewed,
    Stop,
    WorkerSettings,
)
from harvester.transfer.workers.worker_launch import Launched

Message = Outcome | Alive | CredentialsExpired
Script = Callable[[Assignment], Message | Iterator[Message] | None]
"""What a worker sends for an assignment; None: it dies."""


class MemoryConnection:
    """What a worker of a `MemoryStore` would fetch with."""

    scheme = "memory"

    def __init__(self, generation: int = 0) -> None:
        self.generation = generation


class MemoryStore:
    """Objects in memory."""

    starts_anywhere = False

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = objects
        self.renewals = 0
        self.location: Location = parse_location("s3://bucket/p/")

    def list_pages(
        self, start: str = "", end: str | None = None, *, ordered: bool = False, prefix: str = ""
    ) -> Iterator[ListPage]:
        assert ordered or not start
        keys = sorted(k for k in self.objects if k >= start and (end is None or k < end) and k.startswith(prefix))
        if keys:
            yield ListPage([ref(key, len(self.objects[key])) for key in keys], [])

    def digested(self, secret: bytes) -> DigestedListing | None:  # noqa: ARG002
        return None

    def list_folders(self, parent: str) -> list[str]:
        raise AssertionError(parent)

    def list_uploads(self) -> UploadList | None:
        return None

    def connection(self, *, renew: bool = False) -> StoreConnection:
        self.renewals += renew
        return MemoryConnection(self.renewals)

    def now(self) -> StoreTime | None:
        return None

    def put(self, key: str, body: bytes) -> None:
        self.objects[key] = body

    def head(self, key: str) -> ObjectRef | None:
        return ref(key, len(self.objects[key])) if key in self.objects else None


class _Thread:
    """A worker process that is a thread; its number is that of no process."""

    pid = 0

    def __init__(self, line: MessageSocket, script: Script, ended: Callable[[], None], code: int) -> None:
        self._line = line
        self._code = code
        self._script = script
        self._ended = ended
        self._dead = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def kill(self) -> None:
        self._dead.set()
        # Whatever the thread is doing, its peer sees the end now.
        with socket.socket(fileno=os.dup(self._line.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    def wait(self) -> int:
        return self._code

    def _send(self, message: Message) -> None:
        if not self._dead.is_set():
            self._line.send(message if isinstance(message, (Alive, CredentialsExpired)) else pack_outcomes([message]))

    def _run(self) -> None:
        try:
            settings = self._line.recv()
            assert isinstance(settings, WorkerSettings)
            while not isinstance(command := self._line.recv(), Stop):
                if isinstance(command, Renewed):
                    continue
                for given in unpack_assignments(command):
                    sent = self._script(given)
                    if sent is None:
                        return
                    for message in sent if isinstance(sent, Iterator) else (sent,):
                        self._send(message)
        except (EOFError, OSError):
            pass
        finally:
            self._line.close()
            self._ended()


class MemoryWorkers:
    """Launches workers that follow one script."""

    def __init__(self, script: Script, code: int = -9) -> None:
        """``code`` is the exit code of those that die."""
        self._script = script
        self._code = code
        self.launched = 0
        self.ended = 0

    def __call__(self, scheme: str) -> Launched:
        del scheme
        self.launched += 1
        ours, theirs = socket.socketpair()
        thread = _Thread(MessageSocket(theirs.detach()), self._script, self._end, self._code)
        return Launched(thread, MessageSocket(ours.detach()))

    def _end(self) -> None:
        self.ended += 1


def ref(key: str, size: int = 4, etag: str = "one") -> ObjectRef:
    return ObjectRef(key, size, etag, 1.0)


def assignment(key: str) -> Assignment:
    return Assignment(FetchRequest(key, 4, "one", 1.0), key.removeprefix("p/"), "", "", "")


def landed(given: Assignment, **changes: Any) -> Landed:
    request = given.request
    outcome = Landed(
        request.key, request.etag, request.size, 1.0, given.path, 4, 7, "digest", "extract", "identity", None, None,
        None, None, None, 4,
    )  # fmt: skip
    return outcome._replace(**changes)


def failed(given: Assignment, cause: str) -> Failed:
    request = given.request
    return Failed(request.key, request.etag, request.size, cause, "detail")
