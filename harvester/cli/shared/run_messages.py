"""Messages, progress and the end of a run on standard error: for people, or as JSON lines for containers."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

from harvester import text
from harvester.cli.shared.reports.status_line import StatusLine
from harvester.errors import EXIT_MEANINGS, ExitCode, HarvesterError
from harvester.transfer import SyncProgress

_Command = TypeVar("_Command", bound=Callable[..., Any])
LOG_FORMAT = "harvester.log-format"
"""Key of a click context under which a run of pipelines keeps the form of messages for its steps."""
RETRYABLE = "harvester.retryable"
"""Key of a click context under which a command keeps whether it may succeed later; a run of pipelines reads it."""
_LINE_SECONDS = 30.0
_RATE_SECONDS = 5.0


log_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of messages on standard error.",
)


def message_options(command: _Command) -> _Command:
    """Add the options for messages; the command receives one ``messages``."""

    @functools.wraps(command)
    def with_messages(*, log_format: str, quiet: bool, no_progress: bool, no_color: bool, **values: Any) -> Any:
        redrawn = not (quiet or no_progress or no_color)
        return command(messages=Messages(as_json=log_format == "json", quiet=quiet, redrawn=redrawn), **values)

    for option in (
        click.option("--no-color", is_flag=True, help="Write no control sequences; implied by TERM=dumb and CI."),
        click.option("--no-progress", is_flag=True, help="Draw no progress bar."),
        click.option("-q", "--quiet", is_flag=True, help="Print nothing unless the exit code is not 0."),
        log_format_option,
    ):
        option(with_messages)
    return with_messages  # type: ignore[return-value]  # the same command with further options


class Messages:
    """Writes to standard error."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False, redrawn: bool = True) -> None:
        """Write JSON lines if asked to; else a progress bar on a terminal, else a line every 30 seconds.

        ``quiet`` holds messages back, and drops them when the run ends with 0.
        """
        self.quiet = quiet
        self._as_json = as_json
        self._line = StatusLine(wanted=redrawn and not as_json)
        self._written_at = 0.0
        self._samples: list[SyncProgress] = []
        self._held: list[tuple[str, tuple[str, ...]]] = []

    def show(self, progress: SyncProgress) -> None:
        """Show how far the work is."""
        if not self._samples:
            self._written_at = progress.at
        self._samples.append(progress)
        while len(self._samples) > 2 and progress.at - self._samples[0].at > _RATE_SECONDS:
            self._samples.pop(0)
        if self._line.active:
            self._line.draw(self._progress_line(progress, width=text.terminal_width()))
        elif progress.at - self._written_at >= _LINE_SECONDS:
            self._written_at = progress.at
            self.log("info", self._progress_line(progress, width=0))

    def begin_run(self) -> None:
        """Begin with the progress of a further run."""
        self._samples.clear()

    def log(self, level: str, message: str, *more: str) -> None:
        """Write one message of one or more lines; as JSON, of one line."""
        self.clear()
        if self.quiet:
            if level != "info":
                self._held.append((level, (message, *more)))
        elif self._as_json:
            self._write_json(level, " ".join((message, *more)))
        else:
            prefix = f"{level}: " if level in ("warning", "error") else ""
            for line in (prefix + message, *more):
                print(text.printable(line), file=sys.stderr, flush=True)

    def end(
        self,
        exit_code: ExitCode,
        *,
        error: HarvesterError | None = None,
        reasons: Sequence[str] = (),
        counts: Mapping[str, int] | None = None,
        steps: Sequence[Mapping[str, object]] = (),
        retryable: bool | None = None,
    ) -> None:
        """Write why the run ended as it did; raises ``error`` for the program to print, except as JSON.

        ``reasons`` are written for an exit code other than 0 without an error, unless standard output, which has the
        report, is a terminal or the same file. ``retryable`` is whether the same command may succeed later, where that
        is not what the error or the exit code means.
        """
        self.clear()
        if retryable is None:
            retryable = bool(EXIT_MEANINGS[exit_code].retryable) if error is None else error.retryable
        context = click.get_current_context(silent=True)
        if context is not None:
            context.meta[RETRYABLE] = retryable
        if exit_code is not ExitCode.OK:
            self.quiet = False
            for level, lines in self._held:
                self.log(level, *lines)
        if self._as_json:
            self._write_end(
                exit_code,
                error,
                reasons,
                {"retryable": retryable, "counts": dict(counts or {}), **({"steps": steps} if steps else {})},
            )
        elif error is not None:
            raise error
        elif exit_code is not ExitCode.OK and reasons and not _report_is_seen():
            self.log("error", f"exit {int(exit_code)}: {EXIT_MEANINGS[exit_code].meaning}", *reasons)

    def clear(self) -> None:
        """Remove the progress bar."""
        self._line.clear()

    def _write_end(
        self,
        exit_code: ExitCode,
        error: HarvesterError | None,
        reasons: Sequence[str],
        more: Mapping[str, object],
    ) -> None:
        if self.quiet:
            return
        # Loaded by the runs that describe their end as JSON.
        from harvester.cli.shared.next_steps import error_document, next_step

        lines = [line.strip() for line in reasons]
        if error is not None:
            lines = [*error.lines(), *filter(None, [next_step(error)])]
        self._write_json(
            "info" if exit_code is ExitCode.OK else "error",
            "; ".join(lines) or EXIT_MEANINGS[exit_code].meaning,
            event="end",
            exit_code=int(exit_code),
            **more,
            error=None if error is None else {k: v for k, v in error_document(error).items() if k != "parameters"},
        )

    def _write_json(self, level: str, message: str, **more: object) -> None:
        document = {"time": text.rfc3339(time.time()), "level": level, "message": message, **more}
        print(json.dumps(document), file=sys.stderr, flush=True)

    def _rate(self) -> tuple[float, float]:
        first, last = self._samples[0], self._samples[-1]
        elapsed = max(last.at - first.at, 1e-9)
        return (last.settled - first.settled) / elapsed, (last.bytes_fetched - first.bytes_fetched) / elapsed

    def _progress_line(self, progress: SyncProgress, *, width: int) -> str:
        if not progress.listed:
            return "listing"
        objects, fetched = self._rate() if len(self._samples) > 1 else (0.0, 0.0)
        total = f"{progress.listed:,}{'' if progress.listing_done else '+'}"
        line = f"{progress.settled:,} of {total} objects, {objects:,.0f}/s, {text.size(int(fetched))}/s"
        if progress.listing_done and objects > 0:
            line += f", {text.duration((progress.listed - progress.settled) / objects)} left"
        if progress.problems:
            line += f", {text.count(progress.problems, 'problem')}"
        bar = width - len(line) - 4
        if bar >= 8 and progress.listing_done:
            filled = bar * progress.settled // progress.listed
            line = f"[{'#' * filled}{'.' * (bar - filled)}] {line}"
        return line


def write_reasons(exit_code: ExitCode, reasons: Iterable[str]) -> None:
    """Write why a command without messages ended with a code other than 0, as `Messages.end` does."""
    if exit_code is ExitCode.OK:
        return
    lines = [line for each in reasons for line in each.splitlines()]
    context = click.get_current_context(silent=True)
    if context is not None and context.meta.get(LOG_FORMAT) == "json":
        # A step of a pipeline: the run writes the one line of its end.
        context.meta[RETRYABLE] = bool(EXIT_MEANINGS[exit_code].retryable)
        stripped = (line.strip() for line in lines)
        Messages(as_json=True).log("error", f"exit {int(exit_code)}: {EXIT_MEANINGS[exit_code].meaning}", *stripped)
    else:
        Messages().end(exit_code, reasons=lines)


def _report_is_seen() -> bool:
    if sys.stdout.isatty():
        return True
    try:
        # Not of descriptor 1: a step of a pipeline, and --quiet, have another standard output.
        return os.path.sameopenfile(sys.stdout.fileno(), 2)
    except OSError:
        return False
