"""Messages between a run and its workers: whole, in order, and ended by EOFError."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from harvester.transfer.workers.message_socket import MessageSocket, readable
from harvester.transfer.workers.messages import Renewed
from tests.unit.transfer.memory_workers import MemoryConnection

LONG = b"x" * 5_000_000
"""Longer than a socket holds."""


@pytest.fixture
def ends() -> Iterator[tuple[MessageSocket, MessageSocket]]:
    first, second = (MessageSocket(end.detach()) for end in socket.socketpair())
    try:
        yield first, second
    finally:
        first.close()
        second.close()


def test_messages_come_whole_and_in_order(ends: tuple[MessageSocket, MessageSocket]) -> None:
    ours, theirs = ends
    renewed = Renewed(MemoryConnection(3), 4)

    def send_all() -> None:
        for message in ("first", LONG, b"", renewed):
            ours.send(message)

    sender = threading.Thread(target=send_all)
    sender.start()
    assert [theirs.recv() for _ in range(3)] == ["first", LONG, b""]
    received = theirs.recv()
    sender.join()
    assert (received.generation, received.connection.generation) == (4, 3)


def test_the_end_is_an_eof_error_also_within_a_message(ends: tuple[MessageSocket, MessageSocket]) -> None:
    ours, theirs = ends
    ours.send("last")
    os.write(ours.fileno(), (100).to_bytes(4) + b"cut off")
    ours.close()
    assert theirs.recv() == "last"
    with pytest.raises(EOFError):
        theirs.recv()
    with pytest.raises(EOFError):
        theirs.recv()
    with pytest.raises(OSError, match="Broken pipe"):
        theirs.send("to nobody")


def test_only_what_has_something_is_readable(ends: tuple[MessageSocket, MessageSocket]) -> None:
    ours, theirs = ends
    assert not theirs.poll()
    assert readable((ours.fileno(), theirs.fileno()), 0) == []
    ours.send(1)
    assert theirs.poll(None)
    assert readable((ours.fileno(), theirs.fileno()), None) == [theirs.fileno()]
    theirs.recv()
    ours.close()
    assert readable((theirs.fileno(),), 0) == [theirs.fileno()]


def test_a_closed_end_is_no_descriptor(ends: tuple[MessageSocket, MessageSocket]) -> None:
    ours, _ = ends
    ours.close()
    ours.close()
    assert ours.fileno() < 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        ours.recv()
