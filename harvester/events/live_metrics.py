"""Metrics of a verb that runs until it is stopped: written to a file, and served over HTTP."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester.destination import destination_metrics
from harvester.errors import HarvesterError
from harvester.extras import LISTEN, require_extra
from harvester.metrics import CONTENT_TYPE, Metric, last_success, metrics_text, write_metrics_file

_FILE_SECONDS = 15.0
_DESTINATION_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """Where metrics go."""

    file: Path | None = None
    """A file for node_exporter's textfile collector, rewritten every 15 seconds and at the end."""
    port: int | None = None
    """A port that serves ``/metrics`` and ``/healthz``; 0 for any free one."""
    host: str = "127.0.0.1"
    """The address of that port."""


class LiveMetrics:
    """Counts what happens, and publishes it. Counted in one thread; read in that of the HTTP server as well."""

    def __init__(
        self,
        options: MetricsOptions,
        destination: Path,
        state_dir: Path | None,
        verb: str,
        own: Callable[[], list[Metric]] = list,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``verb`` is a label in the file; ``own``: metrics of the verb itself.

        ``warn`` gets the reason when the file cannot be written.
        """
        self._options = options
        self._destination = destination
        self._state_dir = state_dir
        self._verb = verb
        self._own = own
        self._warn = warn
        self._last_success: float | None = None
        self._failure = ""
        self._known: list[Metric] = []
        self._known_until = 0.0
        self._written_at = float("-inf")
        self._file_works = True
        self._started_at = time.time()
        self.objects: Counter[str] = Counter()
        """Objects by outcome."""
        self.moved: Callable[[], Mapping[str, int]] = dict
        """Returns the bytes that were fetched and written so far, by these words."""

    def works(self) -> None:
        """Note that source and destination work."""
        self._failure = ""

    def succeeded(self) -> None:
        """Note a success: a complete listing, or the landing of what is announced, without an open problem."""
        self._last_success = time.time()
        self.works()

    def failed(self, message: str) -> None:
        """Note what interrupts the work, until it succeeds again."""
        self._failure = message

    def health(self) -> tuple[bool, str]:
        """Return whether the work goes on, and a word on it that contains nothing from outside."""
        return (False, "interrupted; retrying") if self._failure else (True, "ok")

    def collect(self) -> list[Metric]:
        """Return all metrics as they are now."""
        now = time.monotonic()
        if now >= self._known_until:
            self._known = destination_metrics(self._destination, state_dir=self._state_dir)
            self._known_until = now + _DESTINATION_SECONDS
        metrics = [
            Metric("objects", "counter", "Objects by outcome.", dict(self.objects), "outcome"),
            Metric("bytes", "counter", "Bytes of bodies fetched, and landed.", dict(self.moved()), "direction"),
            Metric("run_seconds", "gauge", "How long it has run.", {"": time.time() - self._started_at}),
            Metric("landing_up", "gauge", "1 while results are landed.", {"": int(not self._failure)}),
            *self._own(),
            *self._known,
        ]
        if self._last_success is not None:
            metrics.append(last_success(self._last_success))
        return metrics

    def write(self, *, at_once: bool = False) -> None:
        """Write the file if there is one, and if it is time or ``at_once``; a failure ends nothing."""
        now = time.monotonic()
        if self._options.file is None or not (at_once or now - self._written_at >= _FILE_SECONDS):
            return
        self._written_at = now
        try:
            labels = {"destination": str(self._destination.absolute()), "verb": self._verb}
            write_metrics_file(self._options.file, self.collect(), labels)
            self._file_works = True
        except HarvesterError as error:
            if self._file_works:
                self._warn(error.one_line())
            self._file_works = False

    def _write_last(self) -> None:
        self._known_until = 0.0
        self.write(at_once=True)

    @contextlib.contextmanager
    def published(self) -> Iterator[None]:
        """Serve within the context if a port is given, and write the file a last time at its end.

        Raises ConfigurationError for an address that cannot be had, and without the extra [listen].
        """
        with contextlib.ExitStack() as stack:
            stack.callback(self._write_last)
            if self._options.port is not None:
                require_extra(LISTEN, feature="serving metrics")
                from harvester.events.http import HttpServer

                server = stack.enter_context(HttpServer(self._options.host, self._options.port))
                server.start(self._answer)
                self._warn(f"metrics are at {server.address}/metrics")
            yield

    async def _answer(
        self,
        scope: MutableMapping[str, Any],
        _receive: Callable[[], Awaitable[Any]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        status, content_type, body = 404, "text/plain; charset=utf-8", "/metrics and /healthz are served\n"
        if scope["path"] == "/metrics":
            status, content_type, body = 200, CONTENT_TYPE, metrics_text(self.collect())
        elif scope["path"] == "/healthz":
            healthy, message = self.health()
            status, body = 200 if healthy else 503, message + "\n"
        content = body.encode()
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})
