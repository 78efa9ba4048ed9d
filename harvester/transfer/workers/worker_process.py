"""A worker process: one per core, fed and read by the parent over a socket."""

from __future__ import annotations

import gc
import os
import signal
import sys

from harvester.storage import load_fetcher
from harvester.transfer.workers.message_batches import pack_outcomes, unpack_assignments
from harvester.transfer.workers.message_socket import MessageSocket
from harvester.transfer.workers.messages import DestinationFault
from harvester.transfer.workers.worker import Worker
from harvester.transfer.workers.worker_limits import NO_MEMORY_CODE, limit_memory

# How long a thread waits at most before it asks for the interpreter; Python's own is 5 ms.
_SWITCH_SECONDS = 0.0003
# Freed blocks up to this size are used again by the next object instead of given back page by page.
_KEPT_BLOCK_BYTES = 16 * 1024 * 1024


def ignore_interrupts() -> None:
    """Leave to the parent when workers end: Ctrl-C in a terminal and a service manager's stop reach every process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def serve(parent: MessageSocket) -> None:
    """Work for the parent until a Stop arrives or the parent is gone."""
    # Objects come and go by the thousand and hardly any forms a cycle: the collector need not run that often.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    # glibc raises both of its thresholds for good when a block is freed that was mapped (mallopt(3)).
    bytes(_KEPT_BLOCK_BYTES)
    # What inflates a big file beside what parses it would wait for the interpreter longer than either works.
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        settings = parent.recv()
        limit_memory(settings.memory_bytes)
        try:
            worker = Worker(settings, parent)
        except OSError as error:
            first = unpack_assignments(parent.recv())[0]
            parent.send(pack_outcomes([DestinationFault(first.request.key, error.errno or 0)]))
            return
        worker.run()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # The parent is gone; what was landed and not reported is found by the next run.
        return
    except MemoryError:
        os._exit(NO_MEMORY_CODE)


def main() -> None:
    """Run a worker on the socket whose number is the first argument, for a source of the scheme that is the second."""
    ignore_interrupts()
    parent = MessageSocket(int(sys.argv[1]))
    load_fetcher(sys.argv[2])
    serve(parent)


if __name__ == "__main__":
    main()
