"""The options for landing results, shared by every verb that lands some."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import click

from harvester.cli.shared.options.given_files import read_given_text
from harvester.cli.shared.options.option_errors import value_invalid
from harvester.cli.shared.options.parameters import DURATION, SIZE, state_option
from harvester.destination import Selection
from harvester.results import DEFAULT_MAX_RATIO, DEFAULT_MAX_SCHEMA_STEPS, ResultOptions, Validation
from harvester.transfer import SyncOptions, WorkerLimits

_SHORTEST_DECODE_TIMEOUT = 1.0  # seconds; workers report several times in them
_Command = TypeVar("_Command", bound=Callable[..., Any])

DEFAULT_MAX_SCHEMA_BYTES: Final = 4 * 1024**2
"""Bytes that the text of ``--schema`` may have."""

Landing = Callable[[], SyncOptions]
"""Returns what was chosen, reading the schema file. Raises UsageError, which belongs in the verb's report."""


schema_steps_option = click.option(
    "--max-schema-steps",
    type=click.IntRange(1),
    metavar="N",
    default=DEFAULT_MAX_SCHEMA_STEPS,
    show_default=True,
    help="Refuse a value that takes more steps to check against --schema.",
)


schema_bytes_option = click.option(
    "--max-schema-bytes",
    type=SIZE,
    metavar="SIZE",
    default=DEFAULT_MAX_SCHEMA_BYTES,
    show_default="4MiB",
    help="Refuse a longer text of --schema.",
)


_LANDING_OPTIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "state_dir": state_option,
    "on_change": click.option(
        "--on-change",
        type=click.Choice(["replace", "keep"]),
        default="replace",
        show_default=True,
        help="What to do with the older version of a changed object.",
    ),
    "unsafe_names": click.option(
        "--unsafe-names",
        type=click.Choice(["hash", "refuse"]),
        default="hash",
        show_default=True,
        help="What to do with keys that cannot be a path.",
    ),
    "max_object_bytes": click.option("--max-object-bytes", type=SIZE, help="Refuse larger objects, e.g. 500MB."),
    "workers": click.option(
        "--workers", type=click.IntRange(1, 256), metavar="N", help="Worker processes.  [default: one per core]"
    ),
    "decode_timeout": click.option(
        "--decode-timeout",
        type=DURATION,
        help="End a worker that one object keeps busy for longer, e.g. 20s.  [default: 4s of processor time]",
    ),
    "max_worker_memory": click.option(
        "--max-worker-memory", type=SIZE, help="End a worker that uses more memory, e.g. 8GB.  [default: 4GiB]"
    ),
    "max_schema_steps": schema_steps_option,
    "max_schema_bytes": schema_bytes_option,
    "max_ratio": click.option(
        "--max-ratio",
        type=click.IntRange(1),
        metavar="N",
        default=DEFAULT_MAX_RATIO,
        show_default=True,
        help="Quarantine gzip and Parquet that hold more than N times the bytes delivered.",
    ),
    "validate": click.option(
        "--validate",
        type=click.Choice([validation.value for validation in Validation]),
        default=Validation.SCHEMA.value,
        show_default=True,
        help="How much of each result is checked.",
    ),
    "schema_file": click.option(
        "--schema",
        "schema_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Your JSON Schema for data.parsing.",
    ),
    "keep_compressed": click.option("--keep-compressed", is_flag=True, help="Land gzip as delivered, names unchanged."),
    "exclude": click.option("--exclude", multiple=True, metavar="GLOB", help="No keys that match; may be repeated."),
    "include": click.option(
        "--include", multiple=True, metavar="GLOB", help="Only keys (below the prefix) that match; may be repeated."
    ),
}
"""The options, in reverse order of --help, by the name of their value."""
_OF_A_SHARD: Final = frozenset(_LANDING_OPTIONS) - {"state_dir", "on_change", "keep_compressed", "workers"}


def landing_options(command: _Command) -> _Command:
    """Add the options; the command receives one ``landing``."""
    return _with_options(command, frozenset(_LANDING_OPTIONS))


def shard_options(command: _Command) -> _Command:
    """Add the options that apply where a destination is made for one run; the command receives one ``landing``."""
    return _with_options(command, _OF_A_SHARD)


def _with_options(command: _Command, names: frozenset[str]) -> _Command:
    @functools.wraps(command)
    def with_landing(**values: Any) -> Any:
        chosen = {name: values.pop(name) for name in names}
        return command(landing=functools.partial(_options, **chosen), **values)

    for name, option in _LANDING_OPTIONS.items():
        if name in names:
            option(with_landing)
    return with_landing  # type: ignore[return-value]  # the same command with further options


def _options(
    *,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    schema_file: Path | None,
    validate: str,
    max_object_bytes: int | None,
    decode_timeout: float | None,
    max_worker_memory: int | None,
    max_schema_bytes: int,
    max_schema_steps: int,
    max_ratio: int,
    unsafe_names: Literal["hash", "refuse"],
    keep_compressed: bool = False,
    workers: int | None = None,
    on_change: Literal["replace", "keep"] = "replace",
    state_dir: Path | None = None,
) -> SyncOptions:
    result = ResultOptions(
        keep_compressed=keep_compressed,
        validation=Validation(validate),
        user_schema=read_schema(schema_file, max_schema_bytes),
        max_schema_steps=max_schema_steps,
        max_ratio=max_ratio,
    )
    if max_object_bytes is not None:
        result = result._replace(max_content_bytes=max_object_bytes)
    limits = WorkerLimits()
    if decode_timeout is not None:
        if decode_timeout < _SHORTEST_DECODE_TIMEOUT:
            raise value_invalid(
                f"--decode-timeout takes {_SHORTEST_DECODE_TIMEOUT:g}s or more",
                f"--decode-timeout {_SHORTEST_DECODE_TIMEOUT:g}s",
            )
        limits = limits._replace(cpu_seconds=decode_timeout, silent_seconds=max(limits.silent_seconds, decode_timeout))
    if max_worker_memory is not None:
        limits = limits._replace(memory_bytes=max_worker_memory)
    return SyncOptions(
        worker_limits=limits,
        selection=Selection(include, exclude),
        result=result,
        workers=workers or 0,
        max_object_bytes=max_object_bytes,
        unsafe_names=unsafe_names,
        on_change=on_change,
        state_dir=state_dir,
    )


def read_schema(path: Path | None, max_bytes: int) -> str | None:
    """Return the text of a JSON Schema file, None without one. Raises UsageError for a file that is none."""
    if path is None:
        return None
    # Loaded only here: a run without a schema of the user's needs no parser in this process.
    from harvester.results import ResultReader, UserSchemaError

    text = read_given_text(path, "schema", max_bytes=max_bytes, limit="max_schema_bytes")
    try:
        ResultReader(ResultOptions(user_schema=text))
    except UserSchemaError as error:
        error.what = f"{path}: {error.what}"
        raise
    return text
