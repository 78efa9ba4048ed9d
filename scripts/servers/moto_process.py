"""moto's real HTTP server, keeping connections alive and taking every key S3 takes.

Run as ``python -m scripts.servers.moto_process``; see server_process.ServerProcess. It holds objects in memory and
checks neither signatures nor policies.
"""

from __future__ import annotations

import copy
import sys
import threading
import time
from typing import Any

from moto.moto_server import utilities
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.sqs.models import Message, SQSBackend
from werkzeug.serving import make_server


class _Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Log nothing."""


def _take_newlines() -> None:
    """Let the routes match keys with a newline: moto's patterns end at one, S3's keys do not."""
    original = utilities.RegexConverter.__init__

    def converter(self: Any, url_map: Any, *items: Any) -> None:
        original(self, url_map, *items)
        self.regex = f"(?s:{self.regex})"

    utilities.RegexConverter.__init__ = converter  # type: ignore[method-assign]  # the point of this function


def _give_messages_once() -> None:
    """Let a message be given to one receiver at a time, and quickly.

    moto looks whether a message is visible and hides it in two steps, deletes by writing its list anew, and counts the
    whole queue for every message.
    """
    original = SQSBackend.receive_message
    turn = threading.RLock()

    def in_turn(name: str) -> None:
        method = getattr(SQSBackend, name)

        def take_turn(*arguments: Any, **named: Any) -> Any:
            with turn:
                return method(*arguments, **named)

        setattr(SQSBackend, name, take_turn)

    def receive(
        self: SQSBackend,
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        visibility_timeout: int,
        message_attribute_names: list[str] | None = None,
    ) -> list[Message]:
        until = time.monotonic() + wait_seconds_timeout
        while True:
            with turn:
                found = original(self, queue_name, count, 0, visibility_timeout, message_attribute_names)
            if found or time.monotonic() >= until:
                return found
            time.sleep(0.05)

    for name in ("send_message", "delete_message", "delete_message_batch", "change_message_visibility"):
        in_turn(name)
    SQSBackend.receive_message = receive  # type: ignore[method-assign]  # the point of this function
    SQSBackend.is_message_valid_based_on_retention_period = lambda *_: True  # type: ignore[method-assign]  # none is days old
    Message.__deepcopy__ = lambda self, _: copy.copy(self)  # type: ignore[attr-defined]  # its attributes stay shared


def main() -> None:
    _take_newlines()
    _give_messages_once()
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
