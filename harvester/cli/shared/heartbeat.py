"""The heartbeat of a verb that works on one destination."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from harvester.destination import record_heartbeat
from harvester.errors import ExitCode, HarvesterError

_Command = TypeVar("_Command", bound=Callable[..., Any])


def with_heartbeat(verb: str) -> Callable[[_Command], _Command]:
    """Record the end of the command in the state of its ``dest``, and its success when the exit code is 0."""

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def recorded(**values: Any) -> Any:
            def record(code: int) -> None:
                if not (values.get("dry_run") or values.get("print_view")):
                    record_heartbeat(
                        values["dest"], verb, code, succeeded=code == ExitCode.OK, state_dir=values.get("state_dir")
                    )

            try:
                result = command(**values)
            except HarvesterError as error:
                record(error.exit_code)
                raise
            record(int(result or 0))
            return result

        return recorded  # type: ignore[return-value]  # the same signature

    return decorate
