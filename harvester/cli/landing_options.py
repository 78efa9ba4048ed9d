"""The options of how single results land, for the verbs that take them as they arrive."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harvester.api import with_facts
from harvester.cli.parameters import SIZE, state_option
from harvester.errors import UsageError
from harvester.mirror import ResultOptions, Selection, SyncOptions, Validation

_Command = TypeVar("_Command", bound=Callable[..., Any])


def landing_options(command: _Command) -> _Command:
    """Add the options; the command receives one ``options``."""

    @functools.wraps(command)
    def with_options(**values: Any) -> Any:
        return command(options=_options(values), **values)

    for option in (
        state_option,
        click.option(
            "--on-change",
            type=click.Choice(["replace", "keep"]),
            default="replace",
            show_default=True,
            help="What to do with the older version of a changed object.",
        ),
        click.option(
            "--unsafe-names",
            type=click.Choice(["hash", "refuse"]),
            default="hash",
            show_default=True,
            help="What to do with keys that cannot be a path.",
        ),
        click.option("--max-object-bytes", type=SIZE, help="Refuse larger objects, e.g. 500MB."),
        click.option(
            "--workers", type=click.IntRange(1, 256), metavar="N", help="Worker processes.  [default: one per core]"
        ),
        click.option(
            "--validate",
            type=click.Choice([validation.value for validation in Validation]),
            default=Validation.SCHEMA.value,
            show_default=True,
            help="How much of each result is checked.",
        ),
        click.option(
            "--schema",
            "schema_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Your JSON Schema for data.parsing.",
        ),
        click.option("--keep-compressed", is_flag=True, help="Land gzip as delivered, names unchanged."),
        click.option("--exclude", multiple=True, metavar="GLOB", help="No keys that match; may be repeated."),
        click.option(
            "--include", multiple=True, metavar="GLOB", help="Only keys (below the prefix) that match; may be repeated."
        ),
    ):
        option(with_options)
    return with_options  # type: ignore[return-value]  # the same command, with options of its own


def _options(values: dict[str, Any]) -> SyncOptions:
    limit: int | None = values.pop("max_object_bytes")
    result = ResultOptions(
        keep_compressed=values.pop("keep_compressed"),
        validation=Validation(values.pop("validate")),
        user_schema=read_schema(values.pop("schema_file")),
    )
    if limit is not None:
        result = dataclasses.replace(result, max_content_bytes=limit)
    return with_facts(
        SyncOptions(
            selection=Selection(tuple(values.pop("include")), tuple(values.pop("exclude"))),
            result=result,
            workers=values.pop("workers") or 0,
            max_object_bytes=limit,
            unsafe_names=values.pop("unsafe_names"),
            on_change=values.pop("on_change"),
            state_dir=values.pop("state_dir"),
        )
    )


def read_schema(path: Path | None) -> str | None:
    """Return the text of a schema file. Raises UsageError when it cannot be read."""
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(
            f"cannot read the schema {path}", cause=cause, next_step="--schema FILE takes a JSON Schema"
        ) from error
