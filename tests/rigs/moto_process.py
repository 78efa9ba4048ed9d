"""moto's real HTTP server, keeping connections alive and taking every key S3 takes.

Run as ``python -m tests.rigs.moto_process``; see processes.ServerProcess. It holds objects in memory and checks
neither signatures nor policies.
"""

from __future__ import annotations

import sys
from typing import Any

from moto.moto_server import utilities
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class _Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Say nothing."""


def _take_newlines() -> None:
    """Let the routes match keys with a newline: moto's patterns end at one, S3's keys do not."""
    original = utilities.RegexConverter.__init__

    def converter(self: Any, url_map: Any, *items: Any) -> None:
        original(self, url_map, *items)
        self.regex = f"(?s:{self.regex})"

    utilities.RegexConverter.__init__ = converter  # type: ignore[method-assign]  # the point of this function


def main() -> None:
    _take_newlines()
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
