"""The configuration file: where it is searched, and the pipelines it describes."""

from __future__ import annotations

import difflib
import functools
import os
import re
import stat
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from harvester.error_codes import ErrorCode
from harvester.errors import ConfigurationError

_Command = TypeVar("_Command", bound=Callable[..., Any])

STEPS: Mapping[str, str] = {
    "access": "explain",
    "sync": "sync",
    "freshness": "status",
    "profile": "profile",
    "export": "export",
    "evict": "evict",
}
"""The steps of a pipeline in their order, and the verb that each runs."""


def config_option(command: _Command) -> _Command:
    """Add ``--config`` behind the verb too; the command receives ``config_file``, the path of the file to read."""

    @functools.wraps(command)
    def with_file(*context: Any, config_file: str | None, **values: Any) -> Any:
        root = click.get_current_context().find_root()
        return command(*context, config_file=find_config(config_file or root.params.get("config_file")), **values)

    return click.option("--config", "config_file", type=click.Path(), metavar="FILE", help="The configuration file.")(
        with_file
    )  # type: ignore[return-value]  # the same command with a further option


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CREDENTIAL = re.compile(r"secret|password|token|api[-_]?key|access[-_]?key|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One location, its destination, and the steps that a run takes."""

    name: str
    """Its name in the file."""
    location: str
    """Where the results are."""
    destination: str
    """The directory that they land in."""
    steps: Mapping[str, Mapping[str, Any]]
    """The options of each step, by long option without dashes at its beginning, in the order of `STEPS`."""


def find_config(given: str | None) -> Path:
    """Return the configuration file: the given one, the user's, or the machine's. Raises ConfigurationError."""
    if given is not None:
        if not Path(given).exists():
            raise ConfigurationError(
                f"there is no configuration file {given}", code=ErrorCode.NO_CONFIG_FILE, subject=given
            )
        return Path(given)
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")  # noqa: PTH111  # no HOME: stays as it is
    places = [Path(home, "nimble-harvester", "config.toml"), Path("/etc/nimble-harvester/config.toml")]
    for place in places:
        if place.is_file():
            return place
    raise ConfigurationError(
        "there is no configuration file",
        cause=f"neither {places[0]} nor {places[1]} exists",
        code=ErrorCode.NO_CONFIG_FILE,
    )


def read_config(path: Path) -> tuple[Pipeline, ...]:
    """Read the pipelines of a file. Raises ConfigurationError for an unsafe, unreadable or invalid one."""
    try:
        with path.open("rb") as stream:
            _check_safe(path, os.fstat(stream.fileno()))
            content = stream.read()
        # Editors on Windows begin a file with a byte order mark.
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise _invalid(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _invalid(path, str(error)) from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        curly = "; strings are in straight quotes, and some are curly" if re.search("[“”‘’]", text) else ""
        raise _invalid(path, f"{error}{curly}") from error
    return tuple(_pipelines(path, document))


def _check_safe(path: Path, found: os.stat_result) -> None:
    """Refuse a file that another user may write: it could redirect signed requests."""
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid not in (0, os.geteuid()):
        raise ConfigurationError(
            f"{path} may be written by others",
            cause=f"its mode is {stat.S_IMODE(found.st_mode):o}, its owner {found.st_uid}",
            code=ErrorCode.CONFIG_FILE_UNSAFE,
            subject=str(path),
        )


def _pipelines(path: Path, document: Mapping[str, Any]) -> Iterator[Pipeline]:
    _check_keys(path, "", document, ("pipeline",))
    pipelines = document.get("pipeline")
    if not isinstance(pipelines, dict) or not pipelines:
        raise _invalid(path, "it has no table [pipeline.NAME]")
    for name, table in pipelines.items():
        place = f"pipeline.{name}"
        if not isinstance(table, dict):
            raise _invalid(path, f"{place} is no table")
        _check_keys(path, place, table, ("location", "destination", *STEPS))
        values = _expanded(path, place, table)
        for key in ("location", "destination"):
            if not isinstance(values.get(key), str) or not values[key]:
                raise _invalid(path, f"{place} has no {key}")
        steps = {step: values[step] for step in STEPS if step in values}
        for step, options in steps.items():
            if not isinstance(options, dict):
                raise _invalid(path, f"{place}.{step} is no table")
        if not steps:
            raise _invalid(path, f"{place} has no step: {', '.join(STEPS)}")
        if "access" in steps and steps["access"].pop("check", None) != "every-run":
            raise _invalid(path, f'{place}.access needs check = "every-run"')
        yield Pipeline(name, values["location"], values["destination"], steps)


def check_options(path: Path, pipeline: Pipeline, step: str, known: Collection[str]) -> None:
    """Raise ConfigurationError for an option of a step that its verb does not have."""
    _check_keys(path, f"pipeline.{pipeline.name}.{step}", pipeline.steps[step], known)


def _check_keys(path: Path, place: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key in known:
            continue
        where = f"{place}.{key}" if place else key
        if _CREDENTIAL.search(key):
            raise _invalid(path, f"{where}: credentials do not belong into this file")
        nearest = difflib.get_close_matches(key, known, n=1)
        raise _invalid(path, f"unknown key {where}" + (f"; the nearest is {nearest[0]}" if nearest else ""))


def _expanded(path: Path, place: str, value: Any) -> Any:
    """Return a value with every ``${NAME}`` in its strings replaced by the environment's."""
    if isinstance(value, dict):
        return {key: _expanded(path, f"{place}.{key}", each) for key, each in value.items()}
    if isinstance(value, list):
        return [_expanded(path, place, each) for each in value]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise _invalid(path, f"{place}: the variable {found[1]} is not set")
        return os.environ[found[1]]

    return _VARIABLE.sub(replaced, value)


def _invalid(path: Path, cause: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is no valid configuration", cause=cause, code=ErrorCode.CONFIG_FILE_INVALID, subject=str(path)
    )
