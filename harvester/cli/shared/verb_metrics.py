"""``--metrics-file`` of the verbs that run on a schedule and end by themselves."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from harvester import text
from harvester.cli.shared.options.parameters import metrics_file_option
from harvester.destination import destination_metrics
from harvester.errors import DestinationUnusable, ExitCode, HarvesterError
from harvester.metrics import Metric, end_metrics, last_success, write_metrics_file

_Command = TypeVar("_Command", bound=Callable[..., Any])


def with_metrics(verb: str) -> Callable[[_Command], _Command]:
    """Add the option; the command receives a list ``measured``, to which it adds its own metrics.

    The file is written however the command ends. Where it cannot be written, that is the error of a command that ended
    with 0, and a warning after another end.
    """

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def measuring(*, metrics_file: Path | None, **values: Any) -> Any:
            measured: list[Metric] = []
            started_at = time.time()

            def write(code: int) -> None:
                if metrics_file is None:
                    return
                dest, ended_at = values["dest"], time.time()
                metrics = [*end_metrics(started_at, ended_at, code), *measured]
                if code == ExitCode.OK:
                    metrics.append(last_success(ended_at))
                metrics += destination_metrics(dest, state_dir=values.get("state_dir"))
                labels = {"destination": str(dest.absolute()), "verb": verb}
                try:
                    write_metrics_file(metrics_file, metrics, labels)
                except DestinationUnusable as error:
                    if code == ExitCode.OK:
                        raise
                    print(f"warning: {text.printable(error.one_line())}", file=sys.stderr)

            try:
                code = command(measured=measured, **values)
            except HarvesterError as error:
                write(error.exit_code)
                raise
            write(int(code or 0))
            return code

        return metrics_file_option(measuring)  # type: ignore[return-value]  # the same command with a further option

    return decorate
