"""The steps of a pipeline as verbs of this program, with the options of the file as their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harvester.cli.shared.options.config_file import STEPS, Pipeline, check_options
from harvester.cli.shared.run_messages import LOG_FORMAT
from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError, UsageError
from harvester.location_template import LocationTemplate, parse_place


def step_command(root: click.Context, step: str) -> click.Command:
    """Return the verb that a step runs."""
    command = root.command
    assert isinstance(command, click.Group)  # noqa: S101  # the program is one; narrows the type
    found = command.get_command(root, STEPS[step])
    assert found is not None  # noqa: S101  # every step names a verb
    return found


def option_names(command: click.Command) -> dict[str, str]:
    """Return the parameter's name for each long option of a verb, without the dashes."""
    return {
        flag.removeprefix("--"): str(parameter.name)
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    }


def step_context(root: click.Context, path: Path, pipeline: Pipeline, step: str) -> click.Context:
    """Return the parsed call of a step: environment variables go before the options of the file.

    Raises ConfigurationError for an option that the verb does not have, or a value that it refuses.
    """
    command = step_command(root, step)
    names = option_names(command)
    check_options(path, pipeline, step, names)
    arguments = {
        "sync": [pipeline.location, pipeline.destination],
        "access": [_without_dates(pipeline.location)],
    }.get(step, [pipeline.destination])
    repeated = {str(each.name) for each in command.params if each.multiple}
    defaults = {
        names[key]: _as_given(value, repeated=names[key] in repeated) for key, value in pipeline.steps[step].items()
    }
    if "quiet" in names.values():
        defaults.setdefault("quiet", True)
    if "log_format" in names.values() and LOG_FORMAT in root.meta:
        defaults.setdefault("log_format", root.meta[LOG_FORMAT])
    try:
        return command.make_context(STEPS[step], list(arguments), parent=root, default_map=defaults)
    except (click.ClickException, UsageError) as error:
        raise ConfigurationError(
            f"pipeline.{pipeline.name}.{step} of {path} is invalid",
            cause=error.one_line() if isinstance(error, UsageError) else error.format_message(),
            code=ErrorCode.CONFIG_FILE_INVALID,
            subject=str(path),
        ) from error


def _without_dates(location: str) -> str:
    """Return the location whose access is explained; an invalid one as it is, which the verb refuses."""
    try:
        place = parse_place(location)
    except UsageError:
        return location
    return place.base.url if isinstance(place, LocationTemplate) else location


def _as_given(value: Any, *, repeated: bool) -> Any:
    """Return a value as the command line gives it: a number as its text; lists and booleans stay.

    One value of an option that may be ``repeated`` is a list of one.
    """
    if isinstance(value, bool | list | Mapping):
        return value
    return [str(value)] if repeated else str(value)
