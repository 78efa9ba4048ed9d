"""A worker that settles the messages of a queue in an open session, as ``watch`` does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from harvester.events.queue.peer_destinations import PeerDestinations
from harvester.events.queue.queue_options import QueueWatchOptions
from harvester.events.queue.queue_worker import QueueWorker
from harvester.location import Location
from harvester.queues.message_queue import MessageQueue
from harvester.retry import RateLimitedLog, RetryPolicy
from harvester.sessions.connections import StoreSettings
from harvester.transfer.options import Observer, SyncOptions
from harvester.transfer.session import SyncSession, open_session

Fate = Literal["deleted", "left", "either"]
"""What becomes of a message."""
_RETRY = RetryPolicy(attempts=2, seconds=5, base_delay=0.001, max_delay=0.01, connect_seconds=5, stall_seconds=5)


@contextmanager
def settling_worker(
    location: Location, queue: MessageQueue, folder: Path, endpoint_url: str | None = None
) -> Iterator[tuple[SyncSession, QueueWorker]]:
    """Open a session with one worker process that lands what the messages of ``queue`` announce in ``folder``."""
    # No message that is left comes again within the test.
    watching = QueueWatchOptions(queue.address, lease=600)
    peers, log = PeerDestinations((), location), RateLimitedLog(lambda _: None)
    worker = QueueWorker(location, watching, peers, log, lambda: None)
    connection, observer = StoreSettings(endpoint_url=endpoint_url, retry=_RETRY), Observer(event=worker.record)
    with (
        open_session(location, folder, SyncOptions(workers=1), settings=connection, observer=observer) as session,
        worker.running(session, queue, folder / ".nimble-harvester"),
    ):
        yield session, worker
