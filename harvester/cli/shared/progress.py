"""Tell people how a long work goes: a bar on a terminal, else a line every 30 s; as JSON lines for containers."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from harvester import text
from harvester.errors import HarvesterError
from harvester.transfer import SyncProgress

_Command = TypeVar("_Command", bound=Callable[..., Any])
_LINE_SECONDS = 30.0
_RATE_SECONDS = 5.0


def log_option(command: _Command) -> _Command:
    """Add ``--log-format``; the command receives one ``progress``."""

    @functools.wraps(command)
    def with_progress(*, log_format: str, **values: Any) -> Any:
        return command(progress=Progress(as_json=log_format == "json"), **values)

    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Form of messages on standard error.",
    )(with_progress)
    return with_progress  # type: ignore[return-value]  # the same command with further options


class Progress:
    """Writes to standard error."""

    def __init__(self, *, as_json: bool) -> None:
        """Write JSON lines when asked to, else a bar on a terminal, else plain lines now and then."""
        self._as_json = as_json
        self._bar = sys.stderr.isatty() and not as_json
        self._told_at = time.monotonic()
        self._drawn = False
        self._samples: list[SyncProgress] = []

    def show(self, progress: SyncProgress) -> None:
        """Take note of how far the work is."""
        self._samples.append(progress)
        while len(self._samples) > 2 and progress.at - self._samples[0].at > _RATE_SECONDS:
            self._samples.pop(0)
        if self._bar:
            self._draw(progress)
        elif progress.at - self._told_at >= _LINE_SECONDS:
            self._told_at = progress.at
            self.say("info", self._line(progress))

    def say(self, level: str, message: str, *more: str) -> None:
        """Write one message of one or more lines; as JSON, of one line."""
        self.clear()
        if self._as_json:
            stamp = text.rfc3339(time.time())
            print(
                json.dumps({"time": stamp, "level": level, "message": " ".join((message, *more))}),
                file=sys.stderr,
                flush=True,
            )
        else:
            prefix = f"{level}: " if level in ("warning", "error") else ""
            for line in (prefix + message, *more):
                print(text.printable(line), file=sys.stderr, flush=True)

    def tell_end(self, error: HarvesterError | None) -> None:
        """Say in JSON what ended the work, if anything did; else raise it, for the program to tell as it tells all."""
        if error is None:
            return
        if not self._as_json:
            raise error
        self.say("error", error.one_line())

    def clear(self) -> None:
        """Remove the bar."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False

    def _rate(self) -> tuple[float, float]:
        first, last = self._samples[0], self._samples[-1]
        elapsed = max(last.at - first.at, 1e-9)
        return (last.settled - first.settled) / elapsed, (last.bytes_fetched - first.bytes_fetched) / elapsed

    def _line(self, progress: SyncProgress) -> str:
        if not progress.listed:
            return "listing"
        objects, fetched = self._rate() if len(self._samples) > 1 else (0.0, 0.0)
        total = f"{progress.listed:,}{'' if progress.listing_done else '+'}"
        line = f"{progress.settled:,} of {total} objects, {objects:,.0f}/s, {text.size(int(fetched))}/s"
        if progress.listing_done and objects > 0:
            line += f", {text.duration((progress.listed - progress.settled) / objects)} left"
        if progress.problems:
            line += f", {text.count(progress.problems, 'problem')}"
        return line

    def _draw(self, progress: SyncProgress) -> None:
        import shutil

        width = shutil.get_terminal_size().columns
        line = self._line(progress)
        room = width - len(line) - 4
        if room >= 8 and progress.listing_done and progress.listed:
            filled = room * progress.settled // progress.listed
            line = f"[{'#' * filled}{'.' * (room - filled)}] {line}"
        sys.stderr.write("\r\x1b[K" + line[: width - 1])
        sys.stderr.flush()
        self._drawn = True
